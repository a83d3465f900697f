//! Every channel of the platform.

use std::fmt;

use crate::glob::glob_matches;
use crate::invalid_key::InvalidKey;
use crate::keyspace::Keyspace;
use crate::rule;

/// The channels of the platform, without prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChannelName<'a> {
    /// `indicator:calculated`: one indicator of one stock was computed.
    IndicatorCalculated,
    /// `price:update`: a stock has a new price.
    PriceUpdate,
    /// `task:updated`: a task changed its status or progress.
    TaskUpdated,
    /// `config:reloaded`: a configuration was read anew.
    ConfigReloaded,
    /// `events:tasks`: progress and completion of every task.
    Tasks,
    /// `events:task:{task_id}`: the same for one task.
    Task(&'a str),
    /// `events:indicators`: computations of every stock.
    Indicators,
    /// `events:market`: market data of every stock.
    Market,
    /// `events:market:{code}`: the same for one stock.
    MarketOf(&'a str),
    /// `events:system`: heartbeats of services.
    System,
    /// `cache:invalidated`: what every process's L1 has to forget.
    CacheInvalidated,
    /// `cache:freed:{node}`: a lease that this node waits for is free.
    CacheFreed(&'a str),
    /// `lock:freed:{node}`: it is the turn of somebody who waits on this node, or a lock that it holds was taken away.
    LockFreed(&'a str),
}

/// A channel name with its prefix that has passed every rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    text: String,
    prefix: usize,
}

/// A pattern of channels that can match only names under the bus prefix.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChannelPattern(String);

impl Keyspace {
    /// Returns `{bus}{name}` for a channel of the platform.
    pub fn channel(&self, name: ChannelName<'_>) -> Result<Channel, InvalidKey> {
        match name {
            ChannelName::Task(id) => rule::segment("task id", id)?,
            ChannelName::MarketOf(code) => rule::segment("stock code", code)?,
            ChannelName::CacheFreed(node) | ChannelName::LockFreed(node) => rule::segment("node", node)?,
            _ => {}
        }
        self.channel_named(&name.to_string())
    }

    /// Returns `{bus}{name}` for a name that comes from outside, such as a web socket's subscription.
    pub fn channel_named(&self, name: &str) -> Result<Channel, InvalidKey> {
        const PART: &str = "channel name";
        rule::path(PART, name)?;
        let prefix = &self.prefixes().bus;
        let text = format!("{prefix}{name}");
        rule::length(PART, name, text.len())?;
        Ok(Channel { text, prefix: prefix.len() })
    }

    /// Returns a pattern for `PSUBSCRIBE`: the bus prefix, literal, then `glob` in Redis' syntax (`*`, `?`, `[…]`, `\`).
    ///
    /// # Errors
    /// Besides the common rules, where glob characters are allowed: [`InvalidKeyKind::Glob`](crate::InvalidKeyKind::Glob) for a
    /// malformed pattern and for one with more than 8 stars.
    pub fn channel_pattern(&self, glob: &str) -> Result<ChannelPattern, InvalidKey> {
        rule::glob(glob)?;
        // A prefix holds no glob characters (see `Prefixes::check`), so it needs no escaping to be literal.
        let text = format!("{}{glob}", self.prefixes().bus);
        rule::length("pattern", glob, text.len())?;
        Ok(ChannelPattern(text))
    }

    /// Returns the channel that `text`, as Redis delivers it, is; `None` when it is not one under the bus prefix.
    pub fn channel_of(&self, text: &str) -> Option<Channel> {
        let name = text.strip_prefix(self.prefixes().bus.as_str())?;
        self.channel_named(name).ok()
    }
}

impl Channel {
    /// Returns the channel as Redis knows it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the name without the prefix.
    pub fn name(&self) -> &str {
        self.text.get(self.prefix..).unwrap_or_default()
    }
}

impl ChannelPattern {
    /// Returns the pattern as `PSUBSCRIBE` takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the server would deliver what is published on `channel`, given as Redis knows it.
    pub fn matches(&self, channel: &str) -> bool {
        glob_matches(self.0.as_bytes(), channel.as_bytes())
    }
}

impl<'a> ChannelName<'a> {
    /// Returns the channel of the platform that has this name, without prefix; `None` when there is none.
    ///
    /// ```
    /// use mystocks_keys::ChannelName;
    ///
    /// assert_eq!(ChannelName::named("events:market:600519.SH"), Some(ChannelName::MarketOf("600519.SH")));
    /// assert_eq!(ChannelName::named("events:market:"), None);
    /// ```
    pub fn named(name: &'a str) -> Option<Self> {
        const FIXED: [ChannelName<'static>; 9] = [
            ChannelName::IndicatorCalculated,
            ChannelName::PriceUpdate,
            ChannelName::TaskUpdated,
            ChannelName::ConfigReloaded,
            ChannelName::Tasks,
            ChannelName::Indicators,
            ChannelName::Market,
            ChannelName::System,
            ChannelName::CacheInvalidated,
        ];
        if let Some(fixed) = FIXED.into_iter().find(|fixed| fixed.family() == name) {
            return Some(fixed);
        }
        let (family, part) = name.rsplit_once(':').filter(|(_, part)| !part.is_empty())?;
        let of_part = [Self::Task(part), Self::MarketOf(part), Self::CacheFreed(part), Self::LockFreed(part)];
        of_part.into_iter().find(|channel| channel.family() == family)
    }

    /// Returns the name, without the part that tells one of a family.
    fn family(self) -> &'static str {
        match self {
            Self::IndicatorCalculated => "indicator:calculated",
            Self::PriceUpdate => "price:update",
            Self::TaskUpdated => "task:updated",
            Self::ConfigReloaded => "config:reloaded",
            Self::Tasks => "events:tasks",
            Self::Task(_) => "events:task",
            Self::Indicators => "events:indicators",
            Self::Market | Self::MarketOf(_) => "events:market",
            Self::System => "events:system",
            Self::CacheInvalidated => "cache:invalidated",
            Self::CacheFreed(_) => "cache:freed",
            Self::LockFreed(_) => "lock:freed",
        }
    }
}

/// Writes the name without the prefix, also one that breaks a rule.
impl fmt::Display for ChannelName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.family())?;
        match self {
            Self::Task(part) | Self::MarketOf(part) | Self::CacheFreed(part) | Self::LockFreed(part) => {
                write!(f, ":{part}")
            }
            _ => Ok(()),
        }
    }
}

impl AsRef<str> for Channel {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::ChannelName;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let names = [
            "indicator:calculated",
            "price:update",
            "task:updated",
            "config:reloaded",
            "events:tasks",
            "events:task:17",
            "events:indicators",
            "events:market",
            "events:market:600519.SH",
            "events:system",
            "cache:invalidated",
            "cache:freed:n",
            "lock:freed:n",
        ];
        for name in names {
            assert_eq!(ChannelName::named(name).map(|channel| channel.to_string()).as_deref(), Some(name));
        }
        for other in
            ["", "events", "events:task", "events:task:", "events:tasks:17", "events:market:a:b", "price"]
        {
            assert_eq!(ChannelName::named(other), None, "{other}");
        }
    }
}
