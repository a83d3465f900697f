//! What happens until L2 is back: one task asks, and tells it what it missed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use crate::backplane::Invalidation;
use crate::error::Error;
use crate::lease::{Held, Take, Want, Write};
use crate::listening;
use crate::pending::Change;
use crate::shared::Shared;
use crate::store::Put;

/// The first question; the next come once a second or less.
const SOON: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_secs(1);
/// How long one question, or the telling of one batch, may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many changes one batch tells.
const BATCH: usize = 500;
const LEASE: Duration = Duration::from_secs(2);

/// Starts the task, unless it runs.
pub(crate) fn start(shared: &Arc<Shared>) {
    if shared.closed.is_cancelled() || !shared.may_recover() {
        return;
    }
    let recovering = Arc::clone(shared);
    shared.tracker.spawn(async move {
        let closed = recovering.closed.clone();
        closed.run_until_cancelled(recover(&recovering)).await;
        recovering.recovering.store(false, Ordering::Release);
        // Something may have failed between the last look and the line above.
        if !recovering.pending.is_empty() || !recovering.reads.admits() || !recovering.writes.admits() {
            start(&recovering);
        }
    });
}

async fn recover(shared: &Arc<Shared>) {
    let mut pause = SOON;
    loop {
        sleep(pause.mul_f64(0.75 + 0.25 * fastrand::f64())).await;
        pause = PAUSE;
        if !shared.reads.admits() {
            if !answers(shared).await {
                continue;
            }
            tracing::info!("L2 answers again");
            shared.reads.close();
        }
        if !takes(shared).await || !replay(shared).await {
            continue;
        }
        if shared.pending.close_if_empty(|| shared.writes.close()) {
            return;
        }
    }
}

async fn answers(shared: &Shared) -> bool {
    let (Some(store), Ok(probe)) = (&shared.store, shared.keyspace.cache_probe()) else {
        return true;
    };
    timeout(PATIENCE, store.get(&[probe.as_str()])).await.is_ok_and(|answer| answer.is_ok())
}

async fn takes(shared: &Shared) -> bool {
    let (Some(store), Ok(probe)) = (&shared.store, shared.keyspace.cache_probe()) else {
        return true;
    };
    let put = [Put { key: probe.as_str(), value: Bytes::from_static(b"1"), ttl: PATIENCE }];
    timeout(PATIENCE, store.put(&put)).await.is_ok_and(|answer| answer.is_ok())
}

/// Tells L2 what it missed; returns whether it took all of it.
async fn replay(shared: &Shared) -> bool {
    loop {
        let oldest = shared.pending.oldest(BATCH);
        if oldest.is_empty() {
            return true;
        }
        // Only what is alike and follows upon another goes together: the order of changes is theirs.
        let kind = oldest.first().map(|(_, _, change)| std::mem::discriminant(change));
        let batch: Vec<_> = oldest
            .into_iter()
            .take_while(|(_, _, change)| Some(std::mem::discriminant(change)) == kind)
            .collect();
        let told = async {
            match batch.first() {
                Some((_, _, Change::Invalidate { .. })) => {
                    let keys: Vec<&str> = batch.iter().map(|(_, key, _)| &**key).collect();
                    invalidate(shared, &keys).await
                }
                Some((_, _, Change::Set { .. })) => set(shared, &batch).await,
                _ => marks(shared, &batch).await,
            }
        };
        match timeout(PATIENCE, told).await {
            Ok(Ok(())) => batch.iter().for_each(|(number, key, _)| shared.pending.done(*number, key)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "L2 does not take what it missed");
                return false;
            }
            Err(_) => return false,
        }
    }
}

pub(crate) async fn invalidate(shared: &Shared, keys: &[&str]) -> Result<(), Error> {
    match (&shared.backplane, &shared.store) {
        (Some(backplane), _) => backplane.invalidate(Invalidation::Keys(keys)).await.map(drop),
        (None, Some(store)) => store.remove(keys).await.map(drop),
        (None, None) => Ok(()),
    }
}

async fn marks(shared: &Shared, batch: &[(u64, Arc<str>, Change)]) -> Result<(), Error> {
    let Some(backplane) = &shared.backplane else {
        return Ok(());
    };
    for (_, mark, _) in batch {
        let stamp = backplane.invalidate(Invalidation::Mark(mark)).await?;
        listening::set_mark(shared, mark, Some(stamp));
    }
    Ok(())
}

async fn set(shared: &Shared, batch: &[(u64, Arc<str>, Change)]) -> Result<(), Error> {
    let sets = batch.iter().filter_map(|(_, key, change)| match change {
        Change::Set { value, ttl, .. } => Some((&**key, value, *ttl)),
        _ => None,
    });
    let Some(leases) = &shared.leases else {
        let stamp = shared.now_us();
        let puts: Vec<Put<'_>> =
            sets.map(|(key, value, ttl)| Put { key, value: value(stamp), ttl }).collect();
        return match &shared.store {
            Some(store) => store.put(&puts).await,
            None => Ok(()),
        };
    };
    let sets: Vec<_> = sets.collect();
    let token = crate::load::token();
    let wants: Vec<Want<'_>> =
        sets.iter().map(|(key, ..)| Want { key, token: &token, seen: &[], by_force: true }).collect();
    let taken = leases.take(&wants, LEASE).await?;
    let writes: Vec<Write<'_>> = sets
        .iter()
        .zip(taken)
        .filter_map(|((key, value, ttl), take)| match take {
            Take::Taken { stamp } => {
                let held = Held { key, token: &token };
                Some(Write { held, value: value(stamp), ttl: *ttl, announce: true })
            }
            _ => None,
        })
        .collect();
    // One that was overtaken has a later writer.
    leases.commit(&writes).await.map(drop)
}
