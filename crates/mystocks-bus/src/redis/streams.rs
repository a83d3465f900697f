//! Durable topics in Redis Streams.

mod reply;

use std::fmt::Display;
use std::time::Duration;

use async_trait::async_trait;
use mystocks_keys::{InvalidKey, Keyspace, Stream, StreamGroup};
use mystocks_redis_core::{Call, ErrorKind as Cause, RedisManager, Script};
use redis::{Cmd, Value, cmd};
use tokio::time::timeout;

use super::journal::Journals;
use crate::error::{Error, ErrorKind};
use crate::lane;
use crate::log::{
    Append, Appended, Consumer, Entry, GroupState, Id, Log, Once, Part, Room, Settle, Settled, Shelf, Start,
    Tend, Tended, Verdict,
};

static APPEND: Script = Script::new(include_str!("streams/append.lua"));
static SETTLE: Script = Script::new(concat!(
    "#!lua flags=allow-oom\n",
    include_str!("streams/group.lua"),
    include_str!("streams/settle.lua")
));
static TEND: Script = Script::new(concat!(
    "#!lua flags=allow-oom\n",
    include_str!("streams/group.lua"),
    include_str!("streams/tend.lua")
));
static TAKE: Script =
    Script::new(concat!(include_str!("streams/group.lua"), include_str!("streams/take.lua")));
static WAITING: Script =
    Script::new(concat!(include_str!("streams/group.lua"), include_str!("streams/waiting.lua")));
static STATE: Script =
    Script::new(concat!(include_str!("streams/group.lua"), include_str!("streams/state.lua")));

/// How much longer than it asked the server to wait a read waits for the answer.
const GRACE: Duration = Duration::from_secs(1);

/// Keeps durable topics in Redis Streams, and carries live messages that it remembers: what is short on the manager's shared connections,
/// what waits on one of its own.
#[derive(Debug, Clone)]
pub struct Streams {
    pub(super) redis: RedisManager,
    pub(super) keyspace: Keyspace,
    pub(super) journals: Journals,
}

/// What the script of the state answers.
type Figures = (u64, u64, u64, u64, u64, u64, u64, String);

/// The keys of a group, in the order in which every script of groups takes them.
struct Keys {
    entries: String,
    leases: String,
    waiting: String,
    dead: String,
    lost: String,
}

impl Streams {
    /// Makes one on `redis` with the names of `keyspace`.
    pub fn new(redis: RedisManager, keyspace: &Keyspace) -> Self {
        Self { redis, keyspace: keyspace.clone(), journals: Journals::default() }
    }

    fn stream(&self, operation: &'static str, topic: &str) -> Result<Stream, Error> {
        let (name, lane) = lane::split(topic);
        let stream = self.keyspace.stream(name).map_err(|error| invalid(operation, topic, error))?;
        Ok(lane.map(|lane| stream.lane(lane)).unwrap_or(stream))
    }

    fn keys(&self, operation: &'static str, topic: &str, group: &str) -> Result<Keys, Error> {
        let stream = self.stream(operation, topic)?;
        let group: StreamGroup = stream.group(group).map_err(|error| invalid(operation, topic, error))?;
        Ok(Keys {
            entries: stream.entries().as_str().to_owned(),
            leases: group.leases().as_str().to_owned(),
            waiting: group.waiting().as_str().to_owned(),
            dead: group.dead().as_str().to_owned(),
            lost: stream.lost().as_str().to_owned(),
        })
    }

    /// Asks on a shared connection what changes nothing.
    async fn ask(&self, operation: &'static str, topic: &str, command: &Cmd) -> Result<Value, Error> {
        let asking = self.redis.query(command, Call::repeatable());
        asking.await.map_err(|cause| failed(operation, topic, cause))
    }

