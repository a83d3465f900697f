//! What happens on an L1 miss.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use mystocks_keys::Key;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, ErrorKind};
use crate::flight::{Boarded, Flight, Landed};
use crate::found::{Found, Spare, SpareKind};
use crate::inner::{Inner, Look, Named};
use crate::key::CacheKey;
use crate::l1::Slot;
use crate::l2::{Entry, Sight, Stored};
use crate::load::{self, Job};
use crate::load_ctx::{LoadCtx, Loaded};
use crate::metric;
use crate::outcome::{Staleness, Tier};
use crate::shared::Away;

/// What L2 had for a key.
pub(crate) enum Read<V> {
    Fresh(Stored<V>, Bytes),
    /// Its time is up, but not that in which it is better than nothing.
    Stale(Stored<V>, Bytes),
    /// Nothing that can be used; this is what stands there.
    Nothing(Bytes),
    Away,
}

/// Reads `key` from L2 or loads it; joins whoever does so already.
///
/// The L2 read is the caller's own: if the caller goes away, another waiter takes the flight over. The load is a task.
pub(crate) async fn fetch<K, V, F, Fut, E>(
    inner: Arc<Inner<K, V>>,
    key: K,
    spare: Option<Spare<V>>,
    absence_answers: bool,
    load: F,
) -> Result<Found<V>, Error>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: FnOnce(LoadCtx<V>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
    E: StdError + Send + Sync + 'static,
{
    let named = inner.named(&key).inspect_err(|_| inner.counters.errors())?;
    let patience = Patience::new(&inner, &named);
    loop {
        let mut lead = match inner.flights.board(named.digest, &key) {
            Boarded::Leader(lead) => lead,
            Boarded::Waiter(flight) => {
                match patience.wait(&flight, confirmed(&inner, spare.as_ref())).await {
                    // Somebody else's "there is none" does not answer a caller whose loader always has one.
                    Landed::Found(Found { value: None, .. }) if !absence_answers => continue,
                    Landed::Abandoned => continue,
                    Landed::Found(found) => {
                        inner.count(&found, true);
                        return Ok(found);
                    }
                    Landed::Failed(error) => {
                        inner.counters.errors();
                        return Err(error);
                    }
                }
            }
        };
        let since = inner.shared.order.now();
        let read = inner.read_l2(&named, spare.as_ref(), inner.patience(spare.as_ref())).await;
        let there = !matches!(read, Read::Away);
        let mut seen = Bytes::new();
        let mut spare = spare;
        match read {
            Read::Fresh(stored, _) if stored.value.is_some() || absence_answers => {
                let slot = inner.slot(&stored, since, named.digest, true);
                let found = inner.found(&slot, Tier::L2);
                inner.count(&found, false);
                let due = slot.is_early().then(|| slot.clone());
                lead.land_filling(Landed::Found(found.clone()), |strayed| inner.insert(&key, slot, strayed));
                if let Some(slot) = due {
                    load::refresh(&inner, key, named.clone(), slot, load);
                }
                return Ok(found);
            }
            Read::Stale(stored, bytes) => {
                let slot = inner.slot(&stored, since, named.digest, true);
                seen = bytes;
                if let Some(spare) = spare.as_ref().filter(|spare| spare.slot.stamp > slot.stamp) {
                    inner.settle(&spare.slot);
                }
                if spare.as_ref().is_none_or(|spare| spare.slot.stamp <= slot.stamp) {
                    spare = Some(Spare { slot, tier: Tier::L2, kind: SpareKind::Over });
                }
            }
            Read::Nothing(bytes) => {
                seen = bytes;
                spare.iter().for_each(|spare| inner.settle(&spare.slot));
                // What was to be confirmed is not there any more, which is no reason to serve it.
                spare =
                    spare.filter(|spare| spare.kind == SpareKind::Over && inner.is_confirmed(&spare.slot));
            }
            // A fresh "there is none" does not answer this caller; it is what its value will replace.
            Read::Fresh(_, bytes) => {
                seen = inner.sign(&bytes);
                spare = spare.filter(|spare| inner.is_confirmed(&spare.slot));
            }
            Read::Away => {}
        }
        if let Some(slot) = inner.held(&key, there).filter(|slot| slot.value.is_some() || absence_answers) {
            let found = inner.found(&slot, Tier::L1);
            inner.count(&found, false);
            lead.land(Landed::Found(found.clone()));
            return Ok(found);
        }
        let flight = lead.flight();
        if let Some(spare) = &spare {
            flight.offer(spare.clone());
        }
        let subject = named.key.as_ref().map_or(inner.name.as_str(), Key::as_str);
        let died = Error::new(ErrorKind::Panicked, "load", subject);
        lead.begin_load(died.with_detail("the task of the load ended without an answer"));
        let job = Job {
            inner: Arc::clone(&inner),
            key,
            named: named.clone(),
            since,
            seen,
            spare,
            there,
            absence_answers,
        };
        inner.tracker.spawn(job.run(lead, load));
        return match patience.wait(&flight, None).await {
            Landed::Found(found) => {
                inner.count(&found, false);
                Ok(found)
            }
            Landed::Failed(error) => {
                inner.counters.errors();
                Err(error)
            }
            Landed::Abandoned => {
                inner.counters.errors();
                Err(Error::new(ErrorKind::Panicked, "load", &inner.name)
                    .with_detail("nobody leads it any more"))
            }
        };
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

/// How long one caller waits for what.
pub(crate) struct Patience<'a, K, V> {
    inner: &'a Inner<K, V>,
    named: &'a Named,
    /// The beginning, when there is a time to be counted from it.
    began: Option<Instant>,
}

impl<'a, K, V> Patience<'a, K, V>
where
    K: CacheKey,
    V: Send + Sync + 'static,
{
    pub(crate) fn new(inner: &'a Inner<K, V>, named: &'a Named) -> Self {
        let counts = inner.policy.soft_timeout.is_some() || inner.policy.hard_timeout.is_some();
        Self { inner, named, began: counts.then(Instant::now) }
    }

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
        let since = self.inner.shared.order.restore(spare.slot.since);
        if self.inner.is_gone(&spare.slot, since) {
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

impl<K: CacheKey, V: DeserializeOwned + Send + Sync + 'static> Inner<K, V> {
    /// Returns how long a caller who has `spare` waits for L2: no longer than for the whole answer.
    fn patience(&self, spare: Option<&Spare<V>>) -> Duration {
        let policy = &self.policy;
        // What has to be confirmed is not served for impatience.
        let over = spare.is_some_and(|spare| spare.kind == SpareKind::Over && self.is_confirmed(&spare.slot));
        let soft = policy.soft_timeout.filter(|_| over);
        [soft, policy.hard_timeout].into_iter().flatten().fold(policy.l2_timeout, Duration::min)
    }

    /// Reads one key from L2. A failing store is away, and never an error.
    pub(crate) async fn read_l2(&self, named: &Named, spare: Option<&Spare<V>>, within: Duration) -> Read<V> {
        let (Some(l2), Some(key)) = (&self.l2, &named.key) else {
            return Read::Nothing(Bytes::new());
        };
        if self.shared.pending.concerns(key.as_str()) {
            return Read::Away;
        }
        let known = spare.map(|spare| &spare.slot);
        match self.shared.read(within, l2.get(key, known)).await {
            Ok(sight) => self.admit(sight).await,
            Err(away) => {
                self.note(&away);
                Read::Away
            }
        }
    }

    /// Returns what L1 has for a key after L2 had nothing: between the caller's look into L1 and its boarding another flight
    /// may have landed; and while L2 cannot be asked, what waits for its confirmation is as good as it was.
    pub(crate) fn held(&self, key: &K, l2_is_there: bool) -> Option<Slot<V>> {
        match self.look(key) {
            Look::Fresh(slot) | Look::Early(slot) => Some(slot),
            Look::Spare(Spare { slot, kind: SpareKind::Unconfirmed, .. }) if !l2_is_there => Some(slot),
            Look::Spare(_) | Look::Nothing => None,
        }
    }

    /// Judges what was read by the marks it is subject to.
    pub(crate) async fn admit(&self, sight: Sight<V>) -> Read<V> {
        let Sight { entry, seen } = sight;
        match entry {
            Entry::Absent => Read::Nothing(seen),
            Entry::Unreadable => {
                self.counters.unreadable();
                self.meter(metric::UNREADABLE);
                Read::Nothing(seen)
            }
            Entry::Present(stored) => match self.outlived(&stored).await {
                Ok(true) => Read::Nothing(self.sign(&seen)),
                Ok(false) if stored.fresh_for.is_zero() => Read::Stale(stored, seen),
                Ok(false) => Read::Fresh(stored, seen),
                Err(away) => {
                    self.note(&away);
                    Read::Away
                }
            },
        }
    }

    /// Returns whether a mark that the entry is subject to is not older than the entry.
    async fn outlived(&self, stored: &Stored<V>) -> Result<bool, Away> {
        match self.judge(stored) {
            Ok(is_over) => Ok(is_over),
            Err(unknown) => {
                let stamps = self.learn(&unknown).await?;
                Ok(stamps.into_iter().any(|stamp| stored.stamp <= stamp))
            }
        }
    }

    /// The same by what is known without asking; else the marks that have to be asked for.
    pub(crate) fn judge(&self, stored: &Stored<V>) -> Result<bool, Vec<String>> {
        let Some(l2) = self.l2.as_ref().filter(|_| self.shared.backplane.is_some()) else {
            return Ok(false);
        };
        if l2.format == crate::l2::Format::Shared {
            return Ok(false);
        }
        let (marks, trust) = (&self.shared.marks, self.shared.link.trust());
        let is_over = |mark: &str| {
            // One that the store was not told of is later than anything in it.
            if self.shared.pending.concerns(mark) {
                return Some(true);
            }
            marks.stamp(mark, trust).map(|stamp| stored.stamp <= stamp)
        };
        let mut unknown: Vec<String> = Vec::new();
        match is_over(&self.mark) {
            Some(true) => return Ok(true),
            Some(false) => {}
            None => unknown.push(self.mark.clone()),
        }
        for tag in &stored.notes.tags {
            let Ok(mark) = self.shared.keyspace.cache_tag(tag) else { continue };
            match is_over(mark.as_str()) {
                Some(true) => return Ok(true),
                Some(false) => {}
                None => unknown.push(mark.into()),
            }
        }
        if unknown.is_empty() { Ok(false) } else { Err(unknown) }
    }

    /// Asks the store for the stamps of marks.
    pub(crate) async fn learn(&self, unknown: &[String]) -> Result<Vec<u64>, Away> {
        let Some(backplane) = &self.shared.backplane else { return Ok(vec![0; unknown.len()]) };
        let marks = &self.shared.marks;
        let generation = marks.generation();
        let names: Vec<&str> = unknown.iter().map(String::as_str).collect();
        let stamps = self.shared.read(self.policy.l2_timeout, backplane.marks(&names)).await?;
        for (mark, stamp) in names.iter().zip(&stamps) {
            marks.learn(mark, *stamp, generation);
        }
        Ok(stamps)
    }
}

pub(crate) fn absent_in_spite_of_a_value() -> Error {
    Error::new(ErrorKind::Load, "load", "").with_detail("the loader returned nothing")
}

/// How long a process waits for another's load before it looks again, drawn so that they do not come in step.
pub(crate) fn poll_pause() -> Duration {
    Duration::from_millis(fastrand::u64(150..250))
}
