//! The locks in Redis.

mod keeping;
mod listening;
mod names;
mod reading;
mod releasing;
mod script;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::cmd;
use async_trait::async_trait;
use mystocks_keys::{Channel, ChannelName, Keyspace, Sidecar};
use mystocks_redis_core::{Call, ErrorKind as Cause, RedisManager, ScriptRun, Tracking};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backend::{
    Acquire, Acquired, Hear, Keep, Kept, Kind, Listening, LockBackend, Release, Spot, Standing, State,
};
use crate::error::{Error, ErrorKind};
use crate::redis::names::{Names, member};

/// How many keys one `SCAN` step looks at.
const SCAN_COUNT: usize = 500;

/// Keeps locks in Redis, for every process that uses the same server and database, the platform's Python side included.
///
/// One value is one process among those that wait: a channel of its own tells it whose turn it is.
#[derive(Debug)]
pub struct RedisLocks {
    manager: RedisManager,
    node: String,
    channel: Channel,
    /// The channel without the node.
    channels: String,
    quarantine: Option<(Sidecar, Duration)>,
    is_tracked: bool,
    /// Until somebody listens.
    tracking: Mutex<Option<Tracking>>,
    tasks: TaskTracker,
}

impl RedisLocks {
    /// Makes the locks of one process on the connections of `manager`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the bus prefix of `keyspace` is so long that names under it pass the limit.
    pub fn new(manager: RedisManager, keyspace: &Keyspace) -> Result<Self, Error> {
        let node = format!("{:016x}", fastrand::u64(..));
        let channel = keyspace.channel(ChannelName::LockFreed(&node)).map_err(|cause| {
            Error::new(ErrorKind::InvalidArgument, "name the channel of", node.as_str()).with_source(cause)
        })?;
        let channels = channel.as_str().strip_suffix(node.as_str()).unwrap_or_default().to_owned();
        Ok(Self {
            manager,
            node,
            channel,
            channels,
            quarantine: None,
            is_tracked: false,
            tracking: Mutex::new(None),
            tasks: TaskTracker::new(),
        })
    }

    /// Makes the locks of one process whose server watches every lock that it holds: what somebody else does to one of them is
    /// found at once, and not only when it is renewed.
    ///
    /// `manager` and `tracking` are of [`RedisManager::start_tracked`]. Semaphores and read-write locks are not watched.
    ///
    /// # Errors
    /// As [`RedisLocks::new`].
    pub fn tracked(manager: RedisManager, tracking: Tracking, keyspace: &Keyspace) -> Result<Self, Error> {
        let locks = Self::new(manager, keyspace)?;
        Ok(Self { is_tracked: true, tracking: Mutex::new(Some(tracking)), ..locks })
    }

    /// Trusts the server only when it has run for `longest`, the longest time to live of any lock: before that it may have
    /// forgotten a lock that is still held. For the servers of a quorum, whose restarts nobody else notices.
    #[must_use]
    pub fn with_quarantine(self, keyspace: &Keyspace, longest: Duration) -> Self {
        Self { quarantine: Some((keyspace.lock_trusted(), longest)), ..self }
    }

    /// Returns what stands for who waits with `token`, to hold it for `ttl`.
    fn waiter(&self, token: &str, ttl: Duration, kind: Kind) -> String {
        format!("{}:{token}:{}:{}", self.node, millis(ttl), kind.share().weight)
    }

    /// Returns whether the server watches spots of this kind: those that only their holder writes.
    fn watches(&self, kind: Kind) -> bool {
        self.is_tracked && kind == Kind::Exclusive
    }

    fn call(&self, kind: Kind) -> Call {
        if self.watches(kind) { Call::repeatable().tracked() } else { Call::repeatable() }
    }

    /// Acquires a lock as the Python side does: without a fence, a queue or a quarantine there is nothing else to do.
    async fn acquire_plainly(&self, want: &Acquire<'_>) -> Result<Acquired, Error> {
        let mut set = cmd("SET");
        set.arg(want.spot.key).arg(want.token).arg("NX").arg("PX").arg(millis(want.ttl));
        let done: Option<String> = self
            .manager
            .query(&set, Call::once())
            .await
            .map_err(|cause| error("acquire", want.spot.key, cause))?;
        Ok(match done {
            Some(_) => Acquired::Granted { fence: None },
            None => Acquired::Busy { retry_after: None, queued: None },
        })
    }
}

