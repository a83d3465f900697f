//! What happens on an L1 miss.

use std::any::Any;
use std::error::Error as StdError;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use mystocks_keys::Key;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::{Found, Inner};
use crate::error::{Error, ErrorKind};
use crate::flight::{Boarded, Landed, Lead};
use crate::key::CacheKey;
use crate::l1::Slot;
use crate::l2::{self, Entry};
use crate::metric;
use crate::outcome::{Outcome, Tier};
use crate::stats::Counters;

/// What a loader made: a value, or the knowledge that there is none.
pub(crate) struct Loaded<V>(Option<V>);

impl<V> From<Option<V>> for Loaded<V> {
    fn from(value: Option<V>) -> Self {
        Self(value)
    }
}

/// Reads `key` from L2 or loads it; joins whoever does so already.
///
/// The L2 read is the caller's own: if the caller goes away, another waiter takes the flight over. The load is a task.
pub(crate) async fn fetch<K, V, F, Fut, E>(
    inner: Arc<Inner<K, V>>,
    key: K,
    absence_answers: bool,
    load: F,
) -> Result<Found<V>, Error>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
    E: StdError + Send + Sync + 'static,
{
    let spelled = match inner.l2.as_ref().map(|l2| l2.spell(&key)).transpose() {
        Ok(spelled) => spelled,
        Err(error) => {
            inner.counters.errors();
            return Err(error);
        }
    };
    let counters = &inner.counters;
    loop {
        let mut lead = match inner.flights.board(&key) {
            Boarded::Leader(lead) => lead,
            Boarded::Waiter(flight) => match flight.wait().await {
                // Somebody else's "there is none" does not answer a caller whose loader always has one.
                Landed::Found(Found { value: None, .. }) if !absence_answers => continue,
                Landed::Abandoned => continue,
                Landed::Found(found) => {
                    counters.answered(found.value.is_some(), Counters::joined);
                    return Ok(found);
                }
                Landed::Failed(error) => {
                    counters.errors();
                    return Err(error);
                }
            },
        };
        if let Some((found, slot)) = read_l2(&inner, spelled.as_ref()).await
            && (found.value.is_some() || absence_answers)
        {
            counters.answered(found.value.is_some(), Counters::l2_hits);
            lead.land_filling(Landed::Found(found.clone()), || inner.l1.insert(&key, slot));
            return Ok(found);
        }
        // Between the caller's look into L1 and its boarding another flight may have landed.
        if let Some(slot) = inner.l1.get(&key)
            && (slot.value.is_some() || absence_answers)
        {
            let age = slot.age();
            let found = Found { value: slot.value, tier: Tier::L1, age };
            counters.answered(found.value.is_some(), Counters::l1_hits);
            lead.land(Landed::Found(found.clone()));
            return Ok(found);
        }
        let flight = lead.flight();
        let subject = spelled.as_ref().map_or(inner.name.as_str(), Key::as_str);
        let died = Error::new(ErrorKind::Panicked, "load", subject);
        lead.begin_load(died.with_detail("the task of the load ended without an answer"));
        counters.loads();
        inner.meter(metric::LOADS);
        inner.tracker.spawn(run(Arc::clone(&inner), key, lead, spelled, load));
        return match flight.wait().await {
            Landed::Found(found) => {
                counters.answered(found.value.is_some(), Counters::loaded);
                Ok(found)
            }
            Landed::Failed(error) => {
                counters.errors();
                Err(error)
            }
            Landed::Abandoned => {
                counters.errors();
                Err(Error::new(ErrorKind::Panicked, "load", &inner.name)
                    .with_detail("nobody leads it any more"))
            }
        };
    }
}

/// Reads one key from L2. A failing store is a miss.
async fn read_l2<K, V>(inner: &Inner<K, V>, spelled: Option<&Key>) -> Option<(Found<V>, Slot<V>)>
where
    K: CacheKey,
    V: DeserializeOwned + Send + Sync + 'static,
{
    let (l2, spelled) = (inner.l2.as_ref()?, spelled?);
    match l2.get(spelled).await {
        Ok(entry) => inner.admit(entry),
        Err(error) => {
            inner.note_store_error(&error);
            None
        }
    }
}

/// Runs the loader under its deadline, stores what it made and lands the flight.
async fn run<K, V, F, Fut, E>(
    inner: Arc<Inner<K, V>>,
    key: K,
    lead: Lead<K, V>,
    spelled: Option<Key>,
    load: F,
) where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
    E: StdError + Send + Sync + 'static,
{
    let subject = spelled.as_ref().map_or(inner.name.as_str(), Key::as_str);
    let failed = |kind| Error::new(kind, "load", subject);
    // The closure runs inside the guarded future, so that a panic before its first await is a panic of the load.
    let guarded = AssertUnwindSafe(async move { load().await }).catch_unwind();
    let ended = tokio::select! {
        biased;
        () = inner.closed.cancelled() => Err(failed(ErrorKind::Unavailable).with_detail("the cache is shut down")),
        ended = tokio::time::timeout(inner.policy.load_deadline, guarded) => match ended {
            Err(_) => Err(failed(ErrorKind::Timeout).with_detail(format!("{:?}", inner.policy.load_deadline))),
            Ok(Err(panic)) => Err(failed(ErrorKind::Panicked).with_detail(message(&*panic))),
            Ok(Ok(Err(error))) => Err(failed(ErrorKind::Load).with_source(error)),
            Ok(Ok(Ok(loaded))) => Ok(loaded),
        },
    };
    let landed = match ended {
        Ok(loaded) => Landed::Found(keep(&inner, key, &lead, spelled.as_ref(), loaded).await),
        Err(error) => {
            tracing::debug!(cache = inner.name, %error, "load failed");
            Landed::Failed(error)
        }
    };
    lead.land(landed);
}

