//! How long sessions last, and how much they hold.

use std::time::Duration;

use mystocks_config::SessionSettings;

use crate::error::{Error, ErrorKind};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// 30 days: as long as NIST SP 800-63B lets a user go on at its first level of assurance without authenticating again.
const ABSOLUTE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long sessions last, and how much they hold. Times are in whole milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// For how long a session stays without being used, at least 1 ms. Default: `REDIS_SESSION_TTL`, 86400 s.
    pub idle: Duration,
    /// For how long a session stays however much it is used, at least `idle`. Default: 30 days, or `idle` if that is longer.
    pub absolute: Duration,
    /// For how long the old id is good after a [rotation](crate::Sessions::rotate) that leaves the user the same, for requests that
    /// are on their way. Default: 10 s.
    pub grace: Duration,
    /// The share of `idle` that has to pass before a use is written again, from 0 up to but not including 1: so reads do not write each time,
    /// and a session ends by at most this share too early. Default: 0.05.
    pub touch_share: f64,
    /// Whether [`load`](crate::Sessions::load) counts as a use. Default: true.
    pub touch_on_load: bool,
    /// Whether a session is revoked when an id that has been replaced is shown: one of the two who have it has no right to it.
    /// Default: true.
    pub revoke_replayed: bool,
    /// How many bytes of JSON the data of a session may have. Default: 64 KiB.
    pub most_bytes: usize,
    /// How many sessions a user may have; the oldest go. Default: any number.
    pub most_per_user: Option<usize>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            idle: DAY,
            absolute: ABSOLUTE,
            grace: Duration::from_secs(10),
            touch_share: 0.05,
            touch_on_load: true,
            revoke_replayed: true,
            most_bytes: 64 * 1024,
            most_per_user: None,
        }
    }
}

impl From<&SessionSettings> for Policy {
    fn from(settings: &SessionSettings) -> Self {
        Self { idle: settings.ttl, absolute: ABSOLUTE.max(settings.ttl), ..Self::default() }
    }
}

impl Policy {
    /// Accepts what can be kept.
    pub(crate) fn check(self) -> Result<Self, Error> {
        let longest = Duration::from_secs(100 * 366 * 24 * 60 * 60);
        let rules = [
            (self.idle < Duration::from_millis(1), "idle", "at least 1 ms"),
            (self.absolute < self.idle, "absolute", "at least as long as idle"),
            (self.absolute > longest, "absolute", "at most 100 years"),
            (self.grace > self.absolute, "grace", "at most as long as absolute"),
            (!(0.0..1.0).contains(&self.touch_share), "touch_share", "from 0 up to, but not including, 1"),
            (self.most_per_user == Some(0), "most_per_user", "at least 1"),
        ];
        match rules.into_iter().find(|(is_broken, _, _)| *is_broken) {
            Some((_, name, wanted)) => Err(Error::new(ErrorKind::InvalidArgument, "use the policy", name)
                .with_detail(format!("it has to be {wanted}"))),
            None => Ok(self),
        }
    }

    /// How long ago the last use has to be before another is written.
    pub(crate) fn touch_after(&self) -> Duration {
        self.idle.mul_f64(self.touch_share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_time_is_the_setting() {
        let policy = Policy::from(&SessionSettings::default());
        assert_eq!(policy, Policy::default());
        assert_eq!((policy.idle, policy.touch_after()), (DAY, Duration::from_secs(4_320)));
        let long = SessionSettings { ttl: 40 * DAY, ..SessionSettings::default() };
        let policy = Policy::from(&long).check().unwrap();
        assert_eq!((policy.idle, policy.absolute), (40 * DAY, 40 * DAY));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let refused = |change: fn(&mut Policy)| {
            let mut policy = Policy::default();
            change(&mut policy);
            let error = policy.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            error.subject().to_owned()
        };
        assert_eq!(refused(|p| p.idle = Duration::from_micros(999)), "idle");
        assert_eq!(refused(|p| p.absolute = p.idle - Duration::from_secs(1)), "absolute");
        assert_eq!(refused(|p| p.absolute = Duration::MAX), "absolute");
        assert_eq!(refused(|p| p.grace = 31 * DAY), "grace");
        for share in [1.0, -0.1, f64::NAN] {
            let error = Policy { touch_share: share, ..Policy::default() }.check().unwrap_err();
            assert_eq!(error.subject(), "touch_share");
        }
        assert_eq!(refused(|p| p.most_per_user = Some(0)), "most_per_user");
    }
}
