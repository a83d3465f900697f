//! Topics whose events wait for those who handle them.

mod follow;
mod replay;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{try_join, try_join_all};

use crate::envelope::Envelope;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::lane::Lanes;
use crate::log::{Append, Appended, Entry, GroupState, Id, Log, Once, Part, Room, Shelf};
use crate::metric;
use crate::payload;
use crate::worker::{Handling, Worker};

pub use follow::{Followed, Follower};
pub use replay::Replayed;

/// A topic that keeps its events until every group of consumers has handled them; cloning it is cheap.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use mystocks_bus::{DurableTopic, Event, Handling, MemoryLog, Topic};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize)]
/// # struct Order { number: u64 }
/// # impl Event for Order {
/// #     const TYPE: &'static str = "order.placed";
/// #     fn topics(&self) -> Vec<Topic<Self>> { vec![Topic::new("orders")] }
/// # }
///
/// // With Redis: DurableTopic::new(Streams::new(manager, &keyspace), "orders", "shop")
/// let orders = DurableTopic::<Order>::new(MemoryLog::new(), "orders", "shop");
/// orders.publish_once("order:17", &Order { number: 17 }).await?;
/// orders.publish_once("order:17", &Order { number: 17 }).await?; // the answer to the first was lost, say
///
/// let (sender, mut handled) = tokio::sync::mpsc::unbounded_channel();
/// let worker = orders.consume("risk", Handling::default(), move |order| {
///     let sender = sender.clone();
///     async move { sender.send(order.number).map_err(|_| "nobody is there") }
/// });
/// let worker = worker.await?;
/// assert_eq!(handled.recv().await, Some(17));
/// worker.shutdown().await;
/// let state = orders.state("risk").await?;
/// assert_eq!((state.entries, state.lag, state.pending), (1, 0, 0));
/// # Ok(()) }
/// ```
pub struct DurableTopic<E> {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) name: Arc<str>,
    source: Arc<str>,
    room: Room,
    pub(crate) lanes: Lanes,
    event: PhantomData<fn() -> E>,
}

const APPEND: &str = "append to";
/// How long an idempotency key is known.
const WINDOW: Duration = Duration::from_secs(3600);
const ROOM: Room = Room::Safe(1_000_000);

/// An event that a handler is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered<E> {
    /// The event.
    pub event: E,
    /// What stood around it.
    pub envelope: Envelope,
    /// Its place in the topic, or in its lane.
    pub id: Id,
    /// How often it was given to a handler, this time included.
    pub deliveries: u64,
}

impl<E: Event> DurableTopic<E> {
    /// Makes the topic `name` on `log`, to which `source` publishes.
    pub fn new(log: impl Log, name: &str, source: &str) -> Self {
        let (log, lanes) = (Arc::new(log), Lanes::default());
        Self { log, name: name.into(), source: source.into(), room: ROOM, lanes, event: PhantomData }
    }

    /// Has the events of each [`Event::key`] handled one after the other, in the order in which they were appended, on `count` lanes, 1 to 64.
    ///
    /// Events without a key have no order. All who publish to a topic or handle its events have to say the same number, and it can only be
    /// changed when nothing is to be handled any more.
    #[must_use]
    pub fn lanes(self, count: u32) -> Self {
        Self { lanes: Lanes::new(&self.name, count), ..self }
    }

    /// Sets how many events the topic has room for, or each of its lanes; 1,000,000 unless it is set. What every group has acknowledged makes room
    /// for more, and when that is not enough, publishing fails: nothing is lost.
    #[must_use]
    pub fn room(self, entries: u64) -> Self {
        Self { room: Room::Safe(entries), ..self }
    }

    /// Has the topic keep the latest `entries` only, for events of which the old ones are worth nothing: publishing never fails for want of room, and a group that
    /// does not follow loses what is older. How much that was is in [`GroupState::trimmed`].
    #[must_use]
    pub fn keep_latest(self, entries: u64) -> Self {
        Self { room: Room::Latest(entries), ..self }
    }

    /// Appends `event`; returns its place.
    ///
    /// # Errors
    /// - [`ErrorKind::Full`] when some group has not acknowledged enough; nothing was appended.
    /// - [`ErrorKind::Encode`], [`ErrorKind::InvalidArgument`]: nothing was appended.
    /// - [`ErrorKind::Unavailable`], [`ErrorKind::Unknown`]: it may have been appended. [`publish_once`](Self::publish_once) can be repeated.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether it was appended.
    pub async fn publish(&self, event: &E) -> Result<Id, Error> {
        let ids = self.append(std::slice::from_ref(event), None).await?;
        ids.first().copied().ok_or_else(|| self.full(1))
    }

    /// Appends `event` unless one was appended under the same `key` within the last hour; returns the place of that one.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), but it is repeated by itself while that may help, and can be repeated by the caller.
    pub async fn publish_once(&self, key: &str, event: &E) -> Result<Id, Error> {
        let ids = self.append(std::slice::from_ref(event), Some(Once::Key(key, WINDOW))).await?;
        ids.first().copied().ok_or_else(|| self.full(1))
    }

    /// Appends `events` in their order, all of them or none, in one request; returns their places. With [`lanes`](Self::lanes) that holds for those
    /// of each lane.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether they were appended.
    pub async fn publish_all(&self, events: &[E]) -> Result<Vec<Id>, Error> {
        self.append(events, None).await
    }

