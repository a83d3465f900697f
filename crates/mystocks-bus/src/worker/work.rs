//! Handlers, and what becomes of the events they were given.

use std::error::Error as StdError;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::BACKOFF;
use super::desk::{Handled, is_suspect};
use super::tray::{PATIENCE, Tray};
use crate::durable::Delivered;
use crate::event::Event;
use crate::give_up::GiveUp;
use crate::listener::panic_text;
use crate::log::{Entry, Id, Log, Settle, Settled, Verdict};
use crate::metric;
use crate::payload::{self, Decoded};
use crate::trace::Place;

/// So many settlements at most in one request.
const BATCH: usize = 256;
/// How often an acknowledgement is tried that cannot be sent, before the lease decides.
const TRIES: u32 = 20;

/// How the handling of an event ended.
struct Ended {
    /// The incarnation that had it.
    name: Arc<str>,
    id: Id,
    outcome: Outcome,
    /// Nothing ran beside it.
    is_alone: bool,
}

enum Outcome {
    Done,
    Skipped,
    Again(Duration),
    Dead(String),
}

/// Begins handlers and settles what they did, until `stop` and the end of the last one.
pub(super) async fn work<E, F, R, X>(
    log: &dyn Log,
    desk: &impl Tray,
    stop: &CancellationToken,
    handler: impl Fn(Delivered<E>) -> F + Send + Sync + 'static,
) where
    E: Event,
    F: Future<Output = Result<R, X>> + Send + 'static,
    R: Send + 'static,
    X: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
{
    let handler = Arc::new(handler);
    let mut running: JoinSet<Ended> = JoinSet::new();
    // What has ended is settled together, while others run.
    let (mut ended, mut settling) = (Vec::new(), None::<BoxFuture<'_, ()>>);
    let mut is_alone = false;
    loop {
        if std::mem::take(&mut is_alone) {
            // Nothing else begins before it is known that this one killed nobody.
            if let Some(settling) = settling.take() {
                settling.await;
            }
            settle(log, desk, E::TYPE, std::mem::take(&mut ended)).await;
        }
        while !stop.is_cancelled()
            && let Some((name, entry)) = desk.begin()
        {
            let (handler, handling) = (Arc::clone(&handler), *desk.handling());
            let is_ours = entry.only.as_deref().is_none_or(|only| only == desk.group());
            running.spawn(async move {
                let (id, deliveries, is_alone) = (entry.id, entry.deliveries, is_suspect(&entry));
                let handled = if is_ours { handle(&*handler, entry).await } else { Ok(Outcome::Skipped) };
                let outcome = match handled {
                    Err(reason) if deliveries < handling.deliveries => {
                        tracing::debug!(%id, deliveries, reason, "an event is to come again");
                        Outcome::Again(pause(&handling, deliveries))
                    }
                    Err(reason) => Outcome::Dead(reason),
                    Ok(outcome) => outcome,
                };
                Ended { name, id, outcome, is_alone }
            });
        }
        if settling.is_none() && !ended.is_empty() {
            let now = ended.drain(..ended.len().min(BATCH)).collect();
            settling = Some(settle(log, desk, E::TYPE, now).boxed());
        }
        if stop.is_cancelled() && running.is_empty() && settling.is_none() {
            return;
        }
        tokio::select! {
            Some(next) = running.join_next() => {
                let mut next = Some(next);
                while let Some(one) = next {
                    let was_alone = one.as_ref().map_or(true, |one| one.is_alone);
                    desk.end(was_alone);
                    is_alone |= was_alone;
                    ended.extend(one.ok());
                    next = running.try_join_next();
                }
            }
            () = async { if let Some(settling) = &mut settling { settling.await } }, if settling.is_some() => {
                settling = None;
            }
            () = desk.changed().notified() => {}
            // Something may have waited long enough for others to end.
            () = sleep(PATIENCE), if !running.is_empty() => {}
            () = stop.cancelled(), if !stop.is_cancelled() => {}
        }
    }
}

/// Calls the handler; an error or a panic is the reason.
async fn handle<E, F, R, X>(
    handler: &(impl Fn(Delivered<E>) -> F + Sync),
    entry: Entry,
) -> Result<Outcome, String>
where
    E: Event,
    F: Future<Output = Result<R, X>> + Send,
    X: Into<Box<dyn StdError + Send + Sync>>,
{
    let (event, envelope) = match payload::decode_in::<E>(&entry.payload) {
        Ok(Decoded::Event(event, Some(envelope))) => (event, envelope),
        Ok(Decoded::Event(_, None) | Decoded::Other) => return Ok(Outcome::Skipped),
        Err(error) => return Ok(Outcome::Dead(format!("it cannot be read: {error}"))),
    };
    let place = Place::of(E::TYPE, Some(&envelope));
    let delivered = Delivered { event, envelope, id: entry.id, deliveries: entry.deliveries };
    // Its error's text is its own, too, and the end of what it answers.
    let handling = AssertUnwindSafe(place.run(async {
        handler(delivered).await.map(drop).map_err(|error| {
            let error: Box<dyn StdError + Send + Sync> = error.into();
            (error.is::<GiveUp>(), error.to_string())
        })
    }));
    match handling.catch_unwind().await {
        Ok(Ok(())) => Ok(Outcome::Done),
        Ok(Err((true, reason))) => Ok(Outcome::Dead(reason)),
        Ok(Err((false, reason))) => Err(reason),
        Err(panic) => Err(format!("its handler panicked: {}", panic_text(panic.as_ref()))),
    }
}

/// Settles what has ended, incarnation by incarnation.
async fn settle(log: &dyn Log, desk: &impl Tray, kind: &'static str, mut ended: Vec<Ended>) {
    while let Some(name) = ended.first().map(|first| Arc::clone(&first.name)) {
        let (now, later): (Vec<_>, Vec<_>) = ended.into_iter().partition(|one| one.name == name);
        ended = later;
        settle_of(log, desk, kind, &name, &now).await;
    }
}

async fn settle_of(log: &dyn Log, desk: &impl Tray, kind: &'static str, name: &Arc<str>, ended: &[Ended]) {
    let settlements: Vec<Settle<'_>> = ended
        .iter()
        .map(|one| {
            let verdict = match &one.outcome {
                Outcome::Done | Outcome::Skipped => Verdict::Done,
                Outcome::Again(after) => Verdict::Again(*after),
                Outcome::Dead(reason) => Verdict::Dead(reason),
            };
            Settle { id: one.id, verdict }
        })
        .collect();
    let mut tries = 0;
    let settled = loop {
        match log.settle(&desk.consumer(name), &settlements).await {
            Ok(settled) => break settled,
            Err(error) if tries < TRIES && error.is_retryable() => {
                tries += 1;
                sleep(BACKOFF).await;
            }
            Err(error) => {
                tracing::warn!(%error, count = ended.len(), "what was handled cannot be acknowledged");
                break Settled::Lost;
            }
        }
    };
    if settled == Settled::Lost {
        // What the server still holds for it is given back: nobody here knows of it any more.
        desk.lost_an_answer(name);
    }
    desk.settled(name, &settlements, |handled| {
        for one in ended {
            let (count, outcome) = counter(handled, settled, &one.outcome);
            *count += 1;
            metric::settled(kind, outcome);
        }
    });
}

fn counter<'a>(handled: &'a mut Handled, settled: Settled, outcome: &Outcome) -> (&'a mut u64, &'static str) {
    match (settled, outcome) {
        (Settled::Lost, _) => (&mut handled.lost, "lost"),
        (Settled::Settled, Outcome::Done) => (&mut handled.done, "done"),
        (Settled::Settled, Outcome::Skipped) => (&mut handled.skipped, "skipped"),
        (Settled::Settled, Outcome::Again(_)) => (&mut handled.again, "again"),
        (Settled::Settled, Outcome::Dead(_)) => (&mut handled.dead, "dead"),
    }
}

/// Returns after how long an event comes again that was delivered so often.
fn pause(handling: &super::Handling, deliveries: u64) -> Duration {
    let doubled = 2_u32.saturating_pow(u32::try_from(deliveries.saturating_sub(1)).unwrap_or(u32::MAX));
    let longest = handling.again_after.saturating_mul(doubled).min(handling.again_at_most);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}
