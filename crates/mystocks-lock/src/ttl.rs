//! Times to live, and how long a holder may rely on one.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// A hundred years: no server adds more to its clock.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Returns `ttl` in whole milliseconds, rounded up.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] for one of which nothing is left to rely on, and for one above a hundred years.
pub(crate) fn checked(ttl: Duration, resource: &str) -> Result<Duration, Error> {
    let refused = |detail| Err(Error::new(ErrorKind::InvalidArgument, "lock", resource).with_detail(detail));
    if ttl > LONGEST {
        return refused(format!("a time to live of {} s: at most 100 years is expected", ttl.as_secs()));
    }
    let millis = u64::try_from(ttl.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    let whole = Duration::from_millis(millis);
    if reliable(whole).is_zero() {
        return refused(format!("a time to live of {ttl:?}: at least 3 ms is expected"));
    }
    Ok(whole)
}

/// Returns how long a holder may rely on a time to live of `ttl`, from before it asked for it.
///
/// What is taken off is for clocks that do not run alike: 1 % and 2 ms, as RedLock has it (Redis documentation, "Distributed
/// locks with Redis").
pub(crate) fn reliable(ttl: Duration) -> Duration {
    ttl.saturating_sub(ttl / 100).saturating_sub(Duration::from_millis(2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_to_live_is_rounded_up_or_refused() {
        let millis =
            |text: f64| checked(Duration::from_secs_f64(text / 1000.0), "r").map(|ttl| ttl.as_millis());
        for (ttl, whole) in [(2.4, 3), (499.0, 499), (499.0001, 500), (24.0 * 3_600_000.0, 86_400_000)] {
            assert_eq!(millis(ttl).unwrap(), whole, "{ttl} ms");
        }
        for ttl in [0.0, 0.4, 1.0, 2.0] {
            let error = millis(ttl).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains("at least 3 ms"), "{error}");
        }
        for ttl in [Duration::MAX, Duration::from_millis(u64::MAX), LONGEST + Duration::from_nanos(1)] {
            assert!(checked(ttl, "r").unwrap_err().to_string().contains("100 years"));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]
        #[test]
        fn less_is_relied_on_than_the_server_grants(nanos in 0_u64..=u64::MAX) {
            let ttl = Duration::from_nanos(nanos);
            let relied = reliable(ttl);
            let margin = ttl / 100 + Duration::from_millis(2);
            prop_assert!(relied <= ttl.saturating_sub(margin));
            prop_assert!(relied + margin + Duration::from_nanos(1) >= ttl.min(margin + relied));
            if let Ok(whole) = checked(ttl, "r") {
                prop_assert!(whole >= ttl && whole - ttl < Duration::from_millis(1));
                prop_assert!(!reliable(whole).is_zero());
            }
        }
    }
}
