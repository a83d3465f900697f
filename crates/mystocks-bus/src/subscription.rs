//! What a subscriber holds.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::{Stream, StreamExt};
use tokio::sync::watch;
use tokio::task::coop;

use crate::envelope::Envelope;
use crate::event::Event;
use crate::feed::{Counts, Feed, Message, Next};
use crate::gap::Gap;
use crate::hush::Hush;
use crate::log::Id;
use crate::metric;
use crate::payload::{self, Decoded};
use crate::transport::Listening;

/// What a subscription hands over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery<E> {
    /// An event.
    Event(Received<E>),
    /// Events are or may be missing here.
    Gap(Gap),
}

/// An event and how it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<E> {
    /// The event.
    pub event: E,
    channel: Arc<str>,
    prefix: usize,
    envelope: Option<Envelope>,
    id: Option<Id>,
}

/// A subscription: a stream of events, and of gaps where some are missing; dropping it unsubscribes.
///
/// It comes back by itself when the connection was lost. It ends with [`Bus::shutdown`](crate::Bus::shutdown) or the last clone of the bus,
/// and when it is [disconnected](crate::Overflow::Disconnect); what waits can be taken first.
#[must_use = "dropping it unsubscribes"]
pub struct Subscription<E> {
    feed: Arc<Feed>,
    prefix: usize,
    event: PhantomData<fn() -> E>,
    /// Until nothing comes any more.
    listening: Option<Listening>,
    undecodable: Hush,
    gaps: Hush,
}

impl<E: Event> Subscription<E> {
    pub(crate) fn new(feed: Arc<Feed>, prefix: usize, listening: Listening) -> Self {
        Self {
            feed,
            prefix,
            event: PhantomData,
            listening: Some(listening),
            undecodable: Hush::default(),
            gaps: Hush::default(),
        }
    }

    /// Waits for the next event or gap; `None` when nothing comes any more. Cancel safe.
    pub async fn next(&mut self) -> Option<Delivery<E>> {
        StreamExt::next(self).await
    }

    /// Waits for the next event, passing over gaps; `None` when nothing comes any more. Cancel safe.
    pub async fn next_event(&mut self) -> Option<Received<E>> {
        loop {
            if let Delivery::Event(received) = self.next().await? {
                return Some(received);
            }
        }
    }

    /// Returns what became of the messages so far.
    pub fn counts(&self) -> Counts {
        self.feed.counts()
    }

    /// Watches whether messages come at once; while they do not, they are read up on later, or missed, which the next gap will tell.
    ///
    /// What [`borrow`](watch::Receiver::borrow) returns holds up every subscription of the bus until it is dropped.
    pub fn live(&self) -> watch::Receiver<bool> {
        self.feed.live()
    }

    pub(crate) fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// Reads a message; `None` when it is no event of this type.
    fn read(&mut self, message: Message) -> Option<Received<E>> {
        let waited = message.at.elapsed();
        let decoded = payload::decode::<E>(&message.payload);
        let outcome = match &decoded {
            Ok(Decoded::Event(..)) => "delivered",
            Ok(Decoded::Other) => "skipped",
            Err(_) => "undecodable",
        };
        metric::received(E::TYPE, outcome, waited);
        let decoded = decoded.map_err(|error| {
            if let Some(times) = self.undecodable.say() {
                let channel = &*message.channel;
                tracing::warn!(r#type = E::TYPE, channel, %error, times, "an event cannot be read");
            }
        });
        self.feed.count(|counts| match &decoded {
            Ok(Decoded::Event(..)) => counts.delivered += 1,
            Ok(Decoded::Other) => counts.skipped += 1,
            Err(()) => counts.undecodable += 1,
        });
        match decoded {
            Ok(Decoded::Event(event, envelope)) => {
                let Message { channel, id, .. } = message;
                Some(Received { event, channel, prefix: self.prefix, envelope, id })
            }
            Ok(Decoded::Other) | Err(()) => None,
        }
    }
}

impl<E: Event> Stream for Subscription<E> {
    type Item = Delivery<E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery<E>>> {
        loop {
            // Without it a task that always finds messages would keep its thread to itself.
            let turn = ready!(coop::poll_proceed(context));
            let next = ready!(self.feed.poll_next(context));
            turn.made_progress();
            return Poll::Ready(match next {
                Some(Next::Message(message)) => match self.read(message) {
                    Some(received) => Some(Delivery::Event(received)),
                    None => continue,
                },
                Some(Next::Gap(gap)) => {
                    metric::gap(E::TYPE, &gap);
                    if let Some(times) = self.gaps.say() {
                        tracing::warn!(
                            r#type = E::TYPE,
                            dropped = gap.dropped,
                            disconnected = gap.disconnected,
                            duration = ?gap.duration(),
                            times,
                            "events are missing"
                        );
                    }
                    Some(Delivery::Gap(gap))
                }
                None => {
                    self.listening = None;
                    None
                }
            });
        }
    }
}

impl<E> Drop for Subscription<E> {
    fn drop(&mut self) {
        // First, so that no publisher that waited for it still counts it.
        self.listening = None;
        self.feed.close();
    }
}

impl<E> Received<E> {
    /// Returns the topic it came on, without the platform's prefix.
    pub fn topic(&self) -> &str {
        self.channel.get(self.prefix..).unwrap_or_default()
    }

    /// Returns its place among the messages of its topic, from which [`Topics::after`](crate::Topics::after) goes on; `None` on a transport that
    /// remembers nothing.
    pub fn id(&self) -> Option<Id> {
        self.id
    }

    /// Returns what stood around it; `None` for events that travel without.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }
}

impl<E> Deref for Received<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.event
    }
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("counts", &self.feed.counts()).finish_non_exhaustive()
    }
}
