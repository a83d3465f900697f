//! Reads whose keys the server watches, and what it says when one is touched.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use mystocks_config::RedisSettings;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, PushInfo, PushKind, RedisError, RedisFuture, RedisResult, Value};

use crate::mailbox::{Mailbox, Notice};
use crate::{Error, RedisManager};

/// So many keys wait for [`Tracking::next`]; more are a gap.
const CAPACITY: usize = 100_000;

/// What happened to the keys read with [`Call::tracked`](crate::Call::tracked).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// Tracked reads from now on are watched.
    Up,
    /// Nothing is watched any more: whatever was read before may change unseen, and so may reads that are under way.
    Down,
    /// These keys were written, deleted, evicted or have expired; each is watched again from its next tracked read on.
    Keys(Vec<Bytes>),
    /// The server was flushed: all keys are touched.
    All,
}

/// What the server says about the keys that were read with [`Call::tracked`](crate::Call::tracked).
///
/// Dropping it ends nothing but the telling.
pub struct Tracking {
    mailbox: Arc<Mailbox<Touched>>,
}

impl RedisManager {
    /// Starts like [`RedisManager::start`], with server-assisted tracking on the connection of [`Lane::Small`](crate::Lane::Small).
    ///
    /// That connection speaks RESP3 (Redis 6 or later), so replies have RESP3's types: `HGETALL` answers with a map, for one. It runs
    /// `CLIENT TRACKING ON OPTIN NOLOOP` each time before anybody uses it, and is asked for life every 400 ms, because one that has silently
    /// died would leave everything that was read valid for good. Writes over the connection itself are not told; those over
    /// [`Lane::Bulk`](crate::Lane::Bulk), a dedicated connection or another client are.
    ///
    /// When the server refuses to track, the manager works untracked and [`Tracking::next`] says [`Touched::Down`].
    ///
    /// # Errors
    ///
    /// As [`RedisManager::start`].
    pub async fn start_tracked(settings: &RedisSettings) -> Result<(Self, Tracking), Error> {
        let mailbox = Arc::new(Mailbox::new("tracking", CAPACITY));
        let manager = Self::start_with(settings, Some(Arc::clone(&mailbox))).await?;
        Ok((manager, Tracking { mailbox }))
    }
}

impl Tracking {
    /// Waits for the next thing to know; `None` after [`RedisManager::shutdown`] or with the manager's last clone, when all has been taken.
    ///
    /// The first is [`Touched::Up`], or [`Touched::Down`] when the manager did not connect within 1.5 s. Who falls 100,000 keys behind is told
    /// [`Touched::Down`] and [`Touched::Up`] in place of the rest. Cancel safe.
    pub async fn next(&mut self) -> Option<Touched> {
        Some(match self.mailbox.next().await? {
            Notice::Up => Touched::Up,
            Notice::Down(_) => Touched::Down,
            Notice::Message(touched) => touched,
        })
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

impl fmt::Debug for Tracking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracking").finish_non_exhaustive()
    }
}

/// Takes in what the connection received unasked.
pub(crate) fn hear(mailbox: &Mailbox<Touched>, push: PushInfo) {
    if push.kind != PushKind::Invalidate {
        return;
    }
    match push.data.into_iter().next() {
        Some(Value::Array(keys)) => {
            let keys: Vec<_> = keys.into_iter().filter_map(key).collect();
            let weight = keys.len();
            mailbox.deliver(Touched::Keys(keys), weight);
        }
        _ => mailbox.deliver(Touched::All, 1),
    }
}

fn key(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(key) => Some(key.into()),
        Value::SimpleString(key) => Some(key.into()),
        _ => None,
    }
}

/// Turns tracking on for a connection, and shows that its user may opt in.
pub(crate) fn turn_on() -> Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.cmd("CLIENT").arg("TRACKING").arg("ON").arg("OPTIN").arg("NOLOOP");
    pipeline.cmd("CLIENT").arg("CACHING").arg("YES").cmd("PING");
    pipeline
}

/// A connection that has the keys of each command watched.
pub(crate) struct Watching<'a>(pub(crate) &'a mut MultiplexedConnection);

impl Watching<'_> {
    pub(crate) async fn send_one(&mut self, command: &Cmd) -> RedisResult<Value> {
        let mut replies = self.send([command].into_iter()).await?;
        replies.pop().ok_or_else(not_watched)
    }

    /// Sends each command right behind its own opt-in, in one piece: it counts for the next command on the connection, whoever's that is.
    pub(crate) async fn send(&mut self, commands: impl Iterator<Item = &Cmd>) -> RedisResult<Vec<Value>> {
        let mut pipeline = redis::pipe();
        for command in commands {
            pipeline.cmd("CLIENT").arg("CACHING").arg("YES").add_command(command.clone());
        }
        let mut answers = self.0.send_packed_commands(&pipeline, 0, pipeline.len()).await?.into_iter();
        let mut replies = Vec::with_capacity(pipeline.len() / 2);
        while let (Some(opted_in), Some(reply)) = (answers.next(), answers.next()) {
            // A reply nobody watches must not be taken for a watched one.
            if opted_in != Value::Okay {
                return Err(not_watched());
            }
            replies.push(reply);
        }
        Ok(replies)
    }
}

impl ConnectionLike for Watching<'_> {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(self.send_one(command))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        _offset: usize,
        _count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(self.send(pipeline.cmd_iter()))
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

/// The connection has lost its tracking and is no good any more.
fn not_watched() -> RedisError {
    io::Error::new(io::ErrorKind::ConnectionReset, "the server does not track this connection").into()
}
