//! What happens on an L1 miss.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::{self, BoxFuture};
use mystocks_keys::Key;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::early;
use crate::error::{Error, ErrorKind};
use crate::flight::{Boarded, Flight, Flights, Landed, Lead};
use crate::found::{Found, Spare, SpareKind};
use crate::inner::{Inner, Named};
use crate::key::CacheKey;
use crate::l1::Slot;
use crate::l2::Stored;
use crate::load::Job;
use crate::load_ctx::{LoadCtx, Loaded};
use crate::outcome::Tier;
use crate::patience::{Patience, confirmed};
use crate::reading::Read;

/// What L1 could not answer.
pub(crate) struct Ask<K, V, F> {
    inner: Arc<Inner<K, V>>,
    key: K,
    spare: Option<Spare<V>>,
    /// Whether "there is none" is an answer.
    absence_answers: bool,
    load: F,
    /// When the caller began to wait, when there is a time to be counted from it.
    began: Option<Instant>,
}

/// What comes after the look at L2.
enum Next<K: CacheKey, V> {
    /// Somebody else is fetching it.
    Join(Named, Arc<Flight<V>>),
    /// It is answered, and about to be over.
    Refresh(Named, Found<V>, Slot<V>),
    /// L2 has no answer.
    GoOn(Named, Lead<K, V>, u64, Read<V>),
}

type Answer<V> = Result<Found<V>, Error>;

/// Reads a key from L2 or loads it; joins whoever does so already.
///
/// The L2 read is the caller's own: if the caller goes away, another waiter takes the flight over. The load is a task.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn keeps what it is given twice, and thousands may wait"
)]
pub(crate) fn fetch<K, V, F, Fut, E>(
    mut ask: Ask<K, V, F>,
) -> impl Future<Output = Answer<V>> + Send + 'static
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: FnOnce(LoadCtx<V>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
    E: StdError + Send + Sync + 'static,
{
    // Nothing but the read of L2 is waited for with anything at hand: what else there is to wait for is boxed.
    async move {
        ask.began = ask.inner.begin();
        loop {
            let next = {
                let inner = &*ask.inner;
                let named = inner.named(&ask.key).inspect_err(|_| inner.counters.errors())?;
                match Flights::board(&*inner.flights, named.digest, &ask.key) {
                    Boarded::Waiter(flight) => Next::Join(named, flight),
                    Boarded::Leader(lead) => {
                        let since = inner.shared.order.now();
                        let within = inner.patience(ask.spare.as_ref());
                        match inner.read_l2(&named, ask.spare.as_ref(), within).await {
                            Read::Fresh(stored, _) if stored.value.is_some() || ask.absence_answers => {
                                let (found, due) = ask.serve(&named, lead, since, &stored);
                                let Some(slot) = due else { return Ok(found) };
                                Next::Refresh(named, found, slot)
                            }
                            read => Next::GoOn(named, lead.own(Arc::clone(&inner.flights)), since, read),
                        }
                    }
                }
            };
            match next {
                Next::Join(named, flight) => {
                    let patience = Patience { inner: &ask.inner, named: &named, began: ask.began };
                    let joined = join(patience, flight, ask.spare.as_ref(), ask.absence_answers);
                    if let Some(answer) = joined.await {
                        return answer;
                    }
                }
                Next::GoOn(named, lead, since, read) => return ask.go_on(named, lead, since, read).await,
                Next::Refresh(named, found, slot) => {
                    early::refresh(&ask.inner, ask.key, named, slot, ask.load);
                    return Ok(found);
                }
            }
        }
    }
}

/// Waits for who is fetching the key, and returns no answer when that one has none for this caller.
fn join<'a, K, V>(
    patience: Patience<'a, K, V>,
    flight: Arc<Flight<V>>,
    spare: Option<&'a Spare<V>>,
    absence_answers: bool,
) -> BoxFuture<'a, Option<Answer<V>>>
where
    K: CacheKey,
    V: Send + Sync + 'static,
{
    Box::pin(async move {
        let inner = patience.inner;
        match patience.wait(&flight, confirmed(inner, spare)).await {
            // Somebody else's "there is none" does not answer a caller whose loader always has one.
            Landed::Found(Found { value: None, .. }) if !absence_answers => None,
            Landed::Abandoned => None,
            Landed::Found(found) => {
                inner.count(&found, true);
                Some(Ok(found))
            }
            Landed::Failed(error) => {
                inner.counters.errors();
                Some(Err(error))
            }
        }
    })
}

impl<K, V, F, Fut, E> Ask<K, V, F>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: FnOnce(LoadCtx<V>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
    E: StdError + Send + Sync + 'static,
{
    pub(crate) fn new(
        inner: Arc<Inner<K, V>>,
        key: K,
        spare: Option<Spare<V>>,
        absence_answers: bool,
        load: F,
    ) -> Self {
        Self { inner, key, spare, absence_answers, load, began: None }
    }

    /// Answers what L2 has, and says whether it is time to see to its successor.
    fn serve(
        &self,
        named: &Named,
        lead: Lead<K, V, &Flights<K, V>>,
        since: u64,
        stored: &Stored<V>,
    ) -> (Found<V>, Option<Slot<V>>) {
        let inner = &self.inner;
        let slot = inner.slot(stored, since, named.digest, true);
        let found = inner.found(&slot, Tier::L2);
        inner.count(&found, false);
        let due = slot.is_early().then(|| slot.clone());
        let insert = |strayed| inner.insert(&self.key, slot, strayed);
        lead.land_filling(Landed::Found(found.clone()), insert);
        (found, due)
    }

    /// Loads what L2 does not have, or not any more.
    fn go_on(
        self,
        named: Named,
        mut lead: Lead<K, V>,
        since: u64,
        read: Read<V>,
    ) -> BoxFuture<'static, Answer<V>> {
        let Self { inner, key, mut spare, absence_answers, load, began } = self;
        let there = !matches!(read, Read::Away);
        let mut seen = Bytes::new();
        match read {
            Read::Stale(stored, bytes) => {
                let slot = inner.slot(&stored, since, named.digest, true);
                seen = bytes;
                spare = spare.filter(|spare| spare.slot.stamp > slot.stamp && inner.stands(&spare.slot));
                match &spare {
                    Some(spare) => inner.settle(&spare.slot),
                    None => spare = Some(Spare { slot, tier: Tier::L2, kind: SpareKind::Over }),
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
            return Box::pin(future::ok(found));
        }
        let flight = lead.flight();
        if let Some(spare) = &spare {
            flight.offer(spare.clone());
        }
        lead.begin_load(named.key.as_ref().map_or(inner.name.as_str(), Key::as_str));
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
        Box::pin(async move {
            let patience = Patience { inner: &inner, named: &named, began };
            match patience.wait(&flight, None).await {
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
            }
        })
    }
}

pub(crate) fn absent_in_spite_of_a_value() -> Error {
    Error::new(ErrorKind::Load, "load", "").with_detail("the loader returned nothing")
}
