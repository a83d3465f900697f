//! Many keys at once: one look into L1, one request to L2, one call of the loader, one write.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use mystocks_keys::Key;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::panic::AssertUnwindSafe;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind};
use crate::fetch::{self, Read};
use crate::flight::{Boarded, Flight, Landed, Lead};
use crate::found::{Found, Spare, SpareKind};
use crate::inner::{Inner, Look, Named};
use crate::keep::{Made, Ready};
use crate::key::CacheKey;
use crate::lease::{Held, Take, Want, Write};
use crate::load::{Job, Lease, token};
use crate::load_ctx::{LoadCtx, Loaded, Wishes};
use crate::metric;
use crate::outcome::{Outcome, Tier};

/// What the loader of a batch is called with again for keys that others were loading, and did not.
type Loader<K, V> = Arc<dyn Fn(Vec<K>) -> Loading<K, V> + Send + Sync>;
type Loading<K, V> =
    futures::future::BoxFuture<'static, Result<HashMap<K, V>, Arc<dyn StdError + Send + Sync>>>;

/// A key of the batch that this call leads the fetch of.
struct Mine<K: CacheKey, V> {
    job: Job<K, V>,
    lead: Lead<K, V>,
}

/// Reads `keys` from L1 and, with one request, from L2.
pub(crate) async fn get_many<K, V>(
    inner: &Arc<Inner<K, V>>,
    keys: &[K],
) -> Result<Vec<Option<Outcome<V>>>, Error>
where
    K: CacheKey,
    V: DeserializeOwned + Send + Sync + 'static,
{
    let mut answers: Vec<Option<Outcome<V>>> = Vec::with_capacity(keys.len());
    let mut missing = Vec::new();
    let since = inner.shared.order.now();
    for (index, key) in keys.iter().enumerate() {
        match inner.look(key) {
            Look::Fresh(slot) | Look::Early(slot) => answers.push(inner.found(&slot, Tier::L1).outcome()),
            Look::Spare(_) | Look::Nothing => {
                answers.push(None);
                missing.push(index);
            }
        }
    }
    let named = missing.iter().filter_map(|index| keys.get(*index)).map(|key| inner.named(key));
    let named = named
        .collect::<Result<Vec<Named>, _>>()
        .inspect_err(|_| keys.iter().for_each(|_| inner.counters.errors()))?;
    let reads = inner.read_many(&named).await;
    for ((index, named), read) in missing.into_iter().zip(&named).zip(reads) {
        let (Read::Fresh(stored, _), Some(key)) = (read, keys.get(index)) else { continue };
        let slot = inner.slot(&stored, since, named.digest, true);
        let found = inner.found(&slot, Tier::L2);
        inner.flights.fill(named.digest, || inner.insert(key, slot, true));
        if let Some(answer) = answers.get_mut(index) {
            *answer = found.outcome();
        }
    }
    for answer in &answers {
        match answer.as_ref().map(|outcome| outcome.tier) {
            Some(Tier::L1) => inner.counters.l1_hits(),
            Some(_) => inner.counters.l2_hits(),
            None => inner.counters.negative(),
        }
    }
    Ok(answers)
}

