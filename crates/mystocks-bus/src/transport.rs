//! The seam between the bus and whoever carries its messages.

use std::any::Any;
use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_keys::{Channel, ChannelPattern};
use tokio::time::Instant;

use crate::error::Error;

/// Carries messages to everybody who listens at that moment.
///
/// Memory and Redis Pub/Sub implement it; `conformance` holds one function per promise. It knows whole channels and bytes; events,
/// queues and handlers are the [`Bus`](crate::Bus)'s. One value stands for one process.
#[async_trait]
pub trait Transport: Debug + Send + Sync + 'static {
    /// Publishes the messages in their order, and returns how many listeners each had; other processes that read one connection for many
    /// listeners count as one.
    ///
    /// # Errors
    /// Of several messages those before the one that failed may have been published.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open which were published.
    async fn publish(&self, messages: &[Outgoing<'_>]) -> Result<Vec<u64>, Error>;

    /// Has `ear` hear what is published on the channels of `interest` from [`Signal::Up`] on, until what is returned is dropped.
    ///
    /// # Behavior
    /// - The first signal is `Up`, or `Down` when there is no connection. Messages come between `Up` and `Down` only, in the order in which
    ///   the server got them; of those that were published from `Up` to `Down.since` none is missing.
    /// - After a loss it comes back by itself.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for an interest that this transport cannot serve.
    fn listen(&self, interest: &Interest, ear: Arc<dyn Ear>) -> Result<Listening, Error>;
}

/// A message to publish.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Where it goes.
    pub channel: &'a Channel,
    /// What is published.
    pub payload: &'a [u8],
}

/// What somebody wants to hear.
#[derive(Debug, Clone)]
pub struct Interest {
    /// On which channels.
    pub source: Source,
    /// Whether publishers are to [wait](Ear::room) for this listener.
    pub waits: bool,
}

/// Some channels.
#[derive(Debug, Clone)]
pub enum Source {
    /// These, each once.
    Channels(Vec<Channel>),
    /// All that match.
    Pattern(ChannelPattern),
}

/// What a listener is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// From here on no message is missed.
    Up,
    /// What was published after `since` may be missed, until the next `Up`.
    Down {
        /// What was published before has come.
        since: Instant,
    },
    /// A message.
    Message {
        /// The whole channel.
        channel: Arc<str>,
        /// What was published.
        payload: Bytes,
    },
    /// Nothing comes any more.
    Closed,
}

/// Listens.
#[async_trait]
pub trait Ear: Send + Sync + 'static {
    /// Takes a signal, where the connection is read: it must be quick, must not wait, and must not end what it listens to.
    fn hear(&self, signal: Signal);

    /// Waits until one more message can be taken; asking takes nothing, and several may ask. Only who [waits](Interest::waits) is asked, also
    /// where the transport has something locked: it must not come back to it. Cancel safe.
    async fn room(&self);
}

/// Ends the listening when it is dropped.
pub struct Listening(#[expect(dead_code, reason = "it is there to be dropped")] Box<dyn Any + Send + Sync>);

impl Listening {
    /// Makes one of what ends the listening when it is dropped.
    pub fn new(end: impl Any + Send + Sync) -> Self {
        Self(Box::new(end))
    }
}

impl Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").finish_non_exhaustive()
    }
}

impl Source {
    /// Returns whether what is published on `channel` is wanted.
    pub fn matches(&self, channel: &str) -> bool {
        match self {
            Self::Channels(channels) => channels.iter().any(|wanted| wanted.as_str() == channel),
            Self::Pattern(pattern) => pattern.matches(channel),
        }
    }
}
