//! The keys and channels of a bus that remembers.

use crate::channel::{Channel, ChannelPattern};
use crate::invalid_key::InvalidKey;
use crate::key::Sidecar;
use crate::keyspace::Keyspace;
use crate::rule;

/// What is remembered of one channel: all of it begins with `{J}`, where J is `{bus}journal:{name}`.
///
/// J itself is neither a key nor a channel, and a name in braces is under no prefix: no pattern of channels and none of the cache meets it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Journal {
    name: String,
}

/// What is known of all journals: all of it begins with `{R}`, where R is `{bus}journals`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Journals {
    name: String,
}

impl Keyspace {
    /// Returns the journal of `channel`.
    pub fn journal(&self, channel: &Channel) -> Result<Journal, InvalidKey> {
        let name = format!("{}{}", self.journal_prefix(), channel.name());
        rule::length("channel name", channel.name(), name.len())?;
        Ok(Journal { name })
    }

    /// Returns what is known of all journals.
    pub fn journals(&self) -> Journals {
        Journals { name: format!("{}journals", self.prefixes().bus) }
    }

    /// Returns the pattern that matches [`Journal::live`] of exactly those channels that `pattern` matches.
    pub fn journal_pattern(&self, pattern: &ChannelPattern) -> String {
        let glob = pattern.as_str().get(self.prefixes().bus.len()..).unwrap_or_default();
        // Braces are literal in Redis' globs, and no name holds one.
        Sidecar::beside(&format!("{}{glob}", self.journal_prefix()), LIVE).as_str().to_owned()
    }

    /// Returns the channel whose [`Journal::live`] is `live`; `None` when it is no such channel under the bus prefix.
    pub fn journaled(&self, live: &str) -> Option<Channel> {
        let rest = live.strip_prefix('{')?.strip_prefix(self.journal_prefix().as_str())?;
        let (name, what) = rest.split_once("}:")?;
        (what == LIVE).then(|| self.channel_named(name).ok()).flatten()
    }

    fn journal_prefix(&self) -> String {
        format!("{}journal:", self.prefixes().bus)
    }
}

const LIVE: &str = "live";

impl Journal {
    /// Returns `{J}:entries`, the stream of what was published.
    pub fn entries(&self) -> Sidecar {
        Sidecar::beside(&self.name, "entries")
    }

    /// Returns `{J}:end`, where it ends.
    pub fn end(&self) -> Sidecar {
        Sidecar::beside(&self.name, "end")
    }

    /// Returns `{J}:live`, the channel on which each entry is told.
    pub fn live(&self) -> Sidecar {
        Sidecar::beside(&self.name, LIVE)
    }
}

impl Journals {
    /// Returns `{R}:channels`, which channels have a journal.
    pub fn channels(&self) -> Sidecar {
        Sidecar::beside(&self.name, "channels")
    }

    /// Returns `{R}:epoch`, which tells the server's data from those of before a loss.
    pub fn epoch(&self) -> Sidecar {
        Sidecar::beside(&self.name, "epoch")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Prefixes, glob_matches};

    #[test]
    fn every_key_is_in_the_slot_of_its_journal_and_under_no_prefix() -> Result<(), InvalidKey> {
        let keyspace = Keyspace::default();
        let channel = keyspace.channel_named("events:market:600519.SH")?;
        let (journal, all) = (keyspace.journal(&channel)?, keyspace.journals());
        let expected = "{mystocks:journal:events:market:600519.SH}:";
        for (key, rest) in [(journal.entries(), "entries"), (journal.end(), "end"), (journal.live(), "live")]
        {
            assert_eq!(key.as_str(), format!("{expected}{rest}"));
            assert!(keyspace.is_foreign(key.as_str()));
            for glob in ["*", "events:*", "journal:*", "?*"] {
                assert!(!keyspace.channel_pattern(glob)?.matches(key.as_str()), "{glob}");
            }
        }
        assert_eq!(all.channels().as_str(), "{mystocks:journals}:channels");
        assert_eq!(all.epoch().as_str(), "{mystocks:journals}:epoch");
        let long = keyspace.channel_named(&"x".repeat(crate::MAX_KEY_BYTES - "mystocks:".len()))?;
        assert!(keyspace.journal(&long).is_err(), "the name of its journal is too long");
        Ok(())
    }

    #[test]
    fn a_pattern_of_journals_matches_what_the_pattern_of_channels_matches() -> Result<(), InvalidKey> {
        let keyspace = Keyspace::new(Prefixes { bus: "p:".to_owned(), ..Prefixes::default() })?;
        let names = ["a", "a:b", "ab", "a:live", "events:market:6", "events:marke", "journal:a"];
        for glob in ["*", "a*", "a?b", "[ab]", "a:*", "events:market:*", "\\*", "*e"] {
            let pattern = keyspace.channel_pattern(glob)?;
            let told = keyspace.journal_pattern(&pattern);
            for name in names {
                let channel = keyspace.channel_named(name)?;
                let live = keyspace.journal(&channel)?.live();
                let matches = glob_matches(told.as_bytes(), live.as_str().as_bytes());
                assert_eq!(matches, pattern.matches(channel.as_str()), "{glob} and {name}");
                assert_eq!(keyspace.journaled(live.as_str()), Some(channel));
            }
        }
        for other in
            ["", "{", "p:a", "{p:journal:a}", "{p:journal:a}:end", "{q:journal:a}:live", "{p:journal:}:live"]
        {
            assert_eq!(keyspace.journaled(other), None, "{other}");
        }
        Ok(())
    }
}