/// Reads `keys`, and loads what is nowhere with as few calls of `load` as can be.
pub(crate) async fn get_or_compute_many<K, V, F, Fut, E>(
    inner: &Arc<Inner<K, V>>,
    keys: &[K],
    load: F,
) -> Result<HashMap<K, Outcome<V>>, Error>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
    E: StdError + Send + Sync + 'static,
{
    let mut answers = HashMap::with_capacity(keys.len());
    let mut missing: Vec<&K> = Vec::new();
    for key in keys {
        match inner.look(key) {
            Look::Fresh(slot) | Look::Early(slot) => {
                let found = inner.found(&slot, Tier::L1);
                inner.count(&found, false);
                answers.extend(found.outcome().map(|outcome| (key.clone(), outcome)));
            }
            Look::Spare(_) | Look::Nothing => missing.push(key),
        }
    }
    if missing.is_empty() {
        return Ok(answers);
    }
    let fail_all = |error: Error| {
        missing.iter().for_each(|_| inner.counters.errors());
        error
    };
    let named = missing.iter().map(|key| inner.named(key)).collect::<Result<Vec<_>, _>>();
    let named = named.map_err(fail_all)?;
    let since = inner.shared.order.now();
    let mut mine = Vec::new();
    let mut flights: Vec<(&K, Arc<Flight<V>>)> = Vec::new();
    for (key, named) in missing.iter().zip(named) {
        match inner.flights.board(named.digest, key) {
            Boarded::Waiter(flight) => flights.push((key, flight)),
            Boarded::Leader(mut lead) => {
                flights.push((key, lead.flight()));
                let died =
                    Error::new(ErrorKind::Panicked, "load", named.key.as_ref().map_or("", Key::as_str));
                lead.begin_load(died.with_detail("the task of the load ended without an answer"));
                let (inner, key) = (Arc::clone(inner), (*key).clone());
                let job = Job { inner, key, named, since, seen: Bytes::new(), spare: None, there: true };
                mine.push(Mine { job, lead });
            }
        }
    }
    let load: Loader<K, V> = Arc::new(move |keys| {
        let loading = load(keys);
        async move { loading.await.map_err(|error| Arc::new(error) as Arc<dyn StdError + Send + Sync>) }
            .boxed()
    });
    if !mine.is_empty() {
        inner.tracker.spawn(run(Arc::clone(inner), mine, Arc::clone(&load)));
    }
    let mut failed = None;
    for (key, flight) in flights {
        match flight.wait().await {
            Landed::Found(found) => {
                inner.count(&found, false);
                answers.extend(found.outcome().map(|outcome| (key.clone(), outcome)));
            }
            Landed::Failed(error) => {
                inner.counters.errors();
                failed = failed.or(Some(error));
            }
            // The caller that was fetching it went away.
            Landed::Abandoned => {
                let single = single(Arc::clone(&load), key.clone());
                match fetch::fetch(Arc::clone(inner), key.clone(), None, true, single).await {
                    Ok(found) => answers.extend(found.outcome().map(|outcome| (key.clone(), outcome))),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
    }
    failed.map_or(Ok(answers), Err)
}

/// Lands every key of the batch: from L2, by one load of all that nobody else is loading, or by waiting for who is.
async fn run<K, V>(inner: Arc<Inner<K, V>>, mine: Vec<Mine<K, V>>, load: Loader<K, V>)
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let deadline = Instant::now() + inner.policy.load_deadline;
    let named: Vec<Named> = mine.iter().map(|mine| mine.job.named.clone()).collect();
    let mut left = Vec::new();
    for (mut mine, read) in mine.into_iter().zip(inner.read_many(&named).await) {
        mine.job.there = !matches!(read, Read::Away);
        match read {
            Read::Fresh(stored, _) => {
                let slot = inner.slot(&stored, mine.job.since, mine.job.named.digest, true);
                let found = inner.found(&slot, Tier::L2);
                let Mine { job, lead } = mine;
                lead.land_filling(Landed::Found(found), |strayed| inner.insert(&job.key, slot, strayed));
                continue;
            }
            Read::Stale(stored, seen) => {
                let slot = inner.slot(&stored, mine.job.since, mine.job.named.digest, true);
                mine.job.seen = seen;
                mine.job.spare = Some(Spare { slot, tier: Tier::L2, kind: SpareKind::Over });
            }
            Read::Nothing(seen) => mine.job.seen = seen,
            Read::Away => {}
        }
        left.push(mine);
    }
    if left.is_empty() {
        return;
    }
    let permit = timeout_at(deadline, Arc::clone(&inner.loads).acquire_owned()).await;
    let Ok(Ok(_permit)) = permit else {
        for Mine { job, lead } in left {
            let error =
                job.failed(ErrorKind::Timeout).with_detail("no place among the loads was free in time");
            lead.land(Landed::Failed(error));
        }
        return;
    };
    let (ours, theirs) = take(&inner, left).await;
    for Mine { job, lead } in theirs {
        // Another process is at it, or was: this is the ordinary way of a single key.
        let single = single(Arc::clone(&load), job.key.clone());
        inner.tracker.spawn(job.run(lead, single));
    }
    if !ours.is_empty() {
        load_all(&inner, ours, deadline, load).await;
    }
}

/// Makes the loader of one key out of that of the batch.
fn single<K: CacheKey, V: Send + 'static>(
    load: Loader<K, V>,
    key: K,
) -> impl FnOnce(LoadCtx<V>) -> futures::future::BoxFuture<'static, Result<Loaded<V>, Cause>> + Send + 'static
{
    move |_| {
        async move {
            let mut values = load(vec![key.clone()]).await.map_err(Cause)?;
            Ok(Loaded::from(values.remove(&key)))
        }
        .boxed()
    }
}

/// Takes the leases of all keys with one request; returns whose load is ours and whose is another's.
async fn take<K, V>(
    inner: &Arc<Inner<K, V>>,
    left: Vec<Mine<K, V>>,
) -> (Vec<(Mine<K, V>, Option<Lease>)>, Vec<Mine<K, V>>)
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let token = token();
    let wants: Vec<Want<'_>> = left
        .iter()
        .filter(|mine| mine.job.there)
        .filter_map(|mine| {
            let key = mine.job.named.key.as_ref()?;
            Some(Want { key: key.as_str(), token: &token, seen: &mine.job.seen, by_force: false })
        })
        .collect();
    let taken = match inner.shared.leases.as_ref().filter(|_| wants.len() == left.len()) {
        Some(leases) => {
            let request = leases.take(&wants, inner.policy.lease);
            inner
                .shared
                .write(inner.policy.l2_timeout, request)
                .await
                .inspect_err(|away| inner.note(away))
                .ok()
        }
        None => None,
    };
    drop(wants);
    let Some(taken) = taken else {
        return (left.into_iter().map(|mine| (mine, None)).collect(), Vec::new());
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (mine, take) in left.into_iter().zip(taken) {
        match (take, mine.job.named.key.clone()) {
            (Take::Taken { stamp }, Some(key)) => {
                ours.push((mine, Some(Lease { key, token: token.clone(), stamp })));
            }
            _ => theirs.push(mine),
        }
    }
    (ours, theirs)
}

/// Calls the loader once for all of `ours` and writes what it made with one request.
async fn load_all<K, V>(
    inner: &Arc<Inner<K, V>>,
    ours: Vec<(Mine<K, V>, Option<Lease>)>,
    deadline: Instant,
    load: Loader<K, V>,
) where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    inner.counters.loads();
    inner.meter(metric::LOADS);
    let since = inner.shared.order.now();
    let leases: Vec<Lease> = ours.iter().filter_map(|(_, lease)| lease.clone()).collect();
    let keys: Vec<K> = ours.iter().map(|(mine, _)| mine.job.key.clone()).collect();
    let began = Instant::now();
    let failed = |kind| Error::new(kind, "load", format!("{} keys of {}", keys.len(), inner.name));
    let wanted = keys.clone();
    let guarded = AssertUnwindSafe(async move { load(wanted).await }).catch_unwind();
    let loaded = tokio::select! {
        biased;
        () = inner.closed.cancelled() => Err(failed(ErrorKind::Unavailable).with_detail("the cache is shut down")),
        never = inner.renew(&leases) => match never {},
        loaded = timeout_at(deadline, guarded) => match loaded {
            Err(_) => Err(failed(ErrorKind::Timeout).with_detail(format!("{:?}", inner.policy.load_deadline))),
            Ok(Err(_)) => Err(failed(ErrorKind::Panicked)),
            Ok(Ok(Err(error))) => Err(failed(ErrorKind::Load).with_shared_source(error)),
            Ok(Ok(Ok(values))) => Ok(values),
        },
    };
    let mut values = match loaded {
        Ok(values) => values,
        Err(error) => {
            tracing::debug!(cache = inner.name, %error, "load failed");
            for (Mine { job, lead }, _) in ours {
                inner.keep_for_a_retry(&job.key, &lead, job.spare.as_ref());
                let stale = job.spare.as_ref().and_then(|spare| spare_for(inner, spare));
                lead.land(stale.map_or_else(|| Landed::Failed(error.clone()), Landed::Found));
            }
            return inner.give_back(leases).await;
        }
    };
    let took = began.elapsed();
    let mut landing = Vec::with_capacity(ours.len());
    let mut unwritten = Vec::new();
    for (Mine { job, lead }, lease) in ours {
        let value = values.remove(&job.key).map(Arc::new);
        let made = Made { value, took, wishes: Wishes::default() };
        let found = made.found();
        match inner.ready(&job.named, lease.as_ref(), made) {
            Some(ready) => landing.push((job, lead, lease, found, ready)),
            None => {
                lead.land(Landed::Found(found));
                unwritten.extend(lease);
            }
        }
    }
    let written = write(inner, &mut landing).await;
    for ((job, lead, _, found, Ready { stored, .. }), written) in landing.into_iter().zip(written) {
        if written {
            let slot = inner.slot(&stored, since, job.named.digest, job.there);
            lead.land_filling(Landed::Found(found), |strayed| inner.insert(&job.key, slot, strayed));
        } else {
            inner.overtaken();
            lead.land(Landed::Found(found));
        }
    }
    inner.give_back(unwritten).await;
}

