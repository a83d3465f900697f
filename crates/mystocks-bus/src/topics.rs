//! What is subscribed to, and how much may wait.

use std::collections::BTreeMap;

use mystocks_keys::{InvalidKey, Keyspace};

use crate::error::{Error, ErrorKind};
use crate::feed::{Backlog, Overflow};
use crate::log::Id;
use crate::topic::Topic;
use crate::transport::{Interest, Source};

/// Topics to subscribe to, and the queue in which their events wait.
///
/// A [`Topic`] becomes one by itself; more is said like this:
///
/// ```
/// use mystocks_bus::{MarketEvent, Overflow, PriceUpdate, Topics};
///
/// let latest_prices = Topics::from(&PriceUpdate::topic()).overflow(Overflow::Conflate).messages(5_000);
/// let all_stocks: Topics<MarketEvent> = Topics::pattern("events:market:*");
/// # let _ = (latest_prices, all_stocks);
/// ```
#[derive(Debug, Clone)]
pub struct Topics<E> {
    which: Which<E>,
    pub(crate) backlog: Backlog,
    after: Option<Id>,
}

#[derive(Debug, Clone)]
enum Which<E> {
    These(Vec<Topic<E>>),
    Pattern(String),
}

impl<E> Topics<E> {
    /// Takes several topics; one that is named twice counts once.
    pub fn these(topics: impl IntoIterator<Item = Topic<E>>) -> Self {
        Self { which: Which::These(topics.into_iter().collect()), backlog: Backlog::default(), after: None }
    }

    /// Takes all topics that match `glob`, in Redis' syntax (`*`, `?`, `[…]`, `\`; `*` also stands for colons).
    pub fn pattern(glob: impl Into<String>) -> Self {
        Self { which: Which::Pattern(glob.into()), backlog: Backlog::default(), after: None }
    }

    /// Sets how many messages may wait; see [`Backlog::messages`].
    #[must_use]
    pub fn messages(mut self, messages: usize) -> Self {
        self.backlog.messages = messages;
        self
    }

    /// Sets how many bytes may wait; see [`Backlog::bytes`].
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.backlog.bytes = bytes;
        self
    }

    /// Sets what happens to messages for which there is no room.
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.backlog.overflow = overflow;
        self
    }

    /// Goes on after the event with [this id](crate::Received::id): first comes what was published after it, then what is live.
    ///
    /// What the transport does not remember any more is a [`Gap`](crate::Gap) in its place. Only for one topic: each has ids of its own.
    #[must_use]
    pub fn after(mut self, id: Id) -> Self {
        self.after = Some(id);
        self
    }

    pub(crate) fn interest(&self, keyspace: &Keyspace) -> Result<Interest, Error> {
        let refuse = |name: String, error: InvalidKey| {
            Error::new(ErrorKind::InvalidArgument, "subscribe to", name).with_source(error)
        };
        if self.backlog.messages == 0 || self.backlog.bytes == 0 {
            return Err(Error::new(ErrorKind::InvalidArgument, "subscribe to", self.name())
                .with_detail("its queue has no room: let at least one message and one byte wait"));
        }
        let source = match &self.which {
            Which::These(topics) => {
                let mut channels = Vec::with_capacity(topics.len());
                for topic in topics {
                    let channel = topic.channel(keyspace).map_err(|error| refuse(topic.text(), error))?;
                    if !channels.contains(&channel) {
                        channels.push(channel);
                    }
                }
                if channels.is_empty() {
                    return Err(Error::new(ErrorKind::InvalidArgument, "subscribe to", "no topic")
                        .with_detail("name at least one"));
                }
                Source::Channels(channels)
            }
            Which::Pattern(glob) => {
                Source::Pattern(keyspace.channel_pattern(glob).map_err(|error| refuse(glob.clone(), error))?)
            }
        };
        let after = match (self.after, &source) {
            (None, _) => BTreeMap::new(),
            (Some(id), Source::Channels(channels)) if channels.len() == 1 => {
                channels.iter().map(|channel| (channel.clone(), id)).collect()
            }
            (Some(_), _) => {
                return Err(Error::new(ErrorKind::InvalidArgument, "resume", self.name())
                    .with_detail("an id is of one topic: subscribe to each by itself"));
            }
        };
        Ok(Interest { source, waits: self.backlog.overflow == Overflow::Wait, after })
    }

    /// Returns what an error calls it.
    pub(crate) fn name(&self) -> String {
        match &self.which {
            Which::These(topics) => topics.first().map(Topic::text).unwrap_or_default(),
            Which::Pattern(glob) => glob.clone(),
        }
    }
}

impl<E> From<Topic<E>> for Topics<E> {
    fn from(topic: Topic<E>) -> Self {
        Self::these([topic])
    }
}

impl<E> From<&Topic<E>> for Topics<E> {
    fn from(topic: &Topic<E>) -> Self {
        Self::these([topic.clone()])
    }
}