    async fn append(&self, events: &[E], once: Option<Once<'_>>) -> Result<Vec<Id>, Error> {
        self.check(APPEND)?;
        let payloads = events.iter().map(|event| {
            payload::encode_in(event, &Envelope::new(event, &self.source))
                .map_err(|error| Error::new(ErrorKind::Encode, APPEND, &*self.name).with_source(error))
        });
        let payloads = payloads.collect::<Result<Vec<_>, _>>()?;
        let entries = events.iter().zip(&payloads);
        let entries =
            entries.map(|(event, payload)| (event.key(), Append { payload, once })).collect::<Vec<_>>();
        let appended = self.append_all(&entries).await;
        let ids = appended.map(|appended| appended.iter().map(Appended::id).collect::<Option<Vec<_>>>());
        let outcome = match &ids {
            Ok(Some(_)) => "appended",
            Ok(None) => "full",
            Err(_) => "failed",
        };
        metric::appended(E::TYPE, outcome, events.len());
        ids?.ok_or_else(|| self.full(events.len()))
    }

    fn full(&self, count: usize) -> Error {
        let (Room::Safe(room) | Room::Latest(room)) = self.room;
        Error::new(ErrorKind::Full, APPEND, &*self.name).with_detail(format!(
            "{count} more have no room beside {room} events, which wait for a group: let it catch up, or give it more room"
        ))
    }

    /// Appends entries, each with its key, where they belong: to the topic, or to their lanes, one after the other; answers as many as asked.
    async fn append_all(
        &self,
        entries: &[(Option<Cow<'_, str>>, Append<'_>)],
    ) -> Result<Vec<Appended>, Error> {
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, (key, _)) in entries.iter().enumerate() {
            places.entry(self.lanes.of(key.as_deref()).unwrap_or(&self.name)).or_default().push(at);
        }
        let mut answers = vec![Appended::Full; entries.len()];
        for (place, which) in places {
            let there: Vec<_> = which.iter().filter_map(|at| Some(entries.get(*at)?.1)).collect();
            let appended = self.log.append(place, self.room, &there).await?;
            for (at, appended) in which.into_iter().zip(appended) {
                if let Some(answer) = answers.get_mut(at) {
                    *answer = appended;
                }
            }
        }
        Ok(answers)
    }

    /// Refuses a name, or a number of lanes, that cannot be.
    pub(crate) fn check(&self, operation: &'static str) -> Result<(), Error> {
        self.lanes.check(operation, &self.name)
    }

    /// Handles the events of the topic, with all other workers of `group`, each event by one of them.
    ///
    /// With [`lanes`](Self::lanes) an event begins when the one before it of the same key is done or dead.
    ///
    /// An event is acknowledged when `handler` has answered `Ok`. After an error or a panic it comes again, later each time; after the last allowed
    /// delivery it is a dead letter. What cannot be read is a dead letter at once. A worker that dies has its events handled by others when its lease
    /// has ended. So every event is handled at least once, and a handler must not mind to see one twice.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a topic or a group that cannot be, [`ErrorKind::Unavailable`] and others when the log cannot be asked.
    ///
    /// An error that is a [`GiveUp`](crate::GiveUp) makes it a dead letter at once.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn consume<F, R, X>(
        &self,
        group: &str,
        handling: Handling,
        handler: impl Fn(Delivered<E>) -> F + Send + Sync + 'static,
    ) -> Result<Worker, Error>
    where
        F: Future<Output = Result<R, X>> + Send + 'static,
        R: Send + 'static,
        X: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
    {
        Worker::start(self, group, handling, handler).await
    }

    /// Returns how `group` stands, on all lanes together.
    ///
    /// # Errors
    /// As [`consume`](Self::consume).
    pub async fn state(&self, group: &str) -> Result<GroupState, Error> {
        let of_lanes = self.lanes.names().iter().map(|lane| self.log.state(lane, group));
        let (mut all, of_lanes) = try_join(self.log.state(&self.name, group), try_join_all(of_lanes)).await?;
        for lane in of_lanes {
            all.entries += lane.entries;
            all.lag += lane.lag;
            all.pending += lane.pending;
            all.waiting += lane.waiting;
            all.trimmed += lane.trimmed;
            all.oldest = all.oldest.into_iter().chain(lane.oldest).min();
        }
        Ok(all)
    }

    /// Returns the place of the last event that stands there, in a topic without lanes; `None` while there is none.
    ///
    /// # Errors
    /// As [`consume`](Self::consume).
    pub async fn last(&self) -> Result<Option<Id>, Error> {
        self.check("look at")?;
        Ok(self.log.range(Shelf::Topic(&self.name), Part::Last).await?.first().map(|entry| entry.id))
    }

    /// Returns at most `count` dead letters of `group` that come after `after`, as they stand there.
    ///
    /// # Errors
    /// As [`consume`](Self::consume).
    pub async fn dead_letters(
        &self,
        group: &str,
        after: Option<Id>,
        count: usize,
    ) -> Result<Vec<Entry>, Error> {
        let part = Part::After { id: after, count, wait: Duration::ZERO };
        self.log.range(Shelf::Dead { topic: &self.name, group }, part).await
    }
}

impl<E> Clone for DurableTopic<E> {
    fn clone(&self) -> Self {
        Self {
            log: Arc::clone(&self.log),
            name: Arc::clone(&self.name),
            source: Arc::clone(&self.source),
            room: self.room,
            lanes: self.lanes.clone(),
            event: PhantomData,
        }
    }
}

impl<E> fmt::Debug for DurableTopic<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableTopic")
            .field("name", &self.name)
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

impl<E> std::ops::Deref for Delivered<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.event
    }
}