type Landing<K, V> = (Job<K, V>, Lead<K, V>, Option<Lease>, Found<V>, Ready<V>);

/// Writes all entries with one request; returns which may be kept in L1.
async fn write<K, V>(inner: &Arc<Inner<K, V>>, landing: &mut [Landing<K, V>]) -> Vec<bool>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let kept = vec![true; landing.len()];
    let Some(l2) = &inner.l2 else { return kept };
    let mut sealed = Vec::with_capacity(landing.len());
    for (job, lead, lease, _, ready) in landing.iter() {
        let Some(key) = &job.named.key else { return kept };
        if !job.there {
            return kept;
        }
        let (value, ttl) = l2.seal(key, ready.encoded.clone(), ready.stored.stamp, ready.times);
        sealed.push((key.as_str(), lease.as_ref(), value, ttl, lead.is_current()));
    }
    let within = inner.policy.l2_timeout;
    let request = async {
        if let Some(leases) = &inner.shared.leases {
            let writes: Option<Vec<Write<'_>>> = sealed
                .iter()
                .map(|(key, lease, value, ttl, _)| {
                    let held = Held { key, token: &lease.as_ref()?.token };
                    Some(Write { held, value: value.clone(), ttl: *ttl, announce: false })
                })
                .collect();
            return match writes {
                Some(writes) => leases.commit(&writes).await,
                None => Ok(kept.clone()),
            };
        }
        let current = sealed.iter().filter(|(.., current)| *current);
        let puts: Vec<crate::store::Put<'_>> = current
            .map(|(key, _, value, ttl, _)| crate::store::Put { key, value: value.clone(), ttl: *ttl })
            .collect();
        l2.store.as_ref().put(&puts).await?;
        Ok(sealed.iter().map(|(.., current)| *current).collect())
    };
    match inner.closed.run_until_cancelled(inner.shared.write(within, request)).await {
        Some(Ok(written)) if inner.shared.leases.is_none() => still_current(inner, landing, written).await,
        Some(Ok(written)) => written,
        Some(Err(away)) => {
            inner.note(&away);
            kept
        }
        None => kept,
    }
}

