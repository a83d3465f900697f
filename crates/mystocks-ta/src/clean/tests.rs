//! Every kind of bad row: what becomes of it, and that it is counted with its first date.

use jiff::civil::{Date, date};

use super::*;

fn day(day: i8) -> Date {
    date(2024, 3, day)
}

fn row(at: i8, prices: [f64; 4], volume: impl Into<Option<f64>>) -> RawBar {
    let [open, high, low, close] = prices;
    RawBar { date: day(at), open, high, low, close, volume: volume.into() }
}

fn good(at: i8) -> RawBar {
    row(at, [10.0, 11.0, 9.0, 10.5], 500.0)
}

fn flat(at: i8, volume: impl Into<Option<f64>>) -> RawBar {
    row(at, [10.0; 4], volume)
}

fn keep(rows: &[RawBar]) -> (Bars, CleaningReport) {
    clean(rows.to_vec(), &CleaningPolicy::default())
}

fn tally(count: usize, first: i8) -> Tally {
    Tally { count, first: Some(day(first)) }
}

#[test]
fn good_rows_pass_unchanged() {
    let (bars, report) = keep(&[good(1), good(2)]);
    assert_eq!(bars.dates(), [day(1), day(2)]);
    assert_eq!((bars.open(), bars.high()), ([10.0; 2].as_slice(), [11.0; 2].as_slice()));
    assert_eq!((bars.low(), bars.close()), ([9.0; 2].as_slice(), [10.5; 2].as_slice()));
    assert_eq!(bars.volume(), [500.0; 2]);
    assert!(report.is_unchanged());
    assert_eq!(report.to_string(), "2 rows, 2 bars");
}

#[test]
fn no_rows_and_no_good_rows_give_empty_bars() {
    let (bars, report) = keep(&[]);
    assert!(bars.is_empty() && report.is_unchanged());
    let (bars, report) = keep(&[row(1, [f64::NAN; 4], 1.0)]);
    assert!(bars.is_empty());
    assert_eq!((report.rows, report.bars, report.unusable_price), (1, 0, tally(1, 1)));
}

#[test]
fn suspended_days_stay_by_default_and_go_on_demand() {
    let rows = [good(1), flat(2, 0.0), flat(3, None), good(4)];
    let (bars, report) = keep(&rows);
    assert_eq!(bars.dates(), [day(1), day(2), day(3), day(4)]);
    assert_eq!(bars.volume(), [500.0, 0.0, 0.0, 500.0]);
    assert_eq!((report.suspended, report.blank_volume_suspended), (tally(2, 2), tally(1, 3)));
    let policy = CleaningPolicy { suspended: SuspendedDays::Drop };
    let (bars, report) = clean(rows.to_vec(), &policy);
    assert_eq!(bars.dates(), [day(1), day(4)]);
    assert_eq!((report.rows, report.bars, report.suspended), (4, 2, tally(2, 2)));
    assert!(report.to_string().contains("suspended day, dropped: 2 (first 2024-03-02)"));
}

#[test]
fn a_blank_volume_on_a_traded_row_is_0_and_counted_apart() {
    let (bars, report) = keep(&[good(1), row(2, [10.0, 11.0, 9.0, 10.5], None)]);
    assert_eq!(bars.volume(), [500.0, 0.0]);
    assert_eq!((report.blank_volume_traded, report.blank_volume_suspended), (tally(1, 2), Tally::default()));
    assert_eq!(report.suspended, Tally::default());
    assert!(!report.is_unchanged());
}

#[test]
fn an_unusable_volume_is_a_blank_one() {
    for volume in [-1.0, f64::NAN, f64::INFINITY, 1e19] {
        let (bars, report) = keep(&[row(1, [10.0, 11.0, 9.0, 10.5], volume), flat(2, volume)]);
        assert_eq!(bars.volume(), [0.0, 0.0], "{volume}");
        assert_eq!(report.unusable_volume, tally(2, 1));
        assert_eq!((report.blank_volume_traded, report.blank_volume_suspended), (tally(1, 1), tally(1, 2)));
    }
}

#[test]
fn a_range_that_does_not_hold_the_body_is_widened() {
    let (bars, report) = keep(&[
        row(1, [10.0, 10.2, 9.0, 10.5], 1.0),
        row(2, [10.0, 11.0, 10.1, 10.5], 1.0),
        row(3, [10.0, 9.0, 12.0, 10.0], 1.0),
        good(4),
    ]);
    assert_eq!(bars.high(), [10.5, 11.0, 10.0, 11.0]);
    assert_eq!(bars.low(), [9.0, 10.0, 10.0, 9.0]);
    assert_eq!((report.repaired_range, report.one_price), (tally(3, 1), tally(1, 3)));
}

#[test]
fn a_row_without_four_usable_prices_is_dropped() {
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, -5.0, 1e-300, 1e300];
    for price in bad {
        for column in 0..4 {
            let mut prices = [10.0, 11.0, 9.0, 10.5];
            prices[column] = price;
            let (bars, report) = keep(&[good(1), row(2, prices, 1.0), good(3)]);
            assert_eq!(bars.dates(), [day(1), day(3)], "{price} in column {column}");
            assert_eq!(report.unusable_price, tally(1, 2));
        }
    }
}

#[test]
fn of_one_date_the_last_row_stays() {
    let other = row(2, [20.0, 21.0, 19.0, 20.5], 7.0);
    let (bars, report) = keep(&[good(1), good(1), good(2), other, good(3)]);
    assert_eq!(bars.close(), [10.5, 20.5, 10.5]);
    assert_eq!((report.duplicate_identical, report.duplicate_conflicting), (tally(1, 1), tally(1, 2)));
    let (bars, _) = keep(&[other, good(2)]);
    assert_eq!(bars.close(), [10.5]);
    // A row that is dropped for its price replaces nothing.
    let (bars, report) = keep(&[good(2), row(2, [f64::NAN; 4], 1.0)]);
    assert_eq!((bars.close(), report.duplicate_conflicting.count), ([10.5].as_slice(), 0));
}

#[test]
fn rows_are_sorted_and_the_late_ones_counted() {
    let (bars, report) = keep(&[good(3), good(1), good(2), good(4)]);
    assert_eq!(bars.dates(), [day(1), day(2), day(3), day(4)]);
    assert_eq!(report.unordered, tally(2, 1));
}

#[test]
fn one_price_days_with_trade_stay_and_are_counted() {
    let (bars, report) = keep(&[good(1), flat(2, 300.0)]);
    assert_eq!(bars.volume(), [500.0, 300.0]);
    assert_eq!((report.one_price, report.suspended), (tally(1, 2), Tally::default()));
    assert!(report.is_unchanged());
}

#[test]
fn a_report_serializes_its_dates_as_text() {
    let (_, report) = keep(&[flat(2, 0.0)]);
    let json = serde_json::to_value(report).unwrap();
    assert_eq!(json["suspended"], serde_json::json!({ "count": 1, "first": "2024-03-02" }));
    assert_eq!(
        (&json["suspended_days"], &json["unordered"]["first"]),
        (&"keep".into(), &serde_json::Value::Null)
    );
}
