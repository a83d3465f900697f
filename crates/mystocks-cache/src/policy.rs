//! How one cache treats its entries, as plain data.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::ttl;

/// How a [`Cache`](crate::Cache) treats its entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The longest an entry lives in L2. Default: 1 hour.
    pub ttl: Duration,
    /// The part of `ttl` by which an entry's life is shortened at random, so that what was stored together does not
    /// expire together: an entry lives between `ttl * (1 - jitter)` and `ttl`. From 0 to 0.9. Default: 0.1.
    pub jitter: f64,
    /// The longest an entry is served from L1 without asking L2; it bounds how stale L1 can be when another process
    /// changes the entry. L1 never outlives L2 either way. Default: 1 minute.
    pub l1_ttl: Duration,
    /// The longest "there is no such thing" is remembered. Default: 5 seconds.
    pub negative_ttl: Duration,
    /// How long one load may take before it is ended and its waiters get an error. Default: 30 seconds.
    pub load_deadline: Duration,
    /// What L1 may hold, in bytes of encoded values plus an overhead per entry; 0 switches L1 off. Default: 64 MiB.
    pub l1_capacity: u64,
    /// The largest encoded value that is stored in L1 or L2, in bytes. A larger one is returned and not stored, and one
    /// found in L2 is not decoded. Default: 4 MiB.
    pub max_entry: usize,
    /// The schema of the values. Entries of another schema are misses. Default: 1.
    pub schema: u16,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(3600),
            jitter: 0.1,
            l1_ttl: Duration::from_secs(60),
            negative_ttl: Duration::from_secs(5),
            load_deadline: Duration::from_secs(30),
            l1_capacity: 64 * 1024 * 1024,
            max_entry: 4 * 1024 * 1024,
            schema: 1,
        }
    }
}

impl Policy {
    pub(crate) fn validate(&self, cache: &str) -> Result<(), Error> {
        let refuse = |detail: String| {
            Err(Error::new(ErrorKind::InvalidArgument, "build cache", cache).with_detail(detail))
        };
        for (name, value) in [
            ("ttl", self.ttl),
            ("l1_ttl", self.l1_ttl),
            ("negative_ttl", self.negative_ttl),
            ("load_deadline", self.load_deadline),
        ] {
            if value < Duration::from_millis(1) {
                return refuse(format!("{name} is {value:?}, at least 1 ms is expected"));
            }
        }
        if !(0.0..=0.9).contains(&self.jitter) {
            return refuse(format!("jitter is {}, 0 to 0.9 is expected", self.jitter));
        }
        if self.max_entry == 0 {
            return refuse("max_entry is 0, at least 1 byte is expected".to_owned());
        }
        Ok(())
    }

    /// Draws the time to live of one entry.
    pub(crate) fn draw_ttl(&self, negative: bool) -> Duration {
        let longest = if negative { self.negative_ttl.min(self.ttl) } else { self.ttl };
        let longest = longest.min(Duration::from_millis(ttl::LONGEST_MS));
        longest.mul_f64(1.0 - self.jitter * fastrand::f64()).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_cannot_be_kept_is_refused_by_name() {
        let wrong: [(&str, Policy); 4] = [
            ("ttl is 0ns", Policy { ttl: Duration::ZERO, ..Policy::default() }),
            ("l1_ttl is 10", Policy { l1_ttl: Duration::from_micros(10), ..Policy::default() }),
            ("jitter is NaN", Policy { jitter: f64::NAN, ..Policy::default() }),
            ("max_entry is 0", Policy { max_entry: 0, ..Policy::default() }),
        ];
        for (expected, policy) in wrong {
            let error = policy.validate("bars").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.to_string().contains("bars"), "{error}");
        }
        assert!(Policy::default().validate("bars").is_ok());
    }

    #[test]
    fn jitter_only_shortens_and_spreads_over_the_whole_window() {
        let policy = Policy { ttl: Duration::from_secs(1000), jitter: 0.2, ..Policy::default() };
        let drawn: Vec<f64> = (0..10_000).map(|_| policy.draw_ttl(false).as_secs_f64()).collect();
        assert!(drawn.iter().all(|ttl| (800.0..=1000.0).contains(ttl)));
        for tenth in 0..10 {
            let from = 800.0 + 20.0 * f64::from(tenth);
            let share = drawn.iter().filter(|ttl| (from..from + 20.0).contains(*ttl)).count();
            assert!((500..2000).contains(&share), "{share} of 10000 in {from}..");
        }
        let still = Policy { jitter: 0.0, ..policy };
        assert_eq!(still.draw_ttl(false), Duration::from_secs(1000));
        assert_eq!(still.draw_ttl(true), Duration::from_secs(5));
        let endless = Policy { ttl: Duration::MAX, ..still };
        assert_eq!(endless.draw_ttl(false), Duration::from_millis(ttl::LONGEST_MS));
    }
}