/// On a bare store: removes again what was invalidated while it was written.
async fn still_current<K, V>(
    inner: &Arc<Inner<K, V>>,
    landing: &[Landing<K, V>],
    written: Vec<bool>,
) -> Vec<bool>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let current: Vec<bool> = landing.iter().map(|(_, lead, ..)| lead.is_current()).collect();
    let voided = landing
        .iter()
        .zip(written.iter().zip(&current))
        .filter(|(_, (written, current))| **written && !**current);
    let keys: Vec<&str> =
        voided.filter_map(|((job, ..), _)| Some(job.named.key.as_ref()?.as_str())).collect();
    if let (Some(l2), false) = (&inner.l2, keys.is_empty())
        && let Err(away) = inner.shared.write(inner.policy.l2_timeout, l2.store.as_ref().remove(&keys)).await
    {
        inner.note(&away);
    }
    written.into_iter().zip(current).map(|(written, current)| written && current).collect()
}

fn spare_for<K: CacheKey, V: Send + Sync + 'static>(
    inner: &Inner<K, V>,
    spare: &Spare<V>,
) -> Option<Found<V>> {
    let since = inner.shared.order.restore(spare.slot.since);
    if inner.is_gone(&spare.slot, since) {
        return None;
    }
    let age = inner.born(spare.slot.stamp).age();
    spare.stale(Instant::now(), crate::outcome::Staleness::LoadFailed, age)
}

impl<K: CacheKey, V: DeserializeOwned + Send + Sync + 'static> Inner<K, V> {
    /// Reads many keys from L2 with one request, and those whose change is not yet known there with none.
    async fn read_many(self: &Arc<Self>, named: &[Named]) -> Vec<Read<V>> {
        let Some(l2) = &self.l2 else {
            return named.iter().map(|_| Read::Nothing(Bytes::new())).collect();
        };
        let askable = |named: &Named| {
            named.key.as_ref().filter(|key| !self.shared.pending.concerns(key.as_str())).cloned()
        };
        let asked: Vec<Option<Key>> = named.iter().map(askable).collect();
        let keys: Vec<&Key> = asked.iter().flatten().collect();
        if keys.is_empty() {
            return named.iter().map(|_| Read::Away).collect();
        }
        let sights = match self.shared.read(self.policy.l2_timeout, l2.get_many(&keys)).await {
            Ok(sights) => sights,
            Err(away) => {
                self.note(&away);
                return named.iter().map(|_| Read::Away).collect();
            }
        };
        let mut sights = sights.into_iter();
        let mut reads = Vec::with_capacity(named.len());
        for key in &asked {
            reads.push(match key.as_ref().and_then(|_| sights.next()) {
                Some(sight) => self.admit(sight).await,
                None => Read::Away,
            });
        }
        reads
    }
}

/// The loader's own error, shared by all keys of the batch.
#[derive(Debug)]
struct Cause(Arc<dyn StdError + Send + Sync>);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
