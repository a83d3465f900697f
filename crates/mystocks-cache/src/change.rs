//! Changes that come from the caller: invalidations and values set.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::backplane::Invalidation;
use crate::error::{Error, ErrorKind};
use crate::inner::Inner;
use crate::key::CacheKey;
use crate::l2::{Format, Stored, Times};
use crate::lease::{Held, Seen, Take, Want, Write};
use crate::listening;
use crate::load::token;
use crate::load_ctx::Wishes;
use crate::pending::{Change, Issued, Sealing};
use crate::replay;
use crate::shared::{Away, Shared};
use crate::store::Cursor;

/// Where a change has got to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Done {
    /// It stands in L2, and the other processes were told.
    Applied,
    /// It stands in this process; L2 and the others will be told as soon as L2 is back.
    Queued,
}

/// How long a change of the caller's may take before it is queued: it is worth more patience than a read.
const WITHIN: Duration = Duration::from_secs(1);
/// The lease under which a value is set outlasts that: one that is lost was taken away by a later change.
const LEASE: Duration = Duration::from_secs(2);

impl<K, V> Inner<K, V>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(crate) async fn invalidate(&self, key: &K) -> Result<Done, Error> {
        let named = self.named(key)?;
        self.forget(key, named.digest);
        let Some(spelled) = &named.key else { return Ok(Done::Applied) };
        let name = spelled.as_str();
        let issued = self.issued();
        let told = async {
            // Behind a change that waits: told before it, it would be undone by it.
            if self.shared.pending.concerns(name) {
                return Err(Away::Known);
            }
            self.shared.write(WITHIN, replay::invalidate(&self.shared, &[name])).await
        };
        let done = match told.await {
            Ok(()) => Done::Applied,
            Err(away) => {
                self.note(&away);
                let grave = self.l2.as_ref().and_then(|l2| l2.grave(spelled));
                let instead = Some(Arc::from(self.mark.as_str()));
                self.shared.postpone(name, Change::Invalidate { issued, grave, instead });
                Done::Queued
            }
        };
        // What read L2 between the two steps may hold the entry that was just removed.
        self.forget(key, named.digest);
        Ok(done)
    }

    pub(crate) async fn set(&self, key: &K, value: V) -> Result<Done, Error> {
        let named = self.named(key)?;
        let wishes = Wishes::default();
        let value = Arc::new(value);
        let encoded = self.encode(&named, Some(&value), &wishes)?;
        let ttl = self.policy.draw_ttl(false, None);
        let stale = self.policy.stale_if_error;
        let times = Times { ttl, stale, took: Duration::ZERO };
        let length = encoded.len() + named.key.as_ref().map_or(0, |key| key.as_str().len());
        self.forget(key, named.digest);
        let since = self.shared.order.now();
        let issued = self.issued();
        let (stamp, done) = match (&self.l2, &named.key) {
            (Some(l2), Some(spelled)) => {
                let name = spelled.as_str();
                let (l2, spelled) = (l2.clone(), spelled.clone());
                let seal: Sealing = Arc::new(move |stamp| {
                    // It may have waited for L2, and lives no longer for that.
                    let left = Times { ttl: ttl.saturating_sub(issued.at.elapsed()), ..times };
                    l2.seal(&spelled, encoded.clone(), stamp, left).0
                });
                let kept = ttl.saturating_add(stale);
                let written = async {
                    if self.shared.pending.concerns(name) {
                        return Err(Away::Known);
                    }
                    let written = write(&self.shared, name, &seal, kept);
                    self.shared.write(WITHIN, written).await
                };
                match written.await {
                    Ok(Some(stamp)) => (stamp, Done::Applied),
                    // Somebody else's later change came between: that one counts.
                    Ok(None) => {
                        // What read L2 meanwhile may hold the value from before both.
                        self.forget(key, named.digest);
                        return Ok(Done::Applied);
                    }
                    Err(away) => {
                        self.note(&away);
                        let instead = Some(Arc::from(self.mark.as_str()));
                        self.shared.postpone(
                            name,
                            Change::Set { issued, size: length, value: seal, ttl: kept, instead },
                        );
                        (issued.us, Done::Queued)
                    }
                }
            }
            _ => (self.shared.now_us(), Done::Applied),
        };
        let stored = Stored {
            value: Some(value),
            stamp,
            as_of: issued.at,
            read_us: issued.us,
            fresh_for: ttl,
            stale_for: ttl.saturating_add(stale),
            took: Duration::ZERO,
            notes: wishes.notes,
            encoded: length,
        };
        let slot = self.slot(&stored, since, named.digest, done == Done::Applied);
        self.flights.set(named.digest, || match done {
            Done::Applied => self.insert(key, slot, true),
            // Its stamp is not the store's, and says nothing beside one that is.
            Done::Queued => self.l1.insert(key, slot),
        });
        Ok(done)
    }

    pub(crate) async fn clear(&self) -> Result<Done, Error> {
        if self.l2.as_ref().is_some_and(|l2| l2.format == Format::Shared) {
            return Err(Error::new(ErrorKind::InvalidArgument, "clear", self.name.as_str())
                .with_detail("shared entries carry no stamp; use invalidate_pattern(\"*\")"));
        }
        if self.l2.is_some() && self.shared.backplane.is_none() {
            return Err(Error::new(ErrorKind::InvalidArgument, "clear", self.name.as_str())
                .with_detail("a cache on a bare store has no mark to set; build it from a hub"));
        }
        let done = set_mark(&self.shared, &self.mark).await;
        self.l1.clear();
        Ok(done)
    }

    pub(crate) async fn invalidate_pattern(&self, glob: &str) -> Result<u64, Error> {
        let Some(l2) = &self.l2 else {
            self.drop_everything();
            return Ok(0);
        };
        let pattern = match l2.format {
            Format::Own => l2.keyspace.own_pattern(&self.name, glob),
            Format::Shared => l2.keyspace.pattern(glob),
        };
        let pattern = pattern.map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "invalidate pattern", glob).with_source(error)
        })?;
        self.drop_everything();
        // Leases first: a load that ends meanwhile writes nothing, or what it wrote is found by the second walk.
        let store = l2.store.as_ref();
        let mut removed = 0;
        for (walk, counts) in [(pattern.leases(), false), (pattern, true)] {
            let mut cursor = Some(Cursor::START);
            while let Some(at) = cursor {
                let page = in_time(glob, store.scan(walk.as_str(), at)).await?;
                let keys: Vec<&str> = page.keys.iter().map(String::as_str).collect();
                let keys: Vec<&str> = match counts {
                    true => keys.into_iter().filter(|key| !l2.keyspace.is_foreign(key)).collect(),
                    false => keys,
                };
                if !keys.is_empty() {
                    let count = in_time(glob, store.remove(&keys)).await?;
                    removed += if counts { count } else { 0 };
                }
                cursor = page.next;
            }
        }
        if let Some(backplane) = &self.shared.backplane {
            in_time(glob, backplane.invalidate(Invalidation::Recheck(&self.name))).await?;
        }
        self.drop_everything();
        Ok(removed)
    }

    fn issued(&self) -> Issued {
        Issued::now(self.shared.now_us() / 1000)
    }

    /// Ends all that this process knows of the cache; L2 is not touched.
    pub(crate) fn drop_everything(&self) {
        let step = self.shared.order.step();
        self.cleared.fetch_max(step, std::sync::atomic::Ordering::AcqRel);
        self.flights.void_all();
        self.l1.clear();
    }
}

