//! Workers that handle the events of each key in their order.
//!
//! docs/decisions/0016 says how it works and why.

mod desk;
mod hands;
mod lane;
mod order;

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::desk::SUSPECT;
use super::tray::Tray;
use super::{BACKOFF, WAIT, work};
use crate::durable::Delivered;
use crate::error::Error;
use crate::event::Event;
use crate::log::{Consumer, Id, Log, Part, Shelf, Start, Tend, Tended};
use crate::metric;
use desk::{LaneDesk as Desk, Step};

pub(super) use desk::LaneDesk;

/// How often is looked for free lanes, at the longest.
const LOOK: Duration = Duration::from_millis(250);
/// So many lanes that are not free end a search for free ones.
const MISSES: usize = 8;
/// Lanes that are watched anew within this time are watched with one request.
const CALM: Duration = Duration::from_millis(2);
/// So much of what waits is learned at once.
const PART: usize = 1_000;

fn part(id: Option<Id>, count: usize, wait: Duration) -> Part {
    Part::After { id, count, wait }
}

/// One of those who share the lanes of a group.
pub(super) struct Member {
    name: Arc<str>,
    has_joined: bool,
}

impl Member {
    pub(super) fn new() -> Self {
        Self { name: Uuid::new_v4().simple().to_string().into(), has_joined: false }
    }

    /// Keeps itself known to the others, and learns how many they are.
    pub(super) async fn tend(&mut self, log: &dyn Log, desk: &Desk) -> Result<(), Error> {
        let join = (!self.has_joined).then_some(desk.handling.start);
        let tended = self.ask(log, desk, Tend { join, ..desk.tend() }).await?;
        self.has_joined = tended.is_alive;
        if tended.is_alive {
            let members = log.state(&desk.topic, &desk.group).await?.consumers.max(1);
            let members = usize::try_from(members).unwrap_or(usize::MAX);
            desk.may_have(desk.topics.len().div_ceil(members));
        } else {
            // It stood still for so long that the others have its lanes.
            *self = Self::new();
        }
        Ok(())
    }

    async fn ask(&self, log: &dyn Log, desk: &Desk, tend: Tend<'_>) -> Result<Tended, Error> {
        let lease = desk.handling.lease;
        let member =
            Consumer { topic: &desk.topic, group: &desk.group, name: &self.name, lease, is_sole: false };
        log.tend(&member, &tend).await
    }
}

impl Desk {
    fn tend(&self) -> Tend<'_> {
        let deliveries = self.handling.deliveries;
        Tend {
            join: None,
            room: 0,
            only: Some(&[]),
            deliveries,
            alone: SUSPECT,
            takes_alone: true,
            keeps: None,
            leave: false,
        }
    }
}

/// Makes the group on every lane, whoever owns it: what is appended from now on is the group's.
pub(super) async fn begin(log: &dyn Log, desk: &Desk) -> Result<(), Error> {
    let tend = Tend { join: Some(desk.handling.start), leave: true, ..desk.tend() };
    let made = (0..desk.topics.len()).map(|lane| async move {
        let name = Uuid::new_v4().simple().to_string();
        log.tend(&desk.owner(lane, &name), &tend).await
    });
    try_join_all(made).await.map(drop)
}

/// Handles events until `stop`, and gives back the lanes.
pub(super) async fn run<E, F, R, X>(
    log: Arc<dyn Log>,
    desk: Arc<Desk>,
    mut member: Member,
    stop: CancellationToken,
    handler: impl Fn(Delivered<E>) -> F + Send + Sync + 'static,
) where
    E: Event,
    F: Future<Output = Result<R, X>> + Send + 'static,
    R: Send + 'static,
    X: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
{
    let (log, desk) = (&*log, &*desk);
    let heart = CancellationToken::new();
    let sharing = heart.run_until_cancelled(share(log, desk, &mut member));
    let watching = stop.run_until_cancelled(watch(log, desk));
    let stopping = async {
        stop.cancelled().await;
        desk.stop();
    };
    let working = async {
        let keeping = join_all((0..desk.topics.len()).map(|lane| keep(log, desk, E::TYPE, lane)));
        tokio::join!(keeping, work::work(log, desk, &stop, handler));
        heart.cancel();
    };
    tokio::join!(sharing, watching, stopping, working);
    // What is not given back now is when the lease has ended.
    if let Err(error) = member.ask(log, desk, Tend { leave: true, ..desk.tend() }).await {
        tracing::debug!(%error, "a worker could not say that it has ended");
    }
}

