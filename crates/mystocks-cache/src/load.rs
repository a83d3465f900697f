//! One load: under a lease, if there is one to be had, under a deadline and beside no more others than the policy allows.

use std::any::Any;
use std::error::Error as StdError;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use mystocks_keys::Key;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::error::{Error, ErrorKind};
use crate::flight::{Landed, Lead};
use crate::found::{Found, Spare, SpareKind};
use crate::inner::{Inner, Named};
use crate::keep::Made;
use crate::key::CacheKey;
use crate::l1::Slot;
use crate::l2::{Format, L2};
use crate::lease::{Held, Take, Want};
use crate::load_ctx::{LoadCtx, Loaded};
use crate::metric;
use crate::outcome::Tier;
use crate::policy::OLDEST;
use crate::reading::Read;

/// A load that is to be run.
pub(crate) struct Job<K, V> {
    pub(crate) inner: Arc<Inner<K, V>>,
    pub(crate) key: K,
    pub(crate) named: Named,
    /// Of the order, from before L2 was read.
    pub(crate) since: u64,
    /// What stood in L2 then.
    pub(crate) seen: Bytes,
    pub(crate) spare: Option<Spare<V>>,
    /// Whether L2 answered.
    pub(crate) there: bool,
    /// Whether somebody else's "there is none" is an answer.
    pub(crate) absence_answers: bool,
}

/// A lease that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub(crate) key: Key,
    pub(crate) token: String,
    pub(crate) stamp: u64,
    /// The sign of what stood in the entry then.
    pub(crate) seen: Bytes,
}

/// What came of asking for the lease.
pub(crate) enum Turn<V> {
    /// It is ours to load, under a lease or, where there is none to be had, without.
    Ours(Option<Lease>, Option<OwnedSemaphorePermit>),
    /// Another process loaded it meanwhile.
    Theirs(Found<V>, Slot<V>),
    /// Another process is loading it, and there was no time to wait.
    Busy,
}

