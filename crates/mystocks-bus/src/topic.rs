//! Where events go.

use std::fmt;
use std::marker::PhantomData;

use mystocks_keys::{Channel, ChannelName, InvalidKey, Keyspace};

/// A channel that carries events of type `E`, without the platform's prefix.
pub struct Topic<E> {
    name: Name,
    event: PhantomData<fn() -> E>,
}

/// Kept as it was given: only the keyspace knows how each is spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Platform(ChannelName<'static>),
    Task(String),
    MarketOf(String),
    Own(String),
}

impl<E> Topic<E> {
    /// Makes the topic `name`, segments separated by colons, such as `portfolio:rebalanced`.
    ///
    /// What cannot be a name is refused when it is used.
    pub fn new(name: impl Into<String>) -> Self {
        Self::named(Name::Own(name.into()))
    }

    /// Makes the topic of a channel of the platform.
    pub(crate) fn of(name: ChannelName<'_>) -> Self {
        Self::named(match name {
            ChannelName::Task(id) => Name::Task(id.to_owned()),
            ChannelName::MarketOf(code) => Name::MarketOf(code.to_owned()),
            ChannelName::IndicatorCalculated => Name::Platform(ChannelName::IndicatorCalculated),
            ChannelName::PriceUpdate => Name::Platform(ChannelName::PriceUpdate),
            ChannelName::TaskUpdated => Name::Platform(ChannelName::TaskUpdated),
            ChannelName::ConfigReloaded => Name::Platform(ChannelName::ConfigReloaded),
            ChannelName::Tasks => Name::Platform(ChannelName::Tasks),
            ChannelName::Indicators => Name::Platform(ChannelName::Indicators),
            ChannelName::Market => Name::Platform(ChannelName::Market),
            // No other carries events.
            _ => Name::Platform(ChannelName::System),
        })
    }

    fn named(name: Name) -> Self {
        Self { name, event: PhantomData }
    }

    /// Returns the channel under the prefix of `keyspace`.
    pub(crate) fn channel(&self, keyspace: &Keyspace) -> Result<Channel, InvalidKey> {
        match &self.name {
            Name::Platform(name) => keyspace.channel(*name),
            Name::Task(id) => keyspace.channel(ChannelName::Task(id)),
            Name::MarketOf(code) => keyspace.channel(ChannelName::MarketOf(code)),
            Name::Own(name) => keyspace.channel_named(name),
        }
    }
}

impl<E> Topic<E> {
    /// Returns what an error calls it.
    pub(crate) fn text(&self) -> String {
        match &self.name {
            Name::Platform(name) => name.to_string(),
            Name::Task(id) => ChannelName::Task(id).to_string(),
            Name::MarketOf(code) => ChannelName::MarketOf(code).to_string(),
            Name::Own(name) => name.clone(),
        }
    }
}

impl<E> Clone for Topic<E> {
    fn clone(&self) -> Self {
        Self::named(self.name.clone())
    }
}

impl<E> PartialEq for Topic<E> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<E> fmt::Debug for Topic<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topic").field(&self.name).finish()
    }
}
