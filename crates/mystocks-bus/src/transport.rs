//! The seam between the bus and whoever carries its messages.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_keys::{Channel, ChannelPattern};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::log::Id;

/// Carries messages to everybody who listens at that moment.
///
/// Memory, Redis Pub/Sub and Redis Streams implement it; `conformance` holds one function per promise. It knows whole channels and bytes;
/// events, queues and handlers are the [`Bus`](crate::Bus)'s. One value stands for one process. Some remember what was published: their
/// messages have ids, and who was away reads up on what it missed.
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
    /// - The first signal is `Up`, `Late` when there is something to read up on, or `Down` when there is no connection. Messages come between
    ///   `Up` or `Late` and `Down` only, in the order in which the server got them; of those that were published from `Up` or `Late` to
    ///   `Down.since` none is missing but where `Lost` says so. What is read up on is in order within each channel.
    /// - After a loss it comes back by itself.
    /// - After what was published [before](Interest::after) comes all that was published later, each message once; or `Lost` in the place of
    ///   what is not remembered.
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
    /// The last message that was heard of some of the channels: what was published after it comes first. Only for [`Source::Channels`].
    pub after: BTreeMap<Channel, Id>,
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
    /// From here on no message is missed, and each comes at once.
    Up,
    /// What was published after `since` comes, but not at once, until the next `Up`: it is read up on.
    Late {
        /// What was published before has come.
        since: Instant,
    },
    /// Exactly here messages are or may be missing, though others come.
    Lost {
        /// What was published before is not missing here.
        since: Instant,
        /// What was published later is not missing here.
        until: Instant,
    },
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
        /// Its place among the messages of its channel, where they are remembered.
        id: Option<Id>,
    },
    /// Nothing comes any more.
    Closed,
}

/// Listens.
#[async_trait]
pub trait Ear: Send + Sync + 'static {
    /// Takes a signal, where the connection is read: it must be quick, must not wait, and must not end what it listens to.
    fn hear(&self, signal: Signal);

    /// Waits until one more message of so many bytes can be taken; asking takes nothing, and several may ask. Who [waits](Interest::waits) is asked before each
    /// message, also where the transport has something locked: it must not come back to it. Who is read something up on is asked
    /// before each message of that, where nobody else waits for it. Cancel safe.
    async fn room(&self, bytes: usize);
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

impl Interest {
    /// Makes one in all that is published on the channels of `source` from now on.
    pub fn new(source: Source) -> Self {
        Self { source, waits: false, after: BTreeMap::new() }
    }

    /// Returns what an error about it names.
    pub fn subject(&self) -> &str {
        match &self.source {
            Source::Channels(channels) => channels.first().map_or("", Channel::name),
            Source::Pattern(pattern) => pattern.as_str(),
        }
    }

    /// Returns since when something may be missing for a transport that remembers nothing; up to its first `Up`, after which it says so.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a position in a pattern.
    pub(crate) fn forgotten(&self) -> Result<Option<Instant>, Error> {
        self.check_positions()?;
        let now = Instant::now();
        Ok(self.after.values().map(|id| since(*id, SystemTime::now(), now)).min())
    }

    /// Refuses positions of what has none.
    pub(crate) fn check_positions(&self) -> Result<(), Error> {
        let refuse = |detail: &str| {
            Err(Error::new(ErrorKind::InvalidArgument, "resume", self.subject()).with_detail(detail))
        };
        match &self.source {
            Source::Pattern(_) if !self.after.is_empty() => refuse("a pattern has no position"),
            Source::Channels(channels) if self.after.keys().any(|channel| !channels.contains(channel)) => {
                refuse("a position is of another channel")
            }
            _ => Ok(()),
        }
    }
}

/// Returns when a message was published, by a clock that shows `wall` at `now`.
pub(crate) fn since(id: Id, wall: SystemTime, now: Instant) -> Instant {
    let published = UNIX_EPOCH.checked_add(Duration::from_millis(id.millis));
    let ago = published.and_then(|published| wall.duration_since(published).ok());
    ago.and_then(|ago| now.checked_sub(ago)).unwrap_or(now)
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
