//! Messages over Redis Pub/Sub.

mod journal;
mod streams;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mystocks_redis_core::{Call, ErrorKind as Cause, Event, RedisManager};
use redis::{Cmd, cmd, pipe};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::transport::{Ear, Interest, Listening, Outgoing, Signal, Source, Transport};

pub use streams::Streams;

/// Carries messages over Redis Pub/Sub, on the manager's connections: one for commands, one for all that is listened to.
#[derive(Debug, Clone)]
pub struct PubSub {
    redis: RedisManager,
}

impl PubSub {
    /// Makes a transport on `redis`.
    pub fn new(redis: RedisManager) -> Self {
        Self { redis }
    }
}

#[async_trait]
impl Transport for PubSub {
    async fn publish(&self, messages: &[Outgoing<'_>]) -> Result<Vec<u64>, Error> {
        let subject = || messages.first().map_or("", |message| message.channel.name());
        // A repetition after a lost answer would publish a second time.
        let receivers = match messages {
            [message] => self.redis.query(&publish(message), Call::once()).await.map(|count| vec![count]),
            messages => {
                let mut pipeline = pipe();
                for message in messages {
                    pipeline.add_command(publish(message));
                }
                self.redis.pipeline(&pipeline, Call::once()).await
            }
        };
        receivers.map_err(|cause| failed("publish on", subject(), cause))
    }

    fn listen(&self, interest: &Interest, ear: Arc<dyn Ear>) -> Result<Listening, Error> {
        if interest.waits {
            return Err(cannot_wait(interest));
        }
        let forgotten = Mutex::new(interest.forgotten()?);
        let hear = move |event| {
            ear.hear(match event {
                Event::Up => {
                    ear.hear(Signal::Up);
                    let forgotten = forgotten.lock().unwrap_or_else(PoisonError::into_inner).take();
                    if let Some(since) = forgotten {
                        ear.hear(Signal::Lost { since, until: Instant::now() });
                    }
                    return;
                }
                Event::Down { since } => Signal::Down { since },
                Event::Message { channel, payload } => Signal::Message { channel, payload, id: None },
                Event::Closed => Signal::Closed,
            });
        };
        Ok(Listening::new(match &interest.source {
            Source::Channels(channels) => {
                let names: Vec<_> = channels.iter().map(|channel| channel.as_str()).collect();
                self.redis.listen(&names, hear)
            }
            Source::Pattern(pattern) => self.redis.listen_by_pattern(&[pattern.as_str()], hear),
        }))
    }
}

/// Refuses who wants publishers to wait.
fn cannot_wait(interest: &Interest) -> Error {
    Error::new(ErrorKind::InvalidArgument, "subscribe to", interest.subject())
        .with_detail("publishers on Redis cannot wait: choose another overflow than Wait")
}

/// Returns what a publication that failed is to its caller.
fn failed(operation: &'static str, subject: &str, cause: mystocks_redis_core::Error) -> Error {
    let kind = match cause.kind() {
        Cause::Timeout => ErrorKind::Unknown,
        Cause::Unavailable | Cause::Exhausted | Cause::Closed => ErrorKind::Unavailable,
        _ => ErrorKind::Transport,
    };
    Error::new(kind, operation, subject).with_source(cause)
}

fn publish(message: &Outgoing<'_>) -> Cmd {
    let mut command = cmd("PUBLISH");
    command.arg(message.channel.as_str()).arg(message.payload);
    command
}