impl<K, V> Job<K, V>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Runs the load and lands the flight.
    pub(crate) async fn run<F, Fut, E>(mut self, lead: Lead<K, V>, load: F)
    where
        F: FnOnce(LoadCtx<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
        E: StdError + Send + Sync + 'static,
    {
        let deadline = Instant::now() + self.inner.policy.load_deadline;
        let inner = Arc::clone(&self.inner);
        let (lease, _permit) = match self.within(deadline, self.turn(true)).await {
            Ok(Turn::Ours(lease, permit)) => (lease, permit),
            Ok(Turn::Theirs(found, slot)) => {
                lead.land_filling(Landed::Found(found), |strayed| inner.insert(&self.key, slot, strayed));
                return;
            }
            Ok(Turn::Busy) => return drop(lead),
            Err(error) => return self.fail(lead, None, error).await,
        };
        // What is loaded from here on is newer than what was invalidated until here.
        if lead.is_current() {
            self.since = self.inner.shared.order.now();
        }
        self.drop_fallen();
        match self.call(deadline, lease.as_ref(), load).await {
            Ok(made) => self.keep(lead, lease, made).await,
            Err(error) => self.fail(lead, lease, error).await,
        }
    }

    /// Runs the load to replace an entry before its end; when another process is at it already, that is enough.
    pub(crate) async fn run_early<F, Fut, E>(mut self, lead: Lead<K, V>, slot: Slot<V>, load: F)
    where
        F: FnOnce(LoadCtx<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
        E: StdError + Send + Sync + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let as_it_is = Landed::Found(inner.found(&slot, Tier::L1));
        match inner.read_l2(&self.named, self.spare.as_ref(), inner.policy.l2_timeout).await {
            Read::Fresh(stored, _) if stored.stamp > slot.stamp => {
                let slot = inner.slot(&stored, self.since, self.named.digest, true);
                let found = inner.found(&slot, Tier::L2);
                lead.land_filling(Landed::Found(found), |strayed| inner.insert(&self.key, slot, strayed));
                return;
            }
            Read::Fresh(_, seen) | Read::Stale(_, seen) | Read::Nothing(seen) => {
                self.seen = inner.sign(&seen);
            }
            Read::Away => return lead.land(as_it_is),
        }
        let deadline = Instant::now() + inner.policy.load_deadline;
        match self.within(deadline, self.turn(false)).await {
            Ok(Turn::Ours(lease, _permit)) => {
                inner.counters.refreshes();
                self.drop_fallen();
                match self.call(deadline, lease.as_ref(), load).await {
                    Ok(made) => self.keep(lead, lease, made).await,
                    Err(error) => self.fail(lead, lease, error).await,
                }
            }
            Ok(Turn::Theirs(found, slot)) => {
                lead.land_filling(Landed::Found(found), |strayed| inner.insert(&self.key, slot, strayed));
            }
            Ok(Turn::Busy) | Err(_) => lead.land(as_it_is),
        }
    }

    /// Runs `work` until the deadline or the end of the cache.
    async fn within<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.inner.closed.cancelled() => Err(self.failed(ErrorKind::Unavailable).with_detail("the cache is shut down")),
            done = timeout_at(deadline, work) => done.unwrap_or_else(|_| {
                Err(self.failed(ErrorKind::Timeout).with_detail(format!("{:?}", self.inner.policy.load_deadline)))
            }),
        }
    }

    /// Waits for a place among the loads and takes the lease, or waits for who has it.
    async fn turn(&self, patient: bool) -> Result<Turn<V>, Error> {
        let inner = &self.inner;
        let mut seen = self.seen.clone();
        let token = token();
        loop {
            let permit = Arc::clone(&inner.loads).acquire_owned().await.ok();
            let (Some(leases), Some(key), Some(l2), true) =
                (&inner.shared.leases, &self.named.key, &inner.l2, self.there)
            else {
                return Ok(Turn::Ours(None, permit));
            };
            if inner.shared.pending.concerns(key.as_str()) {
                return Ok(Turn::Ours(None, permit));
            }
            // From before the request, so that nothing this process hears meanwhile is forgotten.
            let since = inner.shared.order.now();
            let want =
                [Want { key: key.as_str(), token: &token, seen: l2.format.seen(&seen), by_force: false }];
            let take =
                inner.shared.write(inner.policy.l2_timeout, leases.take(&want, inner.policy.lease)).await;
            match take.map(|mut taken| taken.pop()) {
                Ok(Some(Take::Taken { stamp })) => {
                    let lease = Lease { key: key.clone(), token, stamp, seen };
                    return Ok(Turn::Ours(Some(lease), permit));
                }
                Ok(Some(Take::Changed(bytes))) => {
                    drop(permit);
                    match self.changed(l2, key, bytes, since).await {
                        Ok(theirs) => return Ok(theirs),
                        Err(other) => seen = other,
                    }
                }
                Ok(Some(Take::Busy(_))) if !patient => return Ok(Turn::Busy),
                Ok(Some(Take::Busy(_))) => {
                    drop(permit);
                    let pause = crate::patience::poll_pause();
                    let waiting = timeout(pause + inner.policy.l2_timeout, leases.wait(key.as_str(), pause));
                    // One that fails is only a wait that was too short.
                    if !waiting.await.is_ok_and(|waited| waited.is_ok()) {
                        sleep(pause / 8).await;
                    }
                }
                Ok(None) => return Ok(Turn::Ours(None, permit)),
                Err(away) => {
                    inner.note(&away);
                    return Ok(Turn::Ours(None, permit));
                }
            }
        }
    }

    /// Judges what another process wrote meanwhile: the answer, or what is to be replaced after all.
    async fn changed(&self, l2: &L2, key: &Key, bytes: Bytes, since: u64) -> Result<Turn<V>, Bytes> {
        let inner = &self.inner;
        let sign = l2.format.sign(&bytes);
        // How long a shared entry has left stands beside it, not in it.
        let read = match l2.format {
            Format::Own => inner.admit(l2.sight(key, Some(bytes), None, OLDEST)).await,
            Format::Shared => inner.read_l2(&self.named, None, inner.policy.l2_timeout).await,
        };
        match read {
            Read::Fresh(stored, _) if stored.value.is_some() || self.absence_answers => {
                let slot = inner.slot(&stored, since, self.named.digest, true);
                Ok(Turn::Theirs(inner.found(&slot, Tier::L2), slot))
            }
            Read::Fresh(..) | Read::Stale(..) | Read::Nothing(_) | Read::Away => Err(sign),
        }
    }

    /// Runs the loader, and renews the lease while it runs.
    async fn call<F, Fut, E>(
        &self,
        deadline: Instant,
        lease: Option<&Lease>,
        load: F,
    ) -> Result<Made<V>, Error>
    where
        F: FnOnce(LoadCtx<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
        E: StdError + Send + Sync + 'static,
    {
        let inner = &self.inner;
        inner.counters.loads();
        inner.meter(metric::LOADS);
        let began = Instant::now();
        let ctx = LoadCtx {
            stale: self.spare.as_ref().and_then(|spare| spare.slot.value.clone()),
            etag: self.etag(),
            deadline,
            wishes: Arc::default(),
        };
        let wishes = ctx.clone();
        // The closure runs inside the guarded future, so that a panic before its first await is a panic of the load.
        let guarded = AssertUnwindSafe(async move { load(ctx).await }).catch_unwind();
        let loading = async {
            match guarded.await {
                Err(panic) => Err(self.failed(ErrorKind::Panicked).with_detail(message(&*panic))),
                Ok(Err(error)) => Err(self.failed(ErrorKind::Load).with_source(error)),
                Ok(Ok(loaded)) => Ok(loaded),
            }
        };
        let leases: Vec<Lease> = lease.cloned().into_iter().collect();
        let loaded = self
            .within(deadline, async {
                tokio::select! {
                    loaded = loading => loaded,
                    never = inner.renew(&leases) => match never {},
                }
            })
            .await?;
        let took = began.elapsed();
        metrics::histogram!(metric::LOAD_SECONDS, "cache" => inner.name.clone()).record(took.as_secs_f64());
        let spare = self.spare.as_ref().and_then(|spare| spare.slot.value.clone());
        let value = match (loaded, spare) {
            (Loaded::Value(value), _) => Some(Arc::new(value)),
            (Loaded::Absent, _) => None,
            (Loaded::NotModified, Some(value)) => {
                self.keep_notes(&wishes);
                Some(value)
            }
            (Loaded::NotModified, None) => {
                return Err(self
                    .failed(ErrorKind::Load)
                    .with_detail("not modified, but there was no value to keep"));
            }
        };
        Ok(Made { value, took, wishes: wishes.wishes() })
    }

    /// Carries over to another life what the entry was subject to, and its entity tag if no new one was given.
    fn keep_notes(&self, ctx: &LoadCtx<V>) {
        let Some(side) = self.spare.as_ref().and_then(|spare| spare.slot.side.as_ref()) else { return };
        let keyspace = &self.inner.shared.keyspace;
        let prefix = keyspace.cache_tag("t").map_or(0, |mark| mark.as_str().len() - 1);
        side.marks.iter().filter_map(|mark| mark.get(prefix..)).for_each(|tag| ctx.tag(tag));
        if let (None, Some(etag)) = (ctx.wishes().notes.etag, side.etag.as_deref()) {
            ctx.set_etag(etag);
        }
    }

    fn etag(&self) -> Option<Arc<str>> {
        let side = self.spare.as_ref()?.slot.side.as_ref()?;
        side.etag.as_deref().map(Arc::from)
    }

    /// Keeps from the loader what was invalidated while its turn was waited for.
    fn drop_fallen(&mut self) {
        self.spare = self.spare.take().filter(|spare| self.inner.stands(&spare.slot));
    }

    async fn fail(&self, lead: Lead<K, V>, lease: Option<Lease>, error: Error) {
        let inner = &self.inner;
        tracing::debug!(cache = inner.name, %error, "load failed");
        inner.keep_for_a_retry(&self.key, &lead, self.spare.as_ref());
        lead.land(Landed::Failed(error));
        inner.give_back(lease).await;
    }

    pub(crate) fn failed(&self, kind: ErrorKind) -> Error {
        Error::new(kind, "load", self.named.key.as_ref().map_or(self.inner.name.as_str(), Key::as_str))
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    /// Returns what a later request recognises an entry by.
    pub(crate) fn sign(&self, entry: &Bytes) -> Bytes {
        self.l2.as_ref().map_or_else(Bytes::new, |l2| l2.format.sign(entry))
    }

    /// Renews leases until the end of time.
    pub(crate) async fn renew(&self, leases: &[Lease]) -> std::convert::Infallible {
        let Some(port) = self.shared.leases.as_ref().filter(|_| !leases.is_empty()) else {
            return std::future::pending().await;
        };
        let held: Vec<Held<'_>> =
            leases.iter().map(|lease| Held { key: lease.key.as_str(), token: &lease.token }).collect();
        loop {
            sleep(self.policy.lease / 3).await;
            // A lease that is lost shows when its entry is to be written.
            let renewed = self.shared.write(self.policy.l2_timeout, port.renew(&held, self.policy.lease));
            if let Err(away) = renewed.await {
                self.note(&away);
            }
        }
    }

    /// Has a stale value served for a while before the loader is tried again.
    pub(crate) fn keep_for_a_retry(&self, key: &K, lead: &Lead<K, V>, spare: Option<&Spare<V>>) {
        let Some(spare) = spare.filter(|spare| matches!(spare.kind, SpareKind::Over | SpareKind::Doubtful))
        else {
            return;
        };
        let Some(slot) = self.as_retry(&spare.slot, Instant::now(), self.policy.retry_after) else { return };
        if lead.is_current() {
            self.l1.insert(key, slot);
        }
    }

    fn as_retry(&self, slot: &Slot<V>, now: Instant, pause: Duration) -> Option<Slot<V>> {
        let side = slot.side.as_ref()?;
        let fresh_until = (now + pause).min(side.stale_until);
        (now < fresh_until)
            .then(|| Slot { side: Some(Arc::new(side.for_retry(fresh_until))), ..slot.clone() })
    }
}

/// Makes a token that no other load has.
pub(crate) fn token() -> String {
    format!("{:032x}", fastrand::u128(..))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
