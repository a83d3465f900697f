//! What subscriptions are for.

use std::sync::Arc;

/// What can be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    Channel(Arc<str>),
    Pattern(Arc<str>),
}

impl Topic {
    /// Returns the topics of `channels`.
    pub(crate) fn channels(channels: &[&str]) -> impl Iterator<Item = Self> {
        channels.iter().map(|name| Self::Channel(Arc::from(*name)))
    }

    /// Returns the topics of `patterns`.
    pub(crate) fn patterns(patterns: &[&str]) -> impl Iterator<Item = Self> {
        patterns.iter().map(|name| Self::Pattern(Arc::from(*name)))
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        let (Self::Channel(name) | Self::Pattern(name)) = self;
        name
    }
}
