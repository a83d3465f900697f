//! How one cache treats its entries, as plain data.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// How a [`Cache`](crate::Cache) treats its entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The longest an entry is fresh; at most 30 days. Default: 1 hour.
    pub ttl: Duration,
    /// The part of `ttl` by which an entry's life is shortened at random, so that what was stored together does not
    /// expire together: an entry lives between `ttl * (1 - jitter)` and `ttl`. From 0 to 0.9. Default: 0.1.
    pub jitter: f64,
    /// The longest an entry is served from L1 without asking L2; without a backplane it bounds how stale L1 can be when
    /// another process changes the entry. At most 12 hours. L1 never outlives L2 either way. Default: 1 minute.
    pub l1_ttl: Duration,
    /// The longest "there is no such thing" is remembered. Default: 5 seconds.
    pub negative_ttl: Duration,
    /// How long after its end a value may still be served, when the loader fails or `soft_timeout` passes. It is never
    /// served after it was invalidated. With more than zero a hit costs one reading of the clock more. Default: 0, never.
    pub stale_if_error: Duration,
    /// How long a stale value is served after a load failed before the loader is tried again. Default: 1 second.
    pub retry_after: Duration,
    /// How eagerly an entry is refreshed before it ends, in multiples of the time its load took (the beta of XFetch): 1
    /// refreshes some loads' time before the end, more is earlier, 0 never. Default: 1.
    pub early_refresh: f64,
    /// After what time a caller is given the stale value, if there is one, while the load goes on. Default: none.
    pub soft_timeout: Option<Duration>,
    /// After what time a caller gets an error while the load goes on. Default: none, which is `load_deadline`.
    pub hard_timeout: Option<Duration>,
    /// How long one load may take, the waiting for another process's load included, before it is ended and its waiters
    /// get an error. Default: 30 seconds.
    pub load_deadline: Duration,
    /// How many loads of this cache run at a time in this process; more wait. Default: 32.
    pub max_loads: usize,
    /// How long a lease lasts that is not renewed: after this time others take over from a process that died. It is
    /// renewed three times as often. Default: 2 seconds.
    pub lease: Duration,
    /// How long one request to L2 may take before the cache goes on without it. Default: 250 milliseconds.
    pub l2_timeout: Duration,
    /// What L1 may hold, in bytes of encoded values plus an overhead per entry; 0 switches L1 off. Default: 64 MiB.
    pub l1_capacity: u64,
    /// The largest encoded value that is stored in L1 or L2, in bytes. A larger one is returned and not stored, and one
    /// found in L2 is not decoded. Default: 4 MiB.
    pub max_entry: usize,
    /// The size from which on an encoded value is compressed (LZ4) for L2, in bytes; it stays as it is when it becomes no
    /// smaller than seven eighths. Default: none. Packed series of floats rarely pay.
    pub compress_from: Option<usize>,
    /// The schema of the values. Entries of another schema are misses. Default: 1.
    pub schema: u16,
    /// Whether it is counted which keys are read most; see [`Cache::hottest`](crate::Cache::hottest). Default: no.
    pub track_hottest: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(3600),
            jitter: 0.1,
            l1_ttl: Duration::from_secs(60),
            negative_ttl: Duration::from_secs(5),
            stale_if_error: Duration::ZERO,
            retry_after: Duration::from_secs(1),
            early_refresh: 1.0,
            soft_timeout: None,
            hard_timeout: None,
            load_deadline: Duration::from_secs(30),
            max_loads: 32,
            lease: Duration::from_secs(2),
            l2_timeout: Duration::from_millis(250),
            l1_capacity: 64 * 1024 * 1024,
            max_entry: 4 * 1024 * 1024,
            compress_from: None,
            schema: 1,
            track_hottest: false,
        }
    }
}

/// Nothing is served that is older: marks in the store live a day longer.
pub(crate) const OLDEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// L1 counts invalidations with 32 bits, which come round no sooner than this.
const LONGEST_L1: Duration = Duration::from_secs(12 * 3600);