    /// Asks what waits for an answer, for so long, on a connection of its own.
    async fn wait(
        &self,
        operation: &'static str,
        topic: &str,
        command: &Cmd,
        wait: Duration,
    ) -> Result<Value, Error> {
        let mut own = self.redis.dedicated().await.map_err(|cause| failed(operation, topic, cause))?;
        match timeout(wait.saturating_add(GRACE), command.query_async(&mut own)).await {
            Ok(reply) => reply.map_err(|cause| Error::new(kind(&cause), operation, topic).with_source(cause)),
            Err(_) => Err(Error::new(ErrorKind::Unknown, operation, topic)),
        }
    }

    /// Runs a script of the group of `consumer`.
    async fn run(
        &self,
        operation: &'static str,
        script: &Script,
        consumer: &Consumer<'_>,
        args: &[Vec<u8>],
        call: Call,
    ) -> Result<Value, Error> {
        let keys = self.keys(operation, consumer.topic, consumer.group)?;
        let mut all: Vec<&[u8]> = vec![consumer.group.as_bytes(), consumer.name.as_bytes()];
        all.extend(args.iter().map(Vec::as_slice));
        let reply = self.redis.script(script, &keys.all(), &all, call).await;
        reply.map_err(|cause| failed(operation, consumer.topic, cause))
    }
}

impl Streams {
    async fn waiting(&self, topic: &str, group: &str, part: Part) -> Result<Vec<Entry>, Error> {
        const OPERATION: &str = "read what waits of";
        let (after, count) = match part {
            Part::After { id, count, .. } => (from(id), count),
            Part::Last => (from(None), u32::MAX as usize),
        };
        let nobody = Consumer { topic, group, name: "", lease: Duration::ZERO, is_sole: false };
        let args = [after.into_bytes(), text(count)];
        let reply = self.run(OPERATION, &WAITING, &nobody, &args, Call::repeatable()).await?;
        let mut waiting = reply::waiting(reply).ok_or_else(|| garbled(OPERATION, topic))?;
        // The server walks through them forward only.
        let surplus = if part == Part::Last { waiting.len().saturating_sub(1) } else { 0 };
        waiting.drain(..surplus);
        Ok(waiting)
    }

    /// Waits for news: they all share a slot, so one command can watch them.
    async fn news(&self, topics: &[(&str, Id)], part: Part) -> Result<Vec<Entry>, Error> {
        const OPERATION: &str = "watch";
        let wait = match part {
            Part::After { wait, .. } => wait,
            Part::Last => Duration::ZERO,
        };
        let Some((first, _)) = topics.first() else { return Ok(Vec::new()) };
        let mut keys = Vec::with_capacity(topics.len());
        for (topic, after) in topics {
            keys.push((self.stream(OPERATION, topic)?.entries().as_str().to_owned(), *after));
        }
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(1);
        if !wait.is_zero() {
            command.arg("BLOCK").arg(whole_millis(wait));
        }
        command.arg("STREAMS");
        keys.iter().for_each(|(key, _)| _ = command.arg(key));
        keys.iter().for_each(|(_, after)| _ = command.arg(after.to_string()));
        let reply = self.wait(OPERATION, first, &command, wait).await?;
        reply::news(reply, &keys).ok_or_else(|| garbled(OPERATION, first))
    }
}

impl Keys {
    fn all(&self) -> [&str; 5] {
        [&self.entries, &self.leases, &self.waiting, &self.dead, &self.lost]
    }
}