/// Offers what a loader made to L1 and L2.
async fn keep<K, V>(
    inner: &Inner<K, V>,
    key: K,
    lead: &Lead<K, V>,
    spelled: Option<&Key>,
    loaded: Loaded<V>,
) -> Found<V>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let value = loaded.0.map(Arc::new);
    let found = Found { value: value.clone(), tier: Tier::L3, age: Duration::ZERO };
    let encoded = match l2::encode(value.as_deref()) {
        Ok(encoded) if encoded.len() <= inner.policy.max_entry => encoded,
        Ok(_) => {
            inner.counters.not_stored();
            return found;
        }
        Err(error) => {
            inner.counters.not_stored();
            tracing::warn!(cache = inner.name, %error, "a value does not encode and is not stored");
            return found;
        }
    };
    let ttl = inner.policy.draw_ttl(value.is_none());
    let size = encoded.len() + spelled.map_or(0, |key| key.as_str().len());
    let slot = inner.l1.slot(value, Duration::ZERO, ttl, size);
    let negative = slot.value.is_none();
    lead.fill(|| inner.l1.insert(&key, slot));
    if let (Some(l2), Some(spelled)) = (&inner.l2, spelled)
        && lead.is_current()
    {
        let put = l2.put(spelled, l2.seal(spelled, encoded, ttl, negative));
        // A store that hangs holds up no shutdown.
        let put = inner.closed.run_until_cancelled(put).await;
        let mut outcome = put.unwrap_or(Ok(()));
        if !lead.is_current() {
            // Invalidated while it was written: what stands there now may be older than what it replaced.
            outcome = outcome.and(l2.remove(&key).await);
        }
        if let Err(error) = outcome {
            inner.note_store_error(&error);
        }
    }
    found
}

/// Reads `keys` from L1 and, with one request, from L2.
pub(crate) async fn get_many<K, V>(inner: &Inner<K, V>, keys: &[K]) -> Result<Vec<Option<Outcome<V>>>, Error>
where
    K: CacheKey,
    V: DeserializeOwned + Send + Sync + 'static,
{
    let mut answers: Vec<Option<Outcome<V>>> = Vec::with_capacity(keys.len());
    let mut missing = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let held = inner.l1.get(key);
        if held.is_none() {
            missing.push((index, inner.flights.epoch(key)));
        }
        answers.push(held.and_then(|slot| {
            let age = slot.age();
            slot.value.map(|value| Outcome { value, tier: Tier::L1, age })
        }));
    }
    if let Some(l2) = inner.l2.as_ref().filter(|_| !missing.is_empty()) {
        let spelled =
            missing.iter().map(|(index, _)| l2.spell(&keys[*index])).collect::<Result<Vec<Key>, _>>();
        let spelled = spelled.inspect_err(|_| keys.iter().for_each(|_| inner.counters.errors()))?;
        match l2.get_many(&spelled).await {
            Ok(entries) => {
                for ((index, epoch), entry) in missing.into_iter().zip(entries) {
                    let Some((found, slot)) = inner.admit(entry) else {
                        continue;
                    };
                    let key = &keys[index];
                    inner.flights.fill(key, epoch, || inner.l1.insert(key, slot));
                    answers[index] = found.outcome();
                }
            }
            Err(error) => inner.note_store_error(&error),
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

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    /// Turns an entry of L2 into an answer and a slot for L1.
    fn admit(&self, entry: Entry<V>) -> Option<(Found<V>, Slot<V>)> {
        match entry {
            Entry::Present { value, age, expires_in, encoded } => {
                let value = value.map(Arc::new);
                let slot = self.l1.slot(value.clone(), age, expires_in, encoded);
                Some((Found { value, tier: Tier::L2, age }, slot))
            }
            Entry::Absent => None,
            Entry::Unreadable => {
                self.counters.unreadable();
                self.meter(metric::UNREADABLE);
                None
            }
        }
    }

    fn meter(&self, name: &'static str) {
        metrics::counter!(name, "cache" => self.name.clone()).increment(1);
    }

    fn note_store_error(&self, error: &Error) {
        self.counters.store_errors();
        self.meter(metric::STORE_ERRORS);
        tracing::debug!(cache = self.name, %error, "going on without L2");
    }
}

pub(crate) fn absent_in_spite_of_a_value() -> Error {
    Error::new(ErrorKind::Load, "load", "").with_detail("the loader returned nothing")
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
