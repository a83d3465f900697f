//! Many keys at once: one look into L1, one request to L2, one call of the loader, one write.

mod load;

use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use mystocks_keys::Key;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::load::run;
use crate::early::refresh;
use crate::error::Error;
use crate::fetch::{self, Ask};
use crate::flight::{Boarded, Flights, Landed, Lead};
use crate::found::{Found, Spare};
use crate::inner::{Inner, Look, Named};
use crate::key::CacheKey;
use crate::l2::Entry;
use crate::load::Job;
use crate::load_ctx::{LoadCtx, Loaded};
use crate::outcome::{Outcome, Tier};
use crate::patience::{Patience, confirmed};
use crate::reading::Read;

/// What the loader of a batch is called with again for keys that others were loading, and did not.
pub(crate) type Loader<K, V> = Arc<dyn Fn(Vec<K>) -> Loading<K, V> + Send + Sync>;
type Loading<K, V> = BoxFuture<'static, Result<Each<K, V>, Failure>>;
/// What a loader made: of each key its value, or the error that is this key's alone.
type Each<K, V> = HashMap<K, Result<V, Failure>>;
type Failure = Arc<dyn StdError + Send + Sync>;
/// What became of the keys that have a value or an error, in their order.
pub(crate) type Answers<K, V> = Vec<(K, Result<Outcome<V>, Error>)>;

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
    let sets: Vec<u64> = named.iter().map(|named| inner.flights.sets(named.digest)).collect();
    let reads = inner.read_many(&named).await;
    for (((index, named), sets), read) in missing.into_iter().zip(&named).zip(sets).zip(reads) {
        let Some(key) = keys.get(index) else { continue };
        let Read::Fresh(stored, _) = read else {
            // What L2 was never told of, or cannot be asked about, L1 still has.
            match (&read, inner.look(key)) {
                (Read::Nothing(_), Look::Spare(spare)) => inner.settle(&spare.slot),
                (Read::Stale(stored, _), Look::Spare(spare)) if spare.slot.stamp > stored.stamp => {
                    inner.settle(&spare.slot);
                }
                _ => {}
            }
            let held = inner.held(key, !matches!(read, Read::Away));
            if let (Some(slot), Some(answer)) = (held, answers.get_mut(index)) {
                *answer = inner.found(&slot, Tier::L1).outcome();
            }
            continue;
        };
        let slot = inner.slot(&stored, since, named.digest, true);
        let found = inner.found(&slot, Tier::L2);
        inner.flights.fill(named.digest, sets, || inner.insert(key, slot, true));
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

/// Makes a loader of one that answers for all keys together.
pub(crate) fn together<K, V, F, Fut, E>(load: F) -> Loader<K, V>
where
    K: CacheKey,
    V: Send + 'static,
    F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
    E: StdError + Send + Sync + 'static,
{
    Arc::new(move |keys| {
        let loading = load(keys);
        async move {
            let values = loading.await.map_err(|error| Arc::new(error) as Failure)?;
            Ok(values.into_iter().map(|(key, value)| (key, Ok(value))).collect())
        }
        .boxed()
    })
}

/// Makes a loader of one that answers for each key by itself.
pub(crate) fn each<K, V, F, Fut, E>(load: F) -> Loader<K, V>
where
    K: CacheKey,
    V: Send + 'static,
    F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = HashMap<K, Result<V, E>>> + Send + 'static,
    E: StdError + Send + Sync + 'static,
{
    Arc::new(move |keys| {
        let loading = load(keys);
        async move {
            let failed = |error| Arc::new(error) as Failure;
            Ok(loading.await.into_iter().map(|(key, made)| (key, made.map_err(failed))).collect())
        }
        .boxed()
    })
}

/// Reads `keys`, and loads what is nowhere with as few calls of `load` as can be.
pub(crate) async fn get_or_compute_each<K, V>(
    inner: &Arc<Inner<K, V>>,
    keys: &[K],
    load: Loader<K, V>,
) -> Result<Answers<K, V>, Error>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let mut answers = Vec::with_capacity(keys.len());
    let mut missing: Vec<(&K, Option<Spare<V>>)> = Vec::new();
    for key in keys {
        let look = inner.l1.get(key).map_or(Look::Nothing, |slot| inner.weigh_for_reader(slot));
        let slot = match look {
            Look::Fresh(slot) => slot,
            Look::Early(slot) => {
                if let Ok(named) = inner.named(key) {
                    let single = single(Arc::clone(&load), key.clone());
                    refresh(inner, key.clone(), named, slot.clone(), single);
                }
                slot
            }
            Look::Spare(spare) => {
                missing.push((key, Some(spare)));
                continue;
            }
            Look::Nothing => {
                missing.push((key, None));
                continue;
            }
        };
        let found = inner.found(&slot, Tier::L1);
        inner.count(&found, false);
        answers.extend(found.outcome().map(|outcome| (key.clone(), Ok(outcome))));
    }
    if missing.is_empty() {
        return Ok(answers);
    }
    let named = missing.iter().map(|(key, _)| inner.named(key)).collect::<Result<Vec<_>, _>>();
    let named = named.inspect_err(|_| missing.iter().for_each(|_| inner.counters.errors()))?;
    let since = inner.shared.order.now();
    let mut mine = Vec::new();
    let mut flights = Vec::with_capacity(missing.len());
    for ((key, spare), named) in missing.into_iter().zip(&named) {
        match Flights::board(Arc::clone(&inner.flights), named.digest, key) {
            Boarded::Waiter(flight) => flights.push((key, flight, spare, true)),
            Boarded::Leader(mut lead) => {
                flights.push((key, lead.flight(), None, false));
                lead.begin_load(named.key.as_ref().map_or("", Key::as_str));
                let (inner, key, named) = (Arc::clone(inner), key.clone(), named.clone());
                let job = Job {
                    inner,
                    key,
                    named,
                    since,
                    seen: Bytes::new(),
                    spare,
                    there: true,
                    absence_answers: true,
                };
                mine.push(Mine { job, lead });
            }
        }
    }
    let began = inner.begin();
    if !mine.is_empty() {
        inner.tracker.spawn(run(Arc::clone(inner), mine, Arc::clone(&load)));
    }
    for ((key, flight, spare, joined), named) in flights.into_iter().zip(&named) {
        let patience = Patience { inner, named, began };
        match patience.wait(&flight, confirmed(inner, spare.as_ref())).await {
            Landed::Found(found) => {
                inner.count(&found, joined);
                answers.extend(found.outcome().map(|outcome| (key.clone(), Ok(outcome))));
            }
            Landed::Failed(error) => {
                inner.counters.errors();
                answers.push((key.clone(), Err(error)));
            }
            // The caller that was fetching it went away.
            Landed::Abandoned => {
                let single = single(Arc::clone(&load), key.clone());
                let ask = Ask::new(Arc::clone(inner), key.clone(), spare, true, single);
                let found = fetch::fetch(ask).await.map(Found::outcome);
                answers.extend(found.transpose().map(|outcome| (key.clone(), outcome)));
            }
        }
    }
    Ok(answers)
}

/// Makes the loader of one key out of that of the batch.
fn single<K: CacheKey, V: Send + 'static>(
    load: Loader<K, V>,
    key: K,
) -> impl FnOnce(LoadCtx<V>) -> BoxFuture<'static, Result<Loaded<V>, Cause>> + Send + 'static {
    move |_| {
        async move {
            let mut made = load(vec![key.clone()]).await.map_err(Cause)?;
            Ok(Loaded::from(made.remove(&key).transpose().map_err(Cause)?))
        }
        .boxed()
    }
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
        // The marks of all of them with one request.
        let present = sights.iter().filter_map(|sight| match &sight.entry {
            Entry::Present(stored) => self.judge(stored).err(),
            Entry::Absent | Entry::Unreadable => None,
        });
        let mut unknown: Vec<String> = present.flatten().collect();
        unknown.sort_unstable();
        unknown.dedup();
        if !unknown.is_empty()
            && let Err(away) = self.learn(&unknown).await
        {
            self.note(&away);
            return named.iter().map(|_| Read::Away).collect();
        }
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

/// The loader's own error, which may be shared by keys of the batch.
#[derive(Debug)]
struct Cause(Failure);

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
