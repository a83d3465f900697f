//! The load of a batch: one call of the loader for all that nobody else is loading, and one write.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::{Loader, Mine, single};
use crate::error::{Error, ErrorKind};
use crate::flight::{Landed, Lead};
use crate::found::{Found, Spare, SpareKind};
use crate::inner::{Inner, Named};
use crate::keep::{Kept, Made, Ready};
use crate::key::CacheKey;
use crate::lease::{Held, Take, Want, Write};
use crate::load::{Job, Lease, token};
use crate::load_ctx::Wishes;
use crate::metric;
use crate::outcome::Tier;
use crate::reading::Read;
use crate::store::Put;

/// Lands every key of the batch: from L2, by one load of all that nobody else is loading, or by waiting for who is.
pub(super) async fn run<K, V>(inner: Arc<Inner<K, V>>, mine: Vec<Mine<K, V>>, load: Loader<K, V>)
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
                match &mine.job.spare {
                    Some(spare) if spare.slot.stamp > slot.stamp && inner.stands(&spare.slot) => {
                        inner.settle(&spare.slot);
                    }
                    _ => mine.job.spare = Some(Spare { slot, tier: Tier::L2, kind: SpareKind::Over }),
                }
            }
            Read::Nothing(seen) => {
                mine.job.seen = seen;
                mine.job.spare.iter().for_each(|spare| inner.settle(&spare.slot));
                let held =
                    |spare: &Spare<V>| spare.kind == SpareKind::Over && inner.is_confirmed(&spare.slot);
                mine.job.spare = mine.job.spare.filter(held);
            }
            Read::Away => {}
        }
        if let Some(slot) = inner.held(&mine.job.key, mine.job.there) {
            mine.lead.land(Landed::Found(inner.found(&slot, Tier::L1)));
            continue;
        }
        if let Some(spare) = &mine.job.spare {
            mine.lead.flight().offer(spare.clone());
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
    // What L2 was not asked about, or could not answer, has no lease.
    let (left, away): (Vec<_>, Vec<_>) = left.into_iter().partition(|mine| mine.job.there);
    let (mut ours, theirs) = take(&inner, left).await;
    ours.extend(away.into_iter().map(|mine| (mine, None)));
    for Mine { job, lead } in theirs {
        // Another process is at it, or was: this is the ordinary way of a single key.
        let single = single(Arc::clone(&load), job.key.clone());
        inner.tracker.spawn(job.run(lead, single));
    }
    if !ours.is_empty() {
        load_all(&inner, ours, deadline, load).await;
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
        .filter_map(|mine| {
            let (key, l2) = (mine.job.named.key.as_ref()?, inner.l2.as_ref()?);
            let seen = l2.format.seen(&mine.job.seen);
            Some(Want { key: key.as_str(), token: &token, seen, by_force: false })
        })
        .collect();
    let has_work = !wants.is_empty() && wants.len() == left.len();
    let taken = match inner.shared.leases.as_ref().filter(|_| has_work) {
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
                let seen = mine.job.seen.clone();
                ours.push((mine, Some(Lease { key, token: token.clone(), stamp, seen })));
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
                lead.land(Landed::Failed(error.clone()));
            }
            return inner.give_back(leases).await;
        }
    };
    let took = began.elapsed();
    let mut landing = Vec::with_capacity(ours.len());
    let mut unwritten = Vec::new();
    for (Mine { job, lead }, lease) in ours {
        let value = match values.remove(&job.key).transpose() {
            Ok(value) => value.map(Arc::new),
            Err(cause) => {
                let error = job.failed(ErrorKind::Load).with_shared_source(cause);
                tracing::debug!(cache = inner.name, %error, "load failed");
                inner.keep_for_a_retry(&job.key, &lead, job.spare.as_ref());
                lead.land(Landed::Failed(error));
                unwritten.extend(lease);
                continue;
            }
        };
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
    let written = write(inner, &mut landing, &mut unwritten).await;
    for ((job, lead, _, found, Ready { stored, .. }), kept) in landing.into_iter().zip(written) {
        if kept == Kept::Overtaken {
            inner.overtaken(&job.key, job.named.digest);
            lead.land(Landed::Found(found));
        } else {
            let slot = job.slot(&stored, since, kept);
            lead.land_filling(Landed::Found(found), |strayed| inner.insert(&job.key, slot, strayed));
        }
    }
    inner.give_back(unwritten).await;
}

type Landing<K, V> = (Job<K, V>, Lead<K, V>, Option<Lease>, Found<V>, Ready<V>);

/// Writes with one request all entries that may be written; returns where each may be kept.
async fn write<K, V>(
    inner: &Arc<Inner<K, V>>,
    landing: &mut [Landing<K, V>],
    unwritten: &mut Vec<Lease>,
) -> Vec<Kept>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let mut kept = vec![Kept::HereOnly; landing.len()];
    let Some(l2) = &inner.l2 else { return vec![Kept::Everywhere; landing.len()] };
    let within = inner.policy.l2_timeout;
    let leases = inner.shared.leases.as_ref();
    let mut sealed = Vec::with_capacity(landing.len());
    for ((job, lead, lease, _, ready), kept) in landing.iter().zip(&mut kept) {
        let Some(key) = job.named.key.as_ref().filter(|_| job.there) else { continue };
        if leases.is_none() && !lead.is_current() {
            *kept = Kept::Overtaken;
            continue;
        }
        if leases.is_some() && lease.is_none() {
            continue;
        }
        if !l2.holds(&ready.encoded) {
            *kept = Kept::Everywhere;
            unwritten.extend(lease.clone());
            continue;
        }
        let (value, ttl) = l2.seal(key, ready.encoded.clone(), ready.stored.stamp, ready.times);
        sealed.push((key.as_str(), lease.as_ref(), value, ttl, lead, kept));
    }
    if sealed.is_empty() {
        drop(sealed);
        return kept;
    }
    let request = async {
        if let Some(leases) = leases {
            let writes = sealed.iter().map(|(key, lease, value, ttl, ..)| {
                let token = lease.map_or("", |lease| lease.token.as_str());
                let seen = lease.and_then(|lease| l2.format.replaceable(&lease.seen));
                Write { held: Held { key, token }, value: value.clone(), ttl: *ttl, seen, announce: false }
            });
            return leases.commit(&writes.collect::<Vec<_>>()).await;
        }
        let puts = sealed.iter().map(|(key, _, value, ttl, ..)| Put { key, value: value.clone(), ttl: *ttl });
        l2.store.as_ref().put(&puts.collect::<Vec<_>>()).await?;
        Ok(vec![true; sealed.len()])
    };
    match inner.closed.run_until_cancelled(inner.shared.write(within, request)).await {
        Some(Ok(written)) => {
            let mut voided = Vec::new();
            for ((key, _, _, _, lead, kept), written) in sealed.into_iter().zip(written) {
                *kept = Kept::in_l2(written);
                // On a bare store: invalidated while it was written, so what stands there now may be too old.
                if leases.is_none() && !lead.is_current() {
                    *kept = Kept::Overtaken;
                    voided.push(key);
                }
            }
            if !voided.is_empty()
                && let Err(away) = inner.shared.write(within, l2.store.as_ref().remove(&voided)).await
            {
                inner.note(&away);
            }
        }
        Some(Err(away)) => {
            inner.note(&away);
            drop(sealed);
        }
        None => drop(sealed),
    }
    kept
}