/// Takes the lanes that are this worker's share.
async fn share(log: &dyn Log, desk: &Desk, member: &mut Member) {
    loop {
        take(log, desk).await;
        let pause = LOOK.min(desk.handling.lease / 6);
        _ = timeout(pause, desk.free.notified()).await;
        if let Err(error) = member.tend(log, desk).await {
            tracing::debug!(%error, "a worker cannot tell the others of itself");
            sleep(BACKOFF.min(desk.handling.lease / 10)).await;
        }
    }
}

async fn take(log: &dyn Log, desk: &Desk) {
    let (lanes, mut room) = desk.takeable();
    let mut misses = 0;
    for lane in lanes {
        if room == 0 || misses == MISSES {
            return;
        }
        let Some(name) = desk.joins(lane) else { continue };
        let asked = Instant::now();
        // The group was there: if it is not any more, so is nothing that stood there before.
        let start = if desk.handling.start == Start::Now { Start::First } else { desk.handling.start };
        let tend = Tend { join: Some(start), ..desk.tend() };
        match log.tend(&desk.owner(lane, &name), &tend).await {
            Ok(tended) => {
                desk.has_joined(lane, asked, Some(&tended));
                match tended.is_alive {
                    true => room -= 1,
                    false => misses += 1,
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a lane cannot be asked for");
                return desk.has_joined(lane, asked, None);
            }
        }
    }
}

/// Does for one lane what is next, request after request, until it is free at the end.
async fn keep(log: &dyn Log, desk: &Desk, kind: &'static str, lane: usize) {
    loop {
        let asked = Instant::now();
        let done = match desk.step(lane) {
            Step::End => return,
            Step::Rest(until) => {
                let Some(woken) = desk.woken.get(lane) else { return };
                match until {
                    Some(until) => _ = timeout_at(until, woken.notified()).await,
                    None => woken.notified().await,
                }
                Ok(())
            }
            Step::Learn(name, after) => {
                let owner = desk.owner(lane, &name);
                let shelf = Shelf::Waiting { topic: owner.topic, group: owner.group };
                log.range(shelf, part(after, PART, Duration::ZERO))
                    .await
                    .map(|part| desk.learned(lane, &name, &part))
            }
            Step::Read(name, room) => match log.read(&desk.owner(lane, &name), room, Duration::ZERO).await {
                Ok(entries) => {
                    desk.put(lane, &name, room, entries);
                    Ok(())
                }
                Err(error) => {
                    desk.lost_an_answer(&name);
                    Err(error)
                }
            },
            Step::Beat(name, wanted) => {
                let tend = Tend { room: wanted.len(), only: Some(&wanted), ..desk.tend() };
                match log.tend(&desk.owner(lane, &name), &tend).await {
                    Ok(tended) => {
                        if tended.trimmed > 0 {
                            tracing::warn!(
                                count = tended.trimmed,
                                "events were deleted before they were handled"
                            );
                            metric::trimmed(kind, tended.trimmed);
                        }
                        desk.take_in(lane, &name, asked, &wanted, tended);
                        Ok(())
                    }
                    Err(error) => {
                        if !wanted.is_empty() {
                            desk.lost_an_answer(&name);
                        }
                        Err(error)
                    }
                }
            }
            Step::Leave(name) => {
                let left = log.tend(&desk.owner(lane, &name), &Tend { leave: true, ..desk.tend() }).await;
                if left.is_ok() || desk.lets_go(lane) {
                    desk.left(lane);
                }
                left.map(drop)
            }
        };
        if let Err(error) = done {
            tracing::debug!(%error, lane, "a lane cannot be looked after");
            sleep(BACKOFF.min(desk.handling.lease / 10)).await;
        }
    }
}

/// Looks out for events in all lanes that have none.
async fn watch(log: &dyn Log, desk: &Desk) {
    loop {
        // What was to be watched until now is seen below.
        _ = desk.watch.notified().now_or_never();
        let lanes = desk.watched();
        let topics: Vec<(&str, _)> =
            lanes.iter().filter_map(|(lane, after)| Some((&**desk.topics.get(*lane)?, *after))).collect();
        if topics.is_empty() {
            desk.watch.notified().await;
            continue;
        }
        let news = log.range(Shelf::News(&topics), part(None, 1, WAIT));
        let found = tokio::select! {
            found = news => found,
            () = desk.watch.notified() => Ok(Vec::new()),
        };
        match found {
            Ok(found) => {
                let news = lanes.iter().zip(found).filter(|((_, after), entry)| entry.id != *after);
                news.for_each(|((lane, _), _)| desk.has_news(*lane));
                sleep(CALM).await;
            }
            Err(error) => {
                tracing::debug!(%error, "lanes cannot be watched");
                sleep(BACKOFF).await;
            }
        }
    }
}
