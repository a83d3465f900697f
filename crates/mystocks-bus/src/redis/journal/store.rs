//! What a listener asks the server.

use bytes::Bytes;
use mystocks_keys::{Channel, ChannelPattern, Journal, Keyspace};
use mystocks_redis_core::{Call, Error as Cause, Lane, RedisManager, Script, ScriptRun};
use redis::pipe;

use super::registry::REGISTERED_MILLIS;
use super::{Streams, keys};
use crate::log::Id;

static STAND: Script = Script::new(include_str!("stand.lua"));
static READ: Script = Script::new(include_str!("read.lua"));

/// So many ends are asked for together.
const ENDS: usize = 500;
/// So many entries are read together of one journal, unless they are large.
const ENTRIES: &str = "256";
const BYTES: &str = "65536";

/// An id and a payload.
type RawEntry = (String, Vec<u8>);

#[derive(Debug)]
pub(super) struct Store {
    pub(super) redis: RedisManager,
    pub(super) keyspace: Keyspace,
}

/// How the server stands.
pub(super) struct Standing {
    /// Another one means that data may have been lost.
    pub(super) identity: String,
    /// Milliseconds since the epoch.
    pub(super) now: u64,
    /// Channels that have journals, and match what was asked for.
    pub(super) channels: Vec<Channel>,
}

/// Where a journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) last: Id,
    /// When its first entry was made, which has the number 1.
    pub(super) born: u64,
}

pub(super) struct Page {
    /// Of the journal that the entries are of; `None` when it has none, which only a server that gives up keys makes.
    pub(super) born: Option<u64>,
    pub(super) entries: Vec<(Id, Bytes)>,
}

impl Store {
    pub(super) fn new(streams: &Streams) -> Self {
        Self { redis: streams.redis.clone(), keyspace: streams.keyspace.clone() }
    }

    /// Asks how the server stands, and with a pattern which of its channels have journals.
    pub(super) async fn standing(&self, pattern: Option<&ChannelPattern>) -> Result<Standing, Cause> {
        let journals = self.keyspace.journals();
        let (channels, epoch) = (journals.channels(), journals.epoch());
        let asked: &[u8] = if pattern.is_some() { b"1" } else { b"0" };
        let counts = REGISTERED_MILLIS.to_string();
        let (keys, args) = ([channels.as_str(), epoch.as_str()], [asked, counts.as_bytes()]);
        let (identity, now, names): (String, u64, Vec<String>) =
            self.redis.script(&STAND, &keys, &args, Call::repeatable()).await?;
        let channels = names.iter().filter_map(|name| self.keyspace.channel_named(name).ok());
        let wanted = |channel: &Channel| pattern.is_some_and(|pattern| pattern.matches(channel.as_str()));
        Ok(Standing { identity, now, channels: channels.filter(wanted).collect() })
    }

    /// Returns where journals end, in their order; `None` where there is none.
    pub(super) async fn ends(
        &self,
        journals: impl Iterator<Item = &Journal>,
    ) -> Result<Vec<Option<End>>, Cause> {
        let keys: Vec<String> = journals.map(|journal| journal.end().as_str().to_owned()).collect();
        let mut ends = Vec::with_capacity(keys.len());
        for some in keys.chunks(ENDS) {
            let mut pipeline = pipe();
            for key in some {
                pipeline.cmd("GET").arg(key);
            }
            let texts: Vec<Option<String>> = self.redis.pipeline(&pipeline, Call::repeatable()).await?;
            ends.extend(texts.iter().map(|text| text.as_deref().and_then(end)));
        }
        Ok(ends)
    }

    /// Reads a page of each journal.
    pub(super) async fn pages(&self, after: &[(Journal, Id)]) -> Result<Vec<Page>, Cause> {
        let texts: Vec<_> = after.iter().map(|(journal, id)| (keys(journal), id.to_string())).collect();
        let texts: Vec<_> = texts
            .iter()
            .map(|([entries, end, _], id)| {
                ([entries.as_str(), end.as_str()], [id.as_bytes(), ENTRIES.as_bytes(), BYTES.as_bytes()])
            })
            .collect();
        let runs: Vec<_> = texts.iter().map(|(keys, args)| ScriptRun { keys, args }).collect();
        // What is read may be large, and delays nobody there.
        let call = Call::repeatable().on(Lane::Bulk);
        let answers: Vec<(String, Vec<RawEntry>)> = self.redis.scripts(&READ, &runs, call).await?;
        let pages = answers.into_iter().map(|(text, entries)| Page {
            born: end(&text).map(|end| end.born),
            entries: entries
                .into_iter()
                .filter_map(|(id, payload)| Some((Id::read(&id)?, Bytes::from(payload))))
                .collect(),
        });
        Ok(pages.collect())
    }
}

/// Reads `number millis born`.
fn end(text: &str) -> Option<End> {
    let mut numbers = text.split(' ').map(|number| number.parse().ok());
    let (sequence, millis, born) = (numbers.next()??, numbers.next()??, numbers.next()??);
    Some(End { last: Id { millis, sequence }, born })
}
