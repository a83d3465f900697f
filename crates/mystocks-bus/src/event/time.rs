//! Times as the platform writes them.

use std::fmt;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A moment in UTC as the platform's `events:*` write it: `2026-01-05T09:30:00.125000`, without a zone.
///
/// It keeps the text it was read from, whatever that is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NaiveUtc(String);

impl NaiveUtc {
    /// Returns this host's time.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// Returns the moment; `None` when the text is not one. A text with a zone, which the platform does not write, is read by its zone.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use mystocks_bus::NaiveUtc;
    ///
    /// let moment = UNIX_EPOCH + Duration::from_millis(1_767_605_400_125);
    /// let text = NaiveUtc::from(moment);
    /// assert_eq!(text.as_str(), "2026-01-05T09:30:00.125000");
    /// assert_eq!(text.to_system_time(), Some(moment));
    /// ```
    pub fn to_system_time(&self) -> Option<SystemTime> {
        // A civil time would pass over a zone.
        if let Ok(moment) = self.0.parse::<Timestamp>() {
            return Some(moment.into());
        }
        let moment: DateTime = self.0.parse().ok()?;
        Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<SystemTime> for NaiveUtc {
    fn from(moment: SystemTime) -> Self {
        let moment = Timestamp::try_from(moment).unwrap_or_default();
        // Python leaves the fraction out when it is zero.
        let format = if moment.subsec_microsecond() == 0 && moment.subsec_millisecond() == 0 {
            "%Y-%m-%dT%H:%M:%S"
        } else {
            "%Y-%m-%dT%H:%M:%S%.6f"
        };
        Self(moment.strftime(format).to_string())
    }
}

impl fmt::Display for NaiveUtc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns this host's time in seconds since the epoch, as the `timestamp` of `price:update` and its like is written here.
pub fn unix_seconds() -> f64 {
    // The clock of a host is after 1970.
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(micros: u64) -> NaiveUtc {
        NaiveUtc::from(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
    }

    #[test]
    fn is_written_as_python_writes_it() {
        // datetime.datetime.utcfromtimestamp(…).isoformat()
        assert_eq!(at(0).as_str(), "1970-01-01T00:00:00");
        assert_eq!(at(1).as_str(), "1970-01-01T00:00:00.000001");
        assert_eq!(at(1_000).as_str(), "1970-01-01T00:00:00.001000");
        assert_eq!(at(1_767_605_400_999_999).as_str(), "2026-01-05T09:30:00.999999");
    }

    #[test]
    fn what_is_no_time_is_none() {
        let read = |text: &str| NaiveUtc(text.to_owned()).to_system_time();
        assert_eq!(read("2026-01-05T09:30:00"), at(1_767_605_400_000_000).to_system_time());
        assert_eq!(read("2026-01-05 09:30:00"), at(1_767_605_400_000_000).to_system_time());
        for text in ["", "now", "2026-13-05T09:30:00", "99999-01-01T00:00:00"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
