//! What was asked for, what was granted, and what of it may still come.

use std::time::Duration;

use tokio::time::Instant;

use crate::backend::{Keep, Spot};
use crate::ttl::reliable;

/// A time to live that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// Before it was sent.
    pub(crate) at: Instant,
    ttl: Duration,
    is_least: bool,
    epoch: u64,
    /// What [`Terms::loose`] is again when this is answered.
    rest: Option<Duration>,
}

impl Asked {
    pub(crate) fn keep<'a>(&self, spot: Spot<'a>, token: &'a str, owner: Option<&'a str>) -> Keep<'a> {
        Keep::Held { spot, token, ttl: self.ttl, is_least: self.is_least, owner }
    }
}

/// For how long something is held, as far as is known for sure.
///
/// Requests may come to the server in any order, and long after nobody waits for them any more. So only what is meant to shorten
/// may shorten: everything else asks for at least a time. Then an answer says what is true in whatever order they came, as
/// long as nothing was shortened in between (the epoch), and what was meant to shorten has not got lost (loose).
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) until: Instant,
    /// What the next renewal asks for.
    ttl: Duration,
    /// The longest that was ever asked for.
    pub(super) longest: Duration,
    /// The shortest that was asked for and not answered: it may come at any time and set just this.
    loose: Option<Duration>,
    epoch: u64,
}

impl Terms {
    pub(super) fn new(since: Instant, ttl: Duration) -> Self {
        Self { until: since + reliable(ttl), ttl, longest: ttl, loose: None, epoch: 0 }
    }

    /// For how long an answer is good.
    pub(super) fn term(&self) -> Duration {
        self.loose.map_or(self.ttl, |loose| loose.min(self.ttl))
    }

    pub(super) fn renew(&self, at: Instant) -> Asked {
        Asked { at, ttl: self.ttl, is_least: true, epoch: self.epoch, rest: self.loose }
    }

    /// What does not make it any longer.
    pub(super) fn look(&self, at: Instant) -> Asked {
        Asked { ttl: Duration::from_millis(1), ..self.renew(at) }
    }

    pub(super) fn extend(&mut self, at: Instant, ttl: Duration) -> Asked {
        let rest = self.loose;
        let until = at + reliable(ttl);
        let is_least = until >= self.until;
        if !is_least {
            // Without an answer it may be held for the shorter time.
            self.until = until;
            self.ttl = ttl;
            self.epoch += 1;
            self.loose = Some(rest.map_or(ttl, |rest| rest.min(ttl)));
        }
        self.longest = self.longest.max(ttl);
        Asked { at, ttl, is_least, epoch: self.epoch, rest }
    }

    /// Takes in that a renewal was granted.
    pub(super) fn granted(&mut self, asked: &Asked) {
        if asked.epoch == self.epoch {
            let good = self.loose.map_or(asked.ttl, |loose| loose.min(asked.ttl));
            self.until = self.until.max(asked.at + reliable(good));
        }
    }

    /// Takes in that an extension was granted.
    pub(super) fn extended(&mut self, asked: &Asked) {
        self.loose = asked.rest;
        self.ttl = asked.ttl;
        self.granted(asked);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// What the server has, and what is on its way to it.
    struct Server {
        until: Instant,
        coming: Vec<Asked>,
    }

    impl Server {
        fn receive(&mut self, n: usize, now: Instant) -> Option<Asked> {
            if self.coming.is_empty() {
                return None;
            }
            let asked = self.coming.remove(n % self.coming.len());
            let until = now + asked.ttl;
            self.until = if asked.is_least { self.until.max(until) } else { until };
            Some(asked)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        /// Requests arrive in any order; answers get lost, are late, or come in any order; extensions come one after the other.
        #[test]
        fn never_more_is_claimed_than_the_server_has(steps in prop::collection::vec((0..6_u8, 0..8_usize, 1..60_u64), 1..60)) {
            let mut now = Instant::now();
            let mut terms = Terms::new(now, secs(30));
            let mut server = Server { until: now + secs(30), coming: Vec::new() };
            let (mut answers, mut extending): (Vec<Asked>, Option<Instant>) = (Vec::new(), None);
            for (step, n, time) in steps {
                match step {
                    0 => server.coming.push(terms.renew(now)),
                    // Whoever waited for the one before has given it up.
                    1 => {
                        let asked = terms.extend(now, secs(time));
                        extending = Some(asked.at);
                        server.coming.push(asked);
                    }
                    2 | 3 => answers.extend(server.receive(n, now)),
                    4 if !answers.is_empty() => {
                        let asked = answers.remove(n % answers.len());
                        if asked.is_least && extending != Some(asked.at) {
                            terms.granted(&asked);
                        } else if extending == Some(asked.at) {
                            terms.extended(&asked);
                            extending = None;
                        }
                    }
                    _ => {}
                }
                prop_assert!(terms.until <= server.until, "{:?} too much", terms.until - server.until);
                now += Duration::from_millis(time * 10 + 1);
                // The server forgets what has ended; so does the holder, and nothing brings it back.
                if server.until <= now || terms.until <= now {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_longer_time_is_good_for_as_long_as_it_was_asked_for() {
        let now = Instant::now();
        let mut terms = Terms::new(now, secs(30));
        let asked = terms.extend(now + secs(1), secs(100));
        assert!(asked.is_least);
        terms.extended(&asked);
        assert_eq!((terms.until, terms.term()), (now + secs(1) + reliable(secs(100)), secs(100)));
        // A renewal from before it changes nothing.
        terms.granted(&Asked { at: now, ttl: secs(30), is_least: true, epoch: 0, rest: None });
        assert_eq!((terms.until, terms.term()), (now + secs(1) + reliable(secs(100)), secs(100)));
    }

    #[test]
    fn a_shorter_time_counts_from_when_it_is_asked_for() {
        let now = Instant::now();
        let mut terms = Terms::new(now, secs(30));
        let old = terms.renew(now + secs(9));
        let asked = terms.extend(now + secs(10), secs(5));
        let until = now + secs(10) + reliable(secs(5));
        assert_eq!((terms.until, asked.is_least), (until, false));
        terms.granted(&old);
        assert_eq!(terms.until, until, "asked for before");
        // Lost: whatever is granted later may be shortened to it at any time.
        let longer = terms.extend(now + secs(11), secs(60));
        terms.extended(&longer);
        assert_eq!((terms.until, terms.term()), (now + secs(11) + reliable(secs(5)), secs(5)));
        assert_eq!(terms.longest, secs(60));
    }
}
