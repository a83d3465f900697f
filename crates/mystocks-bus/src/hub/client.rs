//! What a client of a hub holds.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use mystocks_keys::InvalidKey;
use tokio::task::coop;

use super::Shared;
use super::outlet::Outlet;
use super::source::Name;
use crate::error::{Error, ErrorKind};
use crate::feed::{Counts, Message, Next};
use crate::gap::Gap;
use crate::log::Id;

/// What a client of a [`Hub`](crate::Hub) gets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// A message.
    Message {
        /// Its topic, without the platform's prefix.
        topic: Arc<str>,
        /// What was published, as it stands on the channel; all clients share it.
        payload: Bytes,
        /// Its place among the messages of its topic, from which a client [resumes](Client::resume): its text is what a browser sends back as
        /// `Last-Event-ID`. `None` on a transport that remembers nothing.
        id: Option<Id>,
    },
    /// Messages are or may be missing here.
    Gap(Gap),
}

/// A client of a [`Hub`](crate::Hub): a stream of frames; dropping it unsubscribes from all.
///
/// What it gets by several topics and patterns comes once. It ends with the hub, and when it is
/// [disconnected](crate::Overflow::Disconnect); what waits can be taken first. Its [`Limits`](crate::Limits) bound what it costs.
#[must_use = "dropping it unsubscribes"]
pub struct Client {
    hub: Arc<Shared>,
    outlet: Arc<Outlet>,
}

impl Client {
    pub(super) fn new(hub: Arc<Shared>, outlet: Arc<Outlet>) -> Self {
        Self { hub, outlet }
    }

    /// Waits for the next frame; `None` when nothing comes any more. Cancel safe.
    pub async fn next(&mut self) -> Option<Frame> {
        StreamExt::next(self).await
    }

    /// Subscribes to the topic `name`, and returns when all that is published from now on will come; a second time changes nothing.
    ///
    /// When the transport cannot be reached it returns after 1.5 s, and a [`Gap`] since this call comes before the first message.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidArgument`] for what cannot be a topic, and for more topics than [`Limits::topics`](crate::Limits::topics).
    /// - [`ErrorKind::Closed`] when the client has ended.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it subscribed.
    pub async fn subscribe(&mut self, name: &str) -> Result<(), Error> {
        let name = self.channel("subscribe to", name)?;
        self.hub.subscribe(&self.outlet, name, None).await
    }

    /// Subscribes to all topics that match `glob`, in Redis' syntax, as [`subscribe`](Self::subscribe) does.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves it subscribed.
    pub async fn subscribe_pattern(&mut self, glob: &str) -> Result<(), Error> {
        let name = self.pattern("subscribe to", glob)?;
        self.hub.subscribe(&self.outlet, name, None).await
    }

    /// Subscribes to the topic `name` where another client left off: after the message with the id `last_event_id`.
    ///
    /// What was published since comes first, each message once and in order, and then what is live; what is not remembered any more is a
    /// [`Gap`] in its place, and so is everything on a transport that remembers nothing. Until it has caught up, nothing is given up for want of room.
    /// It has a listening of its own for it. A pattern that takes in the topic, too, is better subscribed to afterwards.
    ///
    /// # Errors
    /// As [`Client::subscribe`], and [`ErrorKind::InvalidArgument`] for a text that is no [`Id`], and when it has subscribed to the topic.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it subscribed.
    pub async fn resume(&mut self, name: &str, last_event_id: &str) -> Result<(), Error> {
        const OPERATION: &str = "resume";
        let channel = self.channel(OPERATION, name)?;
        let refuse = |detail| {
            Err(Error::new(ErrorKind::InvalidArgument, OPERATION, channel.subject()).with_detail(detail))
        };
        let Some(id) = Id::read(last_event_id) else {
            return refuse("the last event id is none that was given out");
        };
        if self.outlet.source(&channel).is_some() {
            return refuse("the client has subscribed to it");
        }
        self.hub.subscribe(&self.outlet, channel, Some(id)).await
    }

    /// Unsubscribes from the topic `name`, and returns whether it was subscribed to; what waits still comes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for what cannot be a topic.
    pub fn unsubscribe(&mut self, name: &str) -> Result<bool, Error> {
        let name = self.channel("unsubscribe from", name)?;
        Ok(self.hub.unsubscribe(&self.outlet, &name))
    }

    /// Unsubscribes from the pattern `glob`, as [`unsubscribe`](Self::unsubscribe) does.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for what cannot be a pattern.
    pub fn unsubscribe_pattern(&mut self, glob: &str) -> Result<bool, Error> {
        let name = self.pattern("unsubscribe from", glob)?;
        Ok(self.hub.unsubscribe(&self.outlet, &name))
    }

    /// Returns what became of its messages so far; those it had taken count as delivered.
    pub fn counts(&self) -> Counts {
        self.outlet.counts()
    }

    /// Returns whether all that it has subscribed to comes; what does not is missed, which the next gap will tell.
    pub fn is_live(&self) -> bool {
        self.outlet.is_live()
    }

    fn channel(&self, operation: &'static str, name: &str) -> Result<Name, Error> {
        let channel = self.hub.keyspace.channel_named(name);
        channel.map(Name::Channel).map_err(|error| refuse(operation, name, error))
    }

    fn pattern(&self, operation: &'static str, glob: &str) -> Result<Name, Error> {
        let pattern = self.hub.keyspace.channel_pattern(glob);
        pattern.map(Name::Pattern).map_err(|error| refuse(operation, glob, error))
    }
}

fn refuse(operation: &'static str, subject: &str, error: InvalidKey) -> Error {
    // It comes from outside, and may be of any length.
    let subject: String = subject.chars().take(100).collect();
    Error::new(ErrorKind::InvalidArgument, operation, subject).with_source(error)
}

impl Stream for Client {
    type Item = Frame;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        // Without it a task that always finds messages would keep its thread to itself.
        let turn = ready!(coop::poll_proceed(context));
        let next = ready!(self.outlet.poll_next(context));
        turn.made_progress();
        Poll::Ready(match next {
            Some(Next::Message(message)) => {
                let Message { channel: topic, payload, id, .. } = message;
                Some(Frame::Message { topic, payload, id })
            }
            Some(Next::Gap(gap)) => Some(Frame::Gap(gap)),
            None => {
                self.hub.leave(&self.outlet);
                None
            }
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.hub.leave(&self.outlet);
        self.outlet.close();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("counts", &self.outlet.counts()).finish_non_exhaustive()
    }
}