#[async_trait]
impl LockBackend for RedisLocks {
    async fn acquire(&self, want: &Acquire<'_>) -> Result<Acquired, Error> {
        let is_plain = want.fence.is_none() && want.place.is_none() && !want.fair;
        if is_plain && want.spot.kind == Kind::Exclusive && self.quarantine.is_none() && !self.is_tracked {
            return self.acquire_plainly(want).await;
        }
        let kind = want.spot.kind;
        let names = Names::of(want.spot);
        let minds_queue = want.place.is_some() || want.fair || self.quarantine.is_some();
        let queue = minds_queue.then(|| [Some(names.queue()), Some(names.waiters()), names.strangers()]);
        let fence = names.fence();
        let mut keys = vec![names.spot(), fence.as_str()];
        keys.extend(queue.iter().flatten().flatten().map(Sidecar::as_str));
        keys.extend(self.quarantine.as_ref().map(|(mark, _)| mark.as_str()));
        let share = kind.share();
        let token = member(kind, want.token);
        let ttl = millis(want.ttl).to_string();
        let floor = want.fence.map(|floor| floor.to_string()).unwrap_or_default();
        let who = format!("{} {}", self.node, want.owner);
        let watch = flag(self.watches(kind));
        let mut args = vec![token.as_bytes(), ttl.as_bytes(), floor.as_bytes(), who.as_bytes(), watch];
        let texts = (minds_queue || kind != Kind::Exclusive).then(|| {
            [
                share.of.to_string(),
                share.weight.to_string(),
                self.quarantine.as_ref().map(|(_, longest)| millis(*longest).to_string()).unwrap_or_default(),
                want.place.map(|_| self.waiter(want.token, want.ttl, kind)).unwrap_or_default(),
                want.place.map_or(0, |place| place.ticket).to_string(),
                want.place.map_or(0, |place| millis(place.lease)).to_string(),
            ]
        });
        if let Some(texts) = &texts {
            args.push(flag(want.fair));
            args.extend(texts.iter().map(String::as_bytes));
            args.push(self.channels.as_bytes());
        }
        let answer = self.manager.script(script::ACQUIRE.of(kind), &keys, &args, self.call(kind)).await;
        reading::acquired(want, answer.map_err(|cause| error("acquire", want.spot.key, cause))?)
    }

    async fn keep(&self, leases: &[Keep<'_>]) -> Result<Vec<Kept>, Error> {
        let mut kept = vec![Kept::Gone; leases.len()];
        self.keep_held(leases, &mut kept).await?;
        self.adopt(leases, &mut kept).await?;
        self.keep_waiting(leases, &mut kept).await?;
        Ok(kept)
    }

    async fn release(&self, releases: &[Release<'_>]) -> Result<Vec<Standing>, Error> {
        let mut stood = vec![Standing::Gone; releases.len()];
        for kinds in [script::Shape::Lock, script::Shape::Permits] {
            let of_kind = |release: &Release<'_>| release.token.is_some() && kinds.fits(release.spot.kind);
            let at: Vec<usize> = (0..releases.len()).filter(|&n| of_kind(&releases[n])).collect();
            self.release_at(releases, &at, &mut stood, script::RELEASE.shape(kinds)).await?;
        }
        for (n, release) in releases.iter().enumerate().filter(|(_, release)| release.token.is_none()) {
            stood[n] = self.force(release.spot).await?;
        }
        Ok(stood)
    }

    async fn inspect(&self, spots: &[Spot<'_>]) -> Result<Vec<State>, Error> {
        let names = spots.iter().map(|spot| {
            let names = Names::of(*spot);
            let (fence, waiters) = (names.fence(), names.waiters());
            (names, fence, waiters)
        });
        let names: Vec<_> = names.collect();
        let keys: Vec<[&str; 3]> = names
            .iter()
            .map(|(names, fence, waiters)| [names.spot(), fence.as_str(), waiters.as_str()])
            .collect();
        let runs: Vec<_> = keys.iter().map(|keys| ScriptRun { keys, args: &[] }).collect();
        let answers = self.manager.scripts(&script::INSPECT, &runs, Call::repeatable()).await;
        let answers = answers.map_err(|cause| error("inspect", subject(spots), cause))?;
        Ok(answers.into_iter().map(reading::state).collect())
    }

    async fn scan(&self, beginning: &str, cursor: Option<u64>) -> Result<(Vec<String>, Option<u64>), Error> {
        let mut scan = cmd("SCAN");
        scan.arg(cursor.unwrap_or(0)).arg("MATCH").arg(format!("{beginning}*"));
        scan.arg("COUNT").arg(SCAN_COUNT).arg("TYPE").arg("string");
        let found: Result<(u64, Vec<Vec<u8>>), _> = self.manager.query(&scan, Call::repeatable()).await;
        let (next, keys) = found.map_err(|cause| error("list", beginning, cause))?;
        let texts = keys.into_iter().filter_map(|key| String::from_utf8(key).ok());
        Ok((texts.collect(), (next != 0).then_some(next)))
    }

    fn listen(&self, hear: Hear) -> Listening {
        let hears = Arc::clone(&hear);
        let link = self.manager.listen(&[self.channel.as_str()], move |event| {
            if let Some(signal) = listening::read(event) {
                hears(signal);
            }
        });
        let tracking = self.tracking.lock().unwrap_or_else(PoisonError::into_inner).take();
        let watching = tracking.map(|tracking| {
            let stop = CancellationToken::new();
            self.tasks.spawn(stop.clone().run_until_cancelled_owned(listening::watch(tracking, hear)));
            stop.drop_guard()
        });
        Listening::until_dropped((link, watching))
    }
}

fn flag(is_set: bool) -> &'static [u8] {
    if is_set { b"1" } else { b"0" }
}

fn subject<'a>(spots: &[Spot<'a>]) -> &'a str {
    spots.first().map_or("nothing", |spot| spot.key)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Makes an error of ours out of one of the connections.
fn error(operation: &'static str, key: &str, cause: mystocks_redis_core::Error) -> Error {
    let kind = match cause.kind() {
        Cause::Timeout => ErrorKind::Unknown,
        Cause::Unavailable | Cause::Exhausted | Cause::Closed => ErrorKind::Unavailable,
        _ => ErrorKind::Backend,
    };
    Error::new(kind, operation, key).with_source(cause)
}