#[async_trait]
impl Log for Streams {
    async fn append(&self, topic: &str, room: Room, entries: &[Append<'_>]) -> Result<Vec<Appended>, Error> {
        const OPERATION: &str = "append to";
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let stream = self.stream(OPERATION, topic)?;
        let mut keys: Vec<String> =
            [stream.entries(), stream.count(), stream.lost()].iter().map(|key| key.as_str().into()).collect();
        let (most, is_lossy) = match room {
            Room::Safe(most) => (most, false),
            Room::Latest(most) => (most, true),
        };
        let mut args = vec![text(most), flag(is_lossy)];
        for entry in entries {
            args.push(entry.payload.to_vec());
            match entry.once {
                None => args.push(b"p".to_vec()),
                Some(Once::Key(key, window)) => {
                    let key = stream.once(key).map_err(|error| invalid(OPERATION, topic, error))?;
                    keys.push(key.as_str().to_owned());
                    args.extend([b"o".to_vec(), text(whole_millis(window))]);
                }
                Some(Once::Letter { group, id }) => {
                    keys.push(self.keys(OPERATION, topic, group)?.dead);
                    args.extend([b"r".to_vec(), id.to_string().into_bytes(), group.as_bytes().to_vec()]);
                }
            }
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        // What is there once may be appended twice without standing there twice.
        let call =
            if entries.iter().all(|entry| entry.once.is_some()) { Call::repeatable() } else { Call::once() };
        let answers: Vec<String> = self
            .redis
            .script(&APPEND, &keys, &args, call)
            .await
            .map_err(|cause| failed(OPERATION, topic, cause))?;
        let appended = answers.iter().map(|answer| reply::appended(answer));
        let mut appended = appended.collect::<Option<Vec<_>>>().ok_or_else(|| garbled(OPERATION, topic))?;
        appended.resize(entries.len(), Appended::Full);
        Ok(appended)
    }

    async fn read(&self, consumer: &Consumer<'_>, count: usize, wait: Duration) -> Result<Vec<Entry>, Error> {
        const OPERATION: &str = "read from";
        let topic = consumer.topic;
        if consumer.is_sole {
            let reply = self.run(OPERATION, &TAKE, consumer, &[text(count.max(1))], Call::once()).await?;
            return reply::read(reply, 1).ok_or_else(|| garbled(OPERATION, topic));
        }
        let keys = self.keys(OPERATION, topic, consumer.group)?;
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(consumer.group).arg(consumer.name).arg("COUNT").arg(count.max(1));
        if !wait.is_zero() {
            command.arg("BLOCK").arg(whole_millis(wait));
        }
        command.arg("STREAMS").arg(&keys.entries).arg(">");
        let reply = self.wait(OPERATION, topic, &command, wait).await?;
        reply::read(reply, 1).ok_or_else(|| garbled(OPERATION, topic))
    }

    async fn settle(&self, consumer: &Consumer<'_>, settlements: &[Settle<'_>]) -> Result<Settled, Error> {
        const OPERATION: &str = "settle what came from";
        let mut args = Vec::with_capacity(3 * settlements.len());
        for settle in settlements {
            let (verdict, argument) = match settle.verdict {
                Verdict::Done => ("d", Vec::new()),
                Verdict::Again(after) => ("a", text(whole_millis(after))),
                Verdict::Dead(reason) => ("x", reason.as_bytes().to_vec()),
            };
            args.extend([settle.id.to_string().into_bytes(), verdict.as_bytes().to_vec(), argument]);
        }
        let stood = self.run(OPERATION, &SETTLE, consumer, &args, Call::repeatable()).await?;
        match stood {
            Value::Int(1) => Ok(Settled::Settled),
            Value::Int(0) => Ok(Settled::Lost),
            _ => Err(garbled(OPERATION, consumer.topic)),
        }
    }

    async fn tend(&self, consumer: &Consumer<'_>, tend: &Tend<'_>) -> Result<Tended, Error> {
        const OPERATION: &str = "look after";
        let mut args = vec![
            text(whole_millis(consumer.lease)),
            text(tend.room),
            text(tend.deliveries),
            flag(tend.keeps.is_some()),
            flag(tend.leave),
            tend.join.map(start).unwrap_or_default().into_bytes(),
            text(tend.alone),
            flag(consumer.is_sole),
            flag(tend.only.is_some()),
        ];
        let (keeps, only) = (tend.keeps.unwrap_or_default(), tend.only.unwrap_or_default());
        args.extend([text(keeps.len()), flag(tend.takes_alone)]);
        args.extend(keeps.iter().chain(only).map(|id| id.to_string().into_bytes()));
        let reply = self.run(OPERATION, &TEND, consumer, &args, Call::once()).await?;
        reply::tended(reply).ok_or_else(|| garbled(OPERATION, consumer.topic))
    }

    async fn range(&self, shelf: Shelf<'_>, part: Part) -> Result<Vec<Entry>, Error> {
        const OPERATION: &str = "read";
        let (topic, key) = match shelf {
            Shelf::Topic(topic) => (topic, self.stream(OPERATION, topic)?.entries().as_str().to_owned()),
            Shelf::Dead { topic, group } => (topic, self.keys(OPERATION, topic, group)?.dead),
            Shelf::Waiting { topic, group } => return self.waiting(topic, group, part).await,
            Shelf::News(topics) => return self.news(topics, part).await,
        };
        let entries = match part {
            Part::After { id, count, wait } if !wait.is_zero() && matches!(shelf, Shelf::Topic(_)) => {
                let mut command = cmd("XREAD");
                command.arg("COUNT").arg(count.max(1)).arg("BLOCK").arg(whole_millis(wait));
                command.arg("STREAMS").arg(key).arg(id.map_or_else(|| "0".to_owned(), |id| id.to_string()));
                reply::read(self.wait(OPERATION, topic, &command, wait).await?, 0)
            }
            Part::After { id, count, .. } => {
                let mut command = cmd("XRANGE");
                command.arg(key).arg(from(id)).arg("+").arg("COUNT").arg(count);
                reply::entries(self.ask(OPERATION, topic, &command).await?)
            }
            Part::Last => {
                let mut command = cmd("XREVRANGE");
                command.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
                reply::entries(self.ask(OPERATION, topic, &command).await?)
            }
        };
        entries.ok_or_else(|| garbled(OPERATION, topic))
    }

    async fn state(&self, topic: &str, group: &str) -> Result<GroupState, Error> {
        const OPERATION: &str = "look at";
        let nobody = Consumer { topic, group, name: "", lease: Duration::ZERO, is_sole: false };
        let reply = self.run(OPERATION, &STATE, &nobody, &[], Call::repeatable()).await?;
        let (entries, lag, pending, waiting, dead, consumers, trimmed, oldest): Figures =
            redis::from_redis_value(reply).map_err(|_| garbled(OPERATION, topic))?;
        let oldest = Id::read(&oldest);
        Ok(GroupState { entries, lag, pending, waiting, dead, consumers, trimmed, oldest })
    }
}

/// Returns where a range begins that comes after this one.
fn from(after: Option<Id>) -> String {
    after.map_or_else(|| "-".to_owned(), |after| format!("({after}"))
}

fn start(start: Start) -> String {
    match start {
        Start::First => "0".to_owned(),
        Start::After(id) => id.to_string(),
        Start::Now => "$".to_owned(),
    }
}

fn flag(is: bool) -> Vec<u8> {
    vec![if is { b'1' } else { b'0' }]
}

fn text(number: impl Display + Copy) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Rounds up: what is asked for is never shorter.
fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn invalid(operation: &'static str, topic: &str, error: InvalidKey) -> Error {
    Error::new(ErrorKind::InvalidArgument, operation, topic).with_source(error)
}

fn garbled(operation: &'static str, topic: &str) -> Error {
    Error::new(ErrorKind::Transport, operation, topic).with_detail("the answer has another shape")
}

fn failed(operation: &'static str, topic: &str, cause: mystocks_redis_core::Error) -> Error {
    let kind = match cause.kind() {
        Cause::Timeout => ErrorKind::Unknown,
        Cause::Unavailable | Cause::Exhausted | Cause::Closed => ErrorKind::Unavailable,
        _ => ErrorKind::Transport,
    };
    Error::new(kind, operation, topic).with_source(cause)
}

fn kind(cause: &redis::RedisError) -> ErrorKind {
    if cause.is_connection_dropped() || cause.is_io_error() {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Transport
    }
}
