//! A live bus that remembers: Pub/Sub pushes every message, and a stream keeps it for those who were away.

mod catch_up;
mod reader;
mod registry;
mod state;
mod store;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mystocks_keys::Journal;
use mystocks_redis_core::{Call, ErrorKind as Cause, Script, ScriptRun};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::{Streams, cannot_wait, failed};
use crate::error::{Error, ErrorKind};
use crate::transport::{Ear, Interest, Listening, Outgoing, Transport};
use reader::Reader;
use registry::Registry;
use store::Store;

static PUBLISH: Script = Script::new(include_str!("journal/publish.lua"));

/// So long a channel is remembered after its last message.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
const LIFE_MILLIS: u64 = LIFE.as_secs() * 1000;

/// What carrying messages needs beside the connections.
#[derive(Debug, Clone)]
pub(super) struct Journals {
    remembers: u64,
    registry: Arc<Registry>,
    tasks: TaskTracker,
}

impl Default for Journals {
    fn default() -> Self {
        Self { remembers: 10_000, registry: Arc::default(), tasks: TaskTracker::new() }
    }
}

impl Streams {
    /// Sets how many messages of each channel are remembered at least, for a day after the last one. Default: 10,000.
    ///
    /// Each publisher keeps to its own; up to 100 more may be there. It is for [`Bus`](crate::Bus) and [`Hub`](crate::Hub): durable topics have a
    /// [room](crate::DurableTopic::room).
    #[must_use]
    pub fn remembers(mut self, messages: u64) -> Self {
        self.journals.remembers = messages.max(1);
        self
    }
}

/// What is published is pushed to whoever listens, as [`PubSub`](crate::PubSub) does, and remembered: who was cut off reads up on what it
/// missed, and only what is not remembered any more is [`Lost`](crate::Signal::Lost). Only this project's processes hear it.
#[async_trait]
impl Transport for Streams {
    async fn publish(&self, messages: &[Outgoing<'_>]) -> Result<Vec<u64>, Error> {
        const OPERATION: &str = "publish on";
        let subject = || messages.first().map_or("", |message| message.channel.name());
        let mut names: Vec<&str> = messages.iter().map(|message| message.channel.name()).collect();
        let (kept, life) = (self.journals.remembers.to_string(), LIFE_MILLIS.to_string());
        let keys = messages.iter().map(|message| {
            let journal = self.keyspace.journal(message.channel).map_err(|error| {
                Error::new(ErrorKind::InvalidArgument, OPERATION, message.channel.name()).with_source(error)
            })?;
            Ok(keys(&journal))
        });
        let keys = keys.collect::<Result<Vec<_>, Error>>()?;
        let texts: Vec<_> = keys.iter().map(|[entries, end, _]| [entries.as_str(), end.as_str()]).collect();
        let args: Vec<[&[u8]; 4]> = messages
            .iter()
            .zip(&keys)
            .map(|(message, [_, _, live])| {
                [message.payload, live.as_bytes(), kept.as_bytes(), life.as_bytes()]
            })
            .collect();
        let runs: Vec<_> = texts.iter().zip(&args).map(|(keys, args)| ScriptRun { keys, args }).collect();
        let registry = &self.journals.registry;
        let registering = registry.register(self, &names);
        registering.await.map_err(|cause| match cause.kind() {
            // Nothing was published.
            Cause::Timeout => Error::new(ErrorKind::Unavailable, OPERATION, subject()).with_source(cause),
            _ => failed(OPERATION, subject(), cause),
        })?;
        // A repetition after a lost answer would publish a second time.
        let answers: Result<Vec<(u64, u8)>, _> = match runs.as_slice() {
            [] => return Ok(Vec::new()),
            [run] => self.redis.script(&PUBLISH, run.keys, run.args, Call::once()).await.map(|one| vec![one]),
            runs => self.redis.scripts(&PUBLISH, runs, Call::once()).await,
        };
        let answers = answers.map_err(|cause| failed(OPERATION, subject(), cause))?;
        let mut begins = answers.iter().map(|(_, begins)| *begins == 1);
        names.retain(|_| begins.next() == Some(true));
        if !names.is_empty() {
            // The server may have lost its data since they were registered.
            registry.forget(&names);
            if let Err(error) = registry.register(self, &names).await {
                tracing::debug!(%error, "channels are registered with the next message");
            }
        }
        Ok(answers.into_iter().map(|(receivers, _)| receivers).collect())
    }

    fn listen(&self, interest: &Interest, ear: Arc<dyn Ear>) -> Result<Listening, Error> {
        if interest.waits {
            return Err(cannot_wait(interest));
        }
        interest.check_positions()?;
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "subscribe to", interest.subject()).with_source(error)
        })?;
        let store = Store::new(self);
        Ok(Listening::new(Reader::start(store, interest, ear, &self.journals.tasks, &runtime)?))
    }
}

/// Returns entries, end, and the channel on which entries are told.
fn keys(journal: &Journal) -> [String; 3] {
    [journal.entries(), journal.end(), journal.live()].map(|key| key.as_str().to_owned())
}
