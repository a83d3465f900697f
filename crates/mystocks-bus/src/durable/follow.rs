//! Reading a topic from a place on, without a group.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use tokio::task::coop;
use tokio::time::{Instant, sleep};

use super::{Delivered, DurableTopic};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::gap::Gap;
use crate::hush::Hush;
use crate::log::{Entry, Id, Log, Part, Shelf, Start};
use crate::payload::{self, Decoded};

/// How many entries are read at once, and how long one is waited for.
const PAGE: usize = 256;
const WAIT: Duration = Duration::from_secs(5);
const BACKOFF: Duration = Duration::from_millis(200);

/// What a [`Follower`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Followed<E> {
    /// An event.
    Event(Delivered<E>),
    /// An entry that cannot be read.
    Unreadable {
        /// Its place.
        id: Id,
        /// What stands there.
        payload: Bytes,
        /// Why it cannot be read.
        reason: String,
    },
    /// Events are missing here that were trimmed or deleted before they were read: `dropped` of them. When it begins after a place that was deleted
    /// itself, nobody knows how many, and `disconnected` says so.
    Gap(Gap),
}

/// Follows a topic: a stream of what stands there and then of what comes, without a seam. It acknowledges nothing.
///
/// It never ends: while the log cannot be asked, it tries again. Whoever remembers the [`id`](Delivered::id) of the last event goes on after it, with
/// [`Start::After`], in another process too.
#[must_use = "a stream does nothing unless it is polled"]
pub struct Follower<E> {
    log: Arc<dyn Log>,
    topic: Arc<str>,
    last: Last,
    page: VecDeque<Entry>,
    reading: Option<BoxFuture<'static, Result<Vec<Entry>, Error>>>,
    failures: Hush,
    event: PhantomData<fn() -> E>,
}

/// After which entry is read.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    id: Option<Id>,
    /// Which one it is of all, when it was seen.
    number: Option<u64>,
}

impl<E: Event> DurableTopic<E> {
    /// Reads the topic from `start` on: first what stands there, then what comes, each event once and in order.
    ///
    /// # Errors
    /// As [`consume`](Self::consume).
    pub async fn follow(&self, start: Start) -> Result<Follower<E>, Error> {
        const OPERATION: &str = "follow";
        self.check(OPERATION)?;
        if !self.lanes.names().is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, OPERATION, &*self.name)
                .with_detail("it has lanes, which have no order among each other"));
        }
        let shelf = Shelf::Topic(&self.name);
        let last = match start {
            // What is no longer there cannot be missed by who begins with what is.
            Start::First => Last::default(),
            Start::Now => {
                self.log.range(shelf, Part::Last).await?.first().map_or_else(Last::default, Last::of)
            }
            Start::After(id) => {
                let before = Id { sequence: id.sequence.wrapping_sub(1), ..id };
                let before = if id.sequence == 0 { before_millis(id) } else { Some(before) };
                let part = Part::After { id: before, count: 1, wait: Duration::ZERO };
                let found = self.log.range(shelf, part).await?;
                let number = found.first().filter(|entry| entry.id == id).map(|entry| entry.number);
                Last { id: Some(id), number }
            }
        };
        Ok(Follower {
            log: Arc::clone(&self.log),
            topic: Arc::clone(&self.name),
            last,
            page: VecDeque::new(),
            reading: None,
            failures: Hush::default(),
            event: PhantomData,
        })
    }
}

impl<E: Event> Follower<E> {
    /// Waits for the next one. Cancel safe.
    pub async fn next(&mut self) -> Followed<E> {
        loop {
            if let Some(followed) = StreamExt::next(self).await {
                return followed;
            }
        }
    }

    /// Takes an entry in: the gap before it, or what it is; `None` when it is no event of this type.
    fn take_in(&mut self, entry: Entry) -> Option<Followed<E>> {
        if let Some(gap) = self.last.gap_before(&entry) {
            self.last.number = Some(entry.number.saturating_sub(1));
            self.page.push_front(entry);
            return Some(Followed::Gap(gap));
        }
        self.last = Last::of(&entry);
        if entry.only.is_some() {
            return None;
        }
        match payload::decode_in::<E>(&entry.payload) {
            Ok(Decoded::Event(event, Some(envelope))) => {
                Some(Followed::Event(Delivered { event, envelope, id: entry.id, deliveries: 0 }))
            }
            Ok(Decoded::Event(_, None) | Decoded::Other) => None,
            Err(error) => {
                Some(Followed::Unreadable { id: entry.id, payload: entry.payload, reason: error.to_string() })
            }
        }
    }

    fn read(&self) -> BoxFuture<'static, Result<Vec<Entry>, Error>> {
        let (log, topic, id) = (Arc::clone(&self.log), Arc::clone(&self.topic), self.last.id);
        async move {
            let part = |wait| Part::After { id, count: PAGE, wait };
            // What stands there is read without a connection of its own.
            let found = log.range(Shelf::Topic(&topic), part(Duration::ZERO)).await?;
            if found.is_empty() { log.range(Shelf::Topic(&topic), part(WAIT)).await } else { Ok(found) }
        }
        .boxed()
    }
}

impl<E: Event> Stream for Follower<E> {
    type Item = Followed<E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Followed<E>>> {
        loop {
            // Without it a task that always finds entries would keep its thread to itself.
            let turn = ready!(coop::poll_proceed(context));
            while let Some(entry) = self.page.pop_front() {
                turn.made_progress();
                if let Some(followed) = self.take_in(entry) {
                    return Poll::Ready(Some(followed));
                }
            }
            let mut reading = match self.reading.take() {
                Some(reading) => reading,
                None => self.read(),
            };
            match reading.poll_unpin(context) {
                Poll::Pending => {
                    self.reading = Some(reading);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(found)) => self.page.extend(found),
                Poll::Ready(Err(error)) => {
                    if let Some(times) = self.failures.say() {
                        tracing::warn!(topic = &*self.topic, %error, times, "events cannot be read");
                    }
                    let again = self.read();
                    self.reading = Some(sleep(BACKOFF).then(|()| again).boxed());
                }
            }
            turn.made_progress();
        }
    }
}

impl Last {
    fn of(entry: &Entry) -> Self {
        Self { id: Some(entry.id), number: Some(entry.number) }
    }

    /// Returns what is missing between it and `next`.
    fn gap_before(&self, next: &Entry) -> Option<Gap> {
        let id = self.id?;
        let (since, until) = (instant(id.millis), instant(next.id.millis));
        match self.number {
            // Numbers begin anew when the whole topic was deleted.
            Some(number) if next.number == number + 1 => None,
            Some(number) if next.number > number => {
                Some(Gap { since, until, dropped: next.number - number - 1, disconnected: false })
            }
            _ => Some(Gap::disconnected(since, until)),
        }
    }
}

/// Returns the greatest place before that millisecond.
fn before_millis(id: Id) -> Option<Id> {
    Some(Id { millis: id.millis.checked_sub(1)?, sequence: u64::MAX })
}

/// Returns when it was, by this host's clocks.
fn instant(millis: u64) -> Instant {
    let ago =
        SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_millis(millis)).unwrap_or_default();
    let now = Instant::now();
    now.checked_sub(ago).unwrap_or(now)
}

impl<E> fmt::Debug for Follower<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("topic", &self.topic)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
