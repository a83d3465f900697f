//! Pauses between attempts, jittered so that many processes do not come back in step.

use std::time::Duration;

const RECONNECT_FIRST: Duration = Duration::from_millis(25);
const RECONNECT_LONGEST: Duration = Duration::from_millis(500);
/// Whoever is subscribed misses what is published meanwhile: it is to be live again within 200 ms after the server is.
const RESUBSCRIBE_LONGEST: Duration = Duration::from_millis(120);
const RETRY_FIRST: Duration = Duration::from_millis(20);

/// How often a call that may be repeated is sent again.
pub(crate) const RETRIES: u32 = 2;

/// Returns the pause after the `failures`-th failed attempt to connect.
pub(crate) fn reconnect(failures: u32) -> Duration {
    doubled(failures, RECONNECT_LONGEST)
}

/// Returns the pause after the `failures`-th failed attempt to connect for subscriptions.
pub(crate) fn resubscribe(failures: u32) -> Duration {
    doubled(failures, RESUBSCRIBE_LONGEST)
}

/// Returns the pause before the `round`-th repetition of a call.
pub(crate) fn retry(round: u32) -> Duration {
    jittered(RETRY_FIRST * 4_u32.saturating_pow(round.saturating_sub(1).min(4)))
}

fn doubled(failures: u32, longest: Duration) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1).min(10));
    jittered((RECONNECT_FIRST * factor).min(longest))
}

/// Half of it to all of it.
fn jittered(longest: Duration) -> Duration {
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_from_25_ms_to_500_ms_with_jitter() {
        for (failures, longest) in [(1, 25), (2, 50), (5, 400), (6, 500), (u32::MAX, 500)] {
            let longest = Duration::from_millis(longest);
            let pauses: Vec<_> = (0..200).map(|_| reconnect(failures)).collect();
            assert!(pauses.iter().all(|pause| (longest / 2..=longest).contains(pause)));
            assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        }
        assert!(resubscribe(u32::MAX) <= RESUBSCRIBE_LONGEST);
        assert!((Duration::from_millis(40)..=Duration::from_millis(80)).contains(&retry(2)));
    }
}
