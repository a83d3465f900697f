//! Days as numbers since 1970-01-01: four bytes on the wire, and compared without taking a calendar apart.
//!
//! The arithmetic is Howard Hinnant's `days_from_civil`; going through a general date library costs twenty times as
//! much, which for the thousands of days of one series is more than everything else an L2 hit does.

use jiff::civil::Date;

/// Returns the number of `date`.
pub(crate) fn number(date: Date) -> i32 {
    let month = i32::from(date.month());
    let year = i32::from(date.year()) - i32::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + i32::from(date.day()) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Returns the date of `number`, or `None` outside the calendar of [`Date`].
pub(crate) fn date(number: i32) -> Option<Date> {
    let shifted = number.checked_add(719_468)?;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i32::from(month <= 2);
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil;

    use super::*;

    #[test]
    fn agrees_with_the_calendar_on_every_day_of_five_centuries() {
        let mut expected = civil::date(1700, 1, 1);
        let mut day = number(expected);
        assert_eq!(number(civil::date(1970, 1, 1)), 0);
        while expected < civil::date(2200, 1, 1) {
            assert_eq!(number(expected), day);
            assert_eq!(date(day), Some(expected));
            expected = expected.tomorrow().unwrap();
            day += 1;
        }
    }

    #[test]
    fn the_ends_of_the_calendar_hold_and_nothing_beyond_panics() {
        for end in [Date::MIN, Date::MAX] {
            assert_eq!(date(number(end)), Some(end));
        }
        assert_eq!(date(number(Date::MAX) + 1), None);
        assert_eq!(date(number(Date::MIN) - 1), None);
        for wild in [i32::MIN, i32::MAX, i32::MAX - 719_468, i32::MIN + 719_468] {
            assert_eq!(date(wild), None);
        }
    }
}