impl Policy {
    pub(crate) fn validate(&self, cache: &str) -> Result<(), Error> {
        let refuse = |detail: String| {
            Err(Error::new(ErrorKind::InvalidArgument, "build cache", cache).with_detail(detail))
        };
        let some = Duration::from_millis(1);
        let long = self.load_deadline;
        for (name, value, least, most) in [
            ("ttl", self.ttl, some, OLDEST),
            ("l1_ttl", self.l1_ttl, some, LONGEST_L1),
            ("negative_ttl", self.negative_ttl, some, OLDEST),
            ("stale_if_error", self.stale_if_error, Duration::ZERO, OLDEST),
            ("retry_after", self.retry_after, some, OLDEST),
            ("load_deadline", self.load_deadline, some, OLDEST),
            ("soft_timeout", self.soft_timeout.unwrap_or(some), some, long.max(some)),
            ("hard_timeout", self.hard_timeout.unwrap_or(some), some, long.max(some)),
            ("lease", self.lease, Duration::from_millis(30), OLDEST),
            ("l2_timeout", self.l2_timeout, some, OLDEST),
        ] {
            if !(least..=most).contains(&value) {
                return refuse(format!("{name} is {value:?}, {least:?} to {most:?} is expected"));
            }
        }
        for (name, value, most) in
            [("jitter", self.jitter, 0.9), ("early_refresh", self.early_refresh, 100.0)]
        {
            if !(0.0..=most).contains(&value) {
                return refuse(format!("{name} is {value}, 0 to {most} is expected"));
            }
        }
        for (name, value) in [("max_entry", self.max_entry), ("max_loads", self.max_loads)] {
            if value == 0 {
                return refuse(format!("{name} is 0, at least 1 is expected"));
            }
        }
        Ok(())
    }

    /// Returns how long L1 keeps an entry at all.
    pub(crate) fn l1_keeps(&self) -> Duration {
        if self.stale_if_error.is_zero() {
            return self.l1_ttl;
        }
        self.l1_ttl.max(self.ttl.saturating_add(self.stale_if_error)).min(LONGEST_L1)
    }

    /// Draws the time to live of one entry; `asked` is what its loader asked for.
    pub(crate) fn draw_ttl(&self, negative: bool, asked: Option<Duration>) -> Duration {
        let longest = if negative { self.negative_ttl.min(self.ttl) } else { self.ttl };
        let longest = asked.unwrap_or(longest).min(OLDEST);
        longest.mul_f64(1.0 - self.jitter * fastrand::f64()).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_cannot_be_kept_is_refused_by_name() {
        let wrong: [(&str, Policy); 7] = [
            ("ttl is 0ns", Policy { ttl: Duration::ZERO, ..Policy::default() }),
            ("l1_ttl is 10", Policy { l1_ttl: Duration::from_micros(10), ..Policy::default() }),
            ("jitter is NaN", Policy { jitter: f64::NAN, ..Policy::default() }),
            ("max_entry is 0", Policy { max_entry: 0, ..Policy::default() }),
            ("max_loads is 0", Policy { max_loads: 0, ..Policy::default() }),
            ("l1_ttl is 86400s", Policy { l1_ttl: Duration::from_secs(86400), ..Policy::default() }),
            ("lease is 1ms", Policy { lease: Duration::from_millis(1), ..Policy::default() }),
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
        let drawn: Vec<f64> = (0..10_000).map(|_| policy.draw_ttl(false, None).as_secs_f64()).collect();
        assert!(drawn.iter().all(|ttl| (800.0..=1000.0).contains(ttl)));
        for tenth in 0..10 {
            let from = 800.0 + 20.0 * f64::from(tenth);
            let share = drawn.iter().filter(|ttl| (from..from + 20.0).contains(*ttl)).count();
            assert!((500..2000).contains(&share), "{share} of 10000 in {from}..");
        }
        let still = Policy { jitter: 0.0, ..policy };
        assert_eq!(still.draw_ttl(false, None), Duration::from_secs(1000));
        assert_eq!(still.draw_ttl(true, None), Duration::from_secs(5));
        assert_eq!(still.draw_ttl(false, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(still.draw_ttl(false, Some(Duration::MAX)), OLDEST);
    }
}
