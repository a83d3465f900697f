//! The keys of durable topics.

use crate::invalid_key::{InvalidKey, InvalidKeyKind};
use crate::key::Sidecar;
use crate::keyspace::Keyspace;
use crate::rule;

/// The keys of one durable topic, or of one lane of it: all of them begin with `{S}`, where S is `{bus}stream:{topic}`.
///
/// S itself is no key: what is deleted by a pattern of the cache prefix never meets a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stream {
    name: String,
    /// What the keys of a lane end in, such as `#3`; empty for the topic itself.
    lane: String,
}

/// The keys of one group of consumers of a durable topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamGroup {
    stream: Stream,
    group: String,
}

impl Keyspace {
    /// Returns the keys of the durable topic `topic`, which may have several segments.
    pub fn stream(&self, topic: &str) -> Result<Stream, InvalidKey> {
        const PART: &str = "topic";
        rule::path(PART, topic)?;
        laneless(PART, topic)?;
        let name = format!("{}stream:{topic}", self.prefixes().bus);
        rule::length(PART, topic, name.len())?;
        Ok(Stream { name, lane: String::new() })
    }
}

impl Stream {
    /// Returns the keys of lane `lane` of the topic: streams of its own in the same slot.
    #[must_use]
    pub fn lane(&self, lane: u32) -> Self {
        Self { name: self.name.clone(), lane: format!("#{lane}") }
    }

    /// Returns `{S}:entries`, the stream; `{S}:entries#{lane}` for a lane.
    pub fn entries(&self) -> Sidecar {
        self.of("entries")
    }

    /// Returns `{S}:count`, how many entries were ever appended; `{S}:count#{lane}` for a lane.
    pub fn count(&self) -> Sidecar {
        self.of("count")
    }

    /// Returns `{S}:lost`, how many entries were trimmed before each group was given them; `{S}:lost#{lane}` for a lane.
    pub fn lost(&self) -> Sidecar {
        self.of("lost")
    }

    /// Returns `{S}:once:{key}` for all lanes alike, which entry was appended under the idempotency key `key`, which may have several segments.
    pub fn once(&self, key: &str) -> Result<Sidecar, InvalidKey> {
        const PART: &str = "idempotency key";
        rule::path(PART, key)?;
        rule::length(PART, key, self.name.len() + key.len())?;
        Ok(Sidecar::beside(&self.name, &format!("once:{key}")))
    }

    /// Returns the keys of the group `group`.
    pub fn group(&self, group: &str) -> Result<StreamGroup, InvalidKey> {
        rule::segment("group", group)?;
        laneless("group", group)?;
        rule::length("group", group, self.name.len() + group.len())?;
        Ok(StreamGroup { stream: self.clone(), group: group.to_owned() })
    }

    fn of(&self, what: &str) -> Sidecar {
        Sidecar::beside(&self.name, &format!("{what}{}", self.lane))
    }
}

impl StreamGroup {
    /// Returns `{S}:leases:{group}`, its consumers and until when each is taken for alive; `{S}:leases:{group}#{lane}` for a lane.
    pub fn leases(&self) -> Sidecar {
        self.stream.of(&format!("leases:{}", self.group))
    }

    /// Returns `{S}:waiting:{group}`, the entries that wait to be given again and when each is due; `{S}:waiting:{group}#{lane}` for a lane.
    pub fn waiting(&self) -> Sidecar {
        self.stream.of(&format!("waiting:{}", self.group))
    }

    /// Returns `{S}:dead:{group}` for all lanes alike, the stream of its dead letters.
    pub fn dead(&self) -> Sidecar {
        Sidecar::beside(&self.stream.name, &format!("dead:{}", self.group))
    }
}

/// Refuses what would read like a lane.
fn laneless(part: &'static str, text: &str) -> Result<(), InvalidKey> {
    if text.contains('#') {
        let detail = "it holds a '#', which begins the number of a lane; leave it out";
        return Err(InvalidKey::new(InvalidKeyKind::Ambiguous, part, text, detail));
    }
    Ok(())
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
        let lane = stream.lane(3);
        let of_lane = lane.group("risk")?;
        let keys = [
            (lane.entries(), "entries#3"),
            (lane.count(), "count#3"),
            (lane.lost(), "lost#3"),
            (lane.once("order:17")?, "once:order:17"),
            (of_lane.leases(), "leases:risk#3"),
            (of_lane.waiting(), "waiting:risk#3"),
            (of_lane.dead(), "dead:risk"),
        ];
        for (key, rest) in keys {
            assert_eq!(key.as_str(), format!("{{mystocks:stream:portfolio:rebalanced}}:{rest}"));
        }
        assert!(Keyspace::default().stream("orders#3").is_err() && stream.group("risk#3").is_err());
        let long = "x".repeat(crate::MAX_KEY_BYTES);
        for refused in ["", "a{b", "a b\n", "a::b", "*", &long] {
            assert!(Keyspace::default().stream(refused).is_err(), "{refused}");
            assert!(stream.once(refused).is_err() && stream.group(refused).is_err(), "{refused}");
        }
        assert!(stream.group("a:b").is_err(), "a group is one segment");
        Ok(())
    }
}
