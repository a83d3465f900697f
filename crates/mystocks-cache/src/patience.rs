//! How long one caller waits for what.

use std::time::Duration;

use futures::future::{Either, select};
use mystocks_keys::Key;
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, ErrorKind};
use crate::flight::{Flight, Landed};
use crate::found::{Found, Spare, SpareKind};
use crate::inner::{Inner, Named};
use crate::key::CacheKey;
use crate::outcome::Staleness;

/// How long one caller waits for what.
pub(crate) struct Patience<'a, K, V> {
    pub(crate) inner: &'a Inner<K, V>,
    pub(crate) named: &'a Named,
    /// When the caller began to wait, when there is a time to be counted from it.
    pub(crate) began: Option<Instant>,
}

impl<K, V> Patience<'_, K, V>
where
    K: CacheKey,
    V: Send + Sync + 'static,
{
    /// Waits until the flight has landed or the caller's time is up, and makes do with a spare where it can.
    pub(crate) async fn wait(&self, flight: &Flight<V>, own: Option<&Spare<V>>) -> Landed<V> {
        if let Some(spare) = flight.spare().filter(|spare| spare.is_fresh(Instant::now()))
            && let Some(found) = self.serve(Some(spare), Staleness::LoadSlow)
        {
            return Landed::Found(found);
        }
        let landed = self.land(flight, own).await;
        match landed {
            Landed::Failed(error) => match self.serve(flight.spare().or(own), Staleness::LoadFailed) {
                Some(found) => Landed::Found(found),
                None => Landed::Failed(error),
            },
            landed => landed,
        }
    }

    async fn land(&self, flight: &Flight<V>, own: Option<&Spare<V>>) -> Landed<V> {
        let Some(began) = self.began else {
            return flight.wait().await;
        };
        let policy = &self.inner.policy;
        if let Some(soft) = policy.soft_timeout {
            match until(began + soft, flight).await {
                Some(landed) => return landed,
                None => {
                    if let Some(found) = self.serve(flight.spare().or(own), Staleness::LoadSlow) {
                        return Landed::Found(found);
                    }
                }
            }
        }
        let Some(hard) = policy.hard_timeout else {
            return flight.wait().await;
        };
        until(began + hard, flight).await.unwrap_or_else(|| {
            let subject = self.named.key.as_ref().map_or(self.inner.name.as_str(), Key::as_str);
            let detail = format!("the hard timeout of {hard:?} passed; the load goes on");
            Landed::Failed(Error::new(ErrorKind::Timeout, "load", subject).with_detail(detail))
        })
    }

    fn serve(&self, spare: Option<&Spare<V>>, why: Staleness) -> Option<Found<V>> {
        let spare = spare?;
        // An invalidation may have come since it was put aside.
        if !self.inner.stands(&spare.slot) {
            return None;
        }
        spare.stale(Instant::now(), why, self.inner.born(spare.slot.stamp).age())
    }
}

async fn until<V>(deadline: Instant, flight: &Flight<V>) -> Option<Landed<V>> {
    let landing = std::pin::pin!(flight.wait());
    match select(landing, std::pin::pin!(sleep_until(deadline))).await {
        Either::Left((landed, _)) => Some(landed),
        Either::Right(_) => None,
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    /// Returns the caller's beginning, when there is a time to be counted from it.
    pub(crate) fn begin(&self) -> Option<Instant> {
        let counts = self.policy.soft_timeout.is_some() || self.policy.hard_timeout.is_some();
        counts.then(Instant::now)
    }

    /// Returns how long a caller who has `spare` waits for L2: no longer than for the whole answer.
    pub(crate) fn patience(&self, spare: Option<&Spare<V>>) -> Duration {
        let policy = &self.policy;
        // What has to be confirmed is not served for impatience.
        let over = spare.is_some_and(|spare| spare.kind == SpareKind::Over && self.is_confirmed(&spare.slot));
        let soft = policy.soft_timeout.filter(|_| over);
        [soft, policy.hard_timeout].into_iter().flatten().fold(policy.l2_timeout, Duration::min)
    }
}

/// Returns what may be served before L2 was asked.
pub(crate) fn confirmed<'s, K, V>(inner: &Inner<K, V>, spare: Option<&'s Spare<V>>) -> Option<&'s Spare<V>>
where
    K: CacheKey,
    V: Send + Sync + 'static,
{
    spare.filter(|spare| inner.is_confirmed(&spare.slot))
}

/// How long a process waits for another's load before it looks again, drawn so that they do not come in step.
pub(crate) fn poll_pause() -> Duration {
    Duration::from_millis(fastrand::u64(150..250))
}
