//! What happens until L2 is back: one task asks, and tells it what it missed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use tokio::time::{Instant, sleep_until, timeout};

use crate::replay::replay;
use crate::shared::Shared;
use crate::store::Put;

/// The first question; the next come once a second or less.
const SOON: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_secs(1);
/// Who was back only so long ago is not asked soon: it may well go again.
const SETTLED: Duration = Duration::from_secs(10);
/// How long one question, or the telling of one batch, may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Starts the task, unless it runs.
pub(crate) fn start(shared: &Arc<Shared>) {
    if shared.closed.is_cancelled() || !shared.may_recover() {
        return;
    }
    let recovering = Arc::clone(shared);
    shared.tracker.spawn(async move {
        let closed = recovering.closed.clone();
        closed.run_until_cancelled(recover(&recovering)).await;
        *recovering.recovered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        recovering.recovering.store(false, Ordering::Release);
        // Something may have failed between the last look and the line above.
        if !recovering.pending.is_empty() || !recovering.reads.admits() || !recovering.writes.admits() {
            start(&recovering);
        }
    });
}

async fn recover(shared: &Arc<Shared>) {
    let last = *shared.recovered.lock().unwrap_or_else(PoisonError::into_inner);
    let mut pause = if last.is_some_and(|last| last.elapsed() < SETTLED) { PAUSE } else { SOON };
    let mut asked = Instant::now();
    // That it came back before says nothing of now.
    let _ = shared.link.is_back.notified().now_or_never();
    // Of the pause, from question to question.
    let mut growth = u32::MAX;
    loop {
        tokio::select! {
            // From question to question, however long the answer was waited for.
            () = sleep_until(asked + pause.mul_f64(1.0 + 0.25 * fastrand::f64())) => {
                pause = pause.saturating_mul(growth).min(PAUSE);
            }
            // The link to the others goes through L2: where it stands, L2 will answer too, at the latest in a moment.
            () = shared.link.is_back.notified() => (pause, growth) = (SOON, 2),
        }
        asked = Instant::now();
        if !shared.reads.admits() {
            match answers(shared).await {
                Some(took) if took <= shared.reads.patience() => {
                    tracing::info!("L2 answers again");
                    shared.reads.close();
                }
                // It lives, but readers would not wait for it; what it missed it can be told all the same.
                Some(_) if !shared.pending.is_empty() => {}
                _ => continue,
            }
        }
        let Some(took) = takes(shared).await else { continue };
        if !replay(shared).await {
            continue;
        }
        let in_time = shared.writes.admits() || took <= shared.writes.patience();
        if in_time && shared.pending.close_if_empty(|| shared.writes.close()) && shared.reads.admits() {
            return;
        }
    }
}

/// Asks for something and returns how long the answer took.
async fn answers(shared: &Shared) -> Option<Duration> {
    let (Some(store), Ok(probe)) = (&shared.store, shared.keyspace.cache_probe()) else {
        return Some(Duration::ZERO);
    };
    let began = Instant::now();
    let answer = timeout(PATIENCE, store.get(&[probe.as_str()])).await;
    answer.is_ok_and(|answer| answer.is_ok()).then(|| began.elapsed())
}

/// Writes something and returns how long that took.
async fn takes(shared: &Shared) -> Option<Duration> {
    let (Some(store), Ok(probe)) = (&shared.store, shared.keyspace.cache_probe()) else {
        return Some(Duration::ZERO);
    };
    let put = [Put { key: probe.as_str(), value: Bytes::from_static(b"1"), ttl: PATIENCE }];
    let began = Instant::now();
    let answer = timeout(PATIENCE, store.put(&put)).await;
    answer.is_ok_and(|answer| answer.is_ok()).then(|| began.elapsed())
}
