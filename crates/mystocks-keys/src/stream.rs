//! The keys of durable topics.

use crate::invalid_key::InvalidKey;
use crate::key::Sidecar;
use crate::keyspace::Keyspace;
use crate::rule;

/// The keys of one durable topic: all of them begin with `{S}`, where S is `{bus}stream:{topic}`.
///
/// S itself is no key: what is deleted by a pattern of the cache prefix never meets a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stream {
    name: String,
}

/// The keys of one group of consumers of a durable topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamGroup {
    stream: String,
    group: String,
}

impl Keyspace {
    /// Returns the keys of the durable topic `topic`, which may have several segments.
    pub fn stream(&self, topic: &str) -> Result<Stream, InvalidKey> {
        const PART: &str = "topic";
        rule::path(PART, topic)?;
        let name = format!("{}stream:{topic}", self.prefixes().bus);
        rule::length(PART, topic, name.len())?;
        Ok(Stream { name })
    }
}

impl Stream {
    /// Returns `{S}:entries`, the stream.
    pub fn entries(&self) -> Sidecar {
        Sidecar::beside(&self.name, "entries")
    }

    /// Returns `{S}:count`, how many entries were ever appended.
    pub fn count(&self) -> Sidecar {
        Sidecar::beside(&self.name, "count")
    }

    /// Returns `{S}:lost`, how many entries were trimmed before each group was given them.
    pub fn lost(&self) -> Sidecar {
        Sidecar::beside(&self.name, "lost")
    }

    /// Returns `{S}:once:{key}`, which entry was appended under the idempotency key `key`, which may have several segments.
    pub fn once(&self, key: &str) -> Result<Sidecar, InvalidKey> {
        const PART: &str = "idempotency key";
        rule::path(PART, key)?;
        rule::length(PART, key, self.name.len() + key.len())?;
        Ok(Sidecar::beside(&self.name, &format!("once:{key}")))
    }

    /// Returns the keys of the group `group`.
    pub fn group(&self, group: &str) -> Result<StreamGroup, InvalidKey> {
        rule::segment("group", group)?;
        rule::length("group", group, self.name.len() + group.len())?;
        Ok(StreamGroup { stream: self.name.clone(), group: group.to_owned() })
    }
}

impl StreamGroup {
    /// Returns `{S}:leases:{group}`, its consumers and until when each is taken for alive.
    pub fn leases(&self) -> Sidecar {
        self.of("leases")
    }

    /// Returns `{S}:waiting:{group}`, the entries that wait to be given again and when each is due.
    pub fn waiting(&self) -> Sidecar {
        self.of("waiting")
    }

    /// Returns `{S}:dead:{group}`, the stream of its dead letters.
    pub fn dead(&self) -> Sidecar {
        self.of("dead")
    }

    fn of(&self, what: &str) -> Sidecar {
        Sidecar::beside(&self.stream, &format!("{what}:{}", self.group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_the_slot_of_its_topic() -> Result<(), InvalidKey> {
        let stream = Keyspace::default().stream("portfolio:rebalanced")?;
        let group = stream.group("risk")?;
        let keys = [
            (stream.entries(), "entries"),
            (stream.count(), "count"),
            (stream.lost(), "lost"),
            (stream.once("order:17")?, "once:order:17"),
            (group.leases(), "leases:risk"),
            (group.waiting(), "waiting:risk"),
            (group.dead(), "dead:risk"),
        ];
        for (key, rest) in keys {
            assert_eq!(key.as_str(), format!("{{mystocks:stream:portfolio:rebalanced}}:{rest}"));
            assert!(Keyspace::default().is_foreign(key.as_str()));
        }
        let long = "x".repeat(crate::MAX_KEY_BYTES);
        for refused in ["", "a{b", "a b\n", "a::b", "*", &long] {
            assert!(Keyspace::default().stream(refused).is_err(), "{refused}");
            assert!(stream.once(refused).is_err() && stream.group(refused).is_err(), "{refused}");
        }
        assert!(stream.group("a:b").is_err(), "a group is one segment");
        Ok(())
    }
}