/// Gives one request of a walk up when it is not answered.
async fn in_time<T>(glob: &str, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(WITHIN, request).await.unwrap_or_else(|_| {
        let error = Error::new(ErrorKind::Unavailable, "invalidate pattern", glob);
        Err(error.with_detail(format!("no answer within {WITHIN:?}")))
    })
}

/// Takes the lease whoever has it, writes the entry, and returns its stamp, or `None` if somebody else came between.
async fn write(shared: &Shared, key: &str, seal: &Sealing, ttl: Duration) -> Result<Option<u64>, Error> {
    let Some(leases) = &shared.leases else {
        let stamp = shared.now_us();
        if let Some(store) = &shared.store {
            store.put(&[crate::store::Put { key, value: seal(stamp), ttl }]).await?;
        }
        return Ok(Some(stamp));
    };
    let token = token();
    let want = [Want { key, token: &token, seen: Seen::NOTHING, by_force: true }];
    let Some(Take::Taken { stamp }) = leases.take(&want, LEASE).await?.pop() else {
        return Ok(None);
    };
    let held = Held { key, token: &token };
    let write = [Write { held, value: seal(stamp), ttl, seen: None, announce: true }];
    let written = leases.commit(&write).await?.first().copied().unwrap_or(false);
    Ok(written.then_some(stamp))
}

/// A mark that L2 is being told of; dropped before the end, recovery tells it.
struct Telling<'a> {
    shared: &'a Arc<Shared>,
    mark: &'a str,
    is_over: bool,
}

impl Telling<'_> {
    fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.postpone(self.mark, Change::Mark);
        }
    }
}

/// Sets a mark in this process, in the store and in the others.
pub(crate) async fn set_mark(shared: &Arc<Shared>, mark: &str) -> Done {
    listening::set_mark(shared, mark, None);
    let Some(backplane) = &shared.backplane else {
        // There is no store whose entries the mark could outdate.
        listening::set_mark(shared, mark, Some(0));
        return Done::Applied;
    };
    // A caller that goes away in between leaves a mark that outdates all of L2 here, until somebody tells L2 of it.
    let told = Telling { shared, mark, is_over: false };
    let answer = shared.write(WITHIN, backplane.invalidate(Invalidation::Mark(mark))).await;
    told.end();
    match answer {
        Ok(stamp) => {
            listening::set_mark(shared, mark, Some(stamp));
            Done::Applied
        }
        Err(away) => {
            if let Away::Failed(error) = &away {
                tracing::debug!(%error, mark, "a mark waits for L2");
            }
            shared.postpone(mark, Change::Mark);
            Done::Queued
        }
    }
}
