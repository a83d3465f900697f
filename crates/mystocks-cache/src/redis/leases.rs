//! The leases in Redis.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_redis_core::{Call, ScriptRun};
use tokio::time::{sleep, timeout};

use super::names::Names;
use super::node::Node;
use super::{message, script, store_error, unexpected, watched};
use crate::backplane::digest;
use crate::error::Error;
use crate::lease::{Held, Leases, SEEN, Seen, Take, Want, Write};
use crate::ttl::whole_millis;

/// How many milliseconds the list of who waits outlives the lease: the lease may be renewed meanwhile.
const QUEUE_SLACK_MS: &str = "5000";
/// Whoever was not woken looks again so many milliseconds after the lease has expired: not all at once.
const SPREAD_MS: std::ops::RangeInclusive<u64> = 0..=40;
/// While nobody can be woken, one waits so many milliseconds and looks again.
const PAUSE_MS: std::ops::RangeInclusive<u64> = 20..=250;

/// Lends out the right to load the entries of a [`RedisStore`](crate::RedisStore) on behalf of one process; see
/// [`RedisStore::process`](crate::RedisStore::process).
///
/// A clone stands for the same process. No request is repeated after a lost connection. What listens ends with
/// [`RedisLeases::shutdown`], or when the process has neither leases nor backplane any more.
#[derive(Debug, Clone)]
pub struct RedisLeases {
    node: Arc<Node>,
}

impl RedisLeases {
    /// Ends what listens, for the backplane of this process too, and waits until it has ended.
    ///
    /// Waiting for a lease then returns early.
    pub async fn shutdown(&self) {
        self.node.shutdown().await;
    }

    pub(super) fn of(node: Arc<Node>) -> Self {
        Self { node }
    }

    async fn look_out(&self, key: &str) -> Result<(), Error> {
        let (node, doorbell) = (&self.node, &self.node.doorbell);
        node.answer_the_door();
        // Before the server is asked, so that nothing it sends from then on is lost.
        let interest = doorbell.interest(digest(key));
        tokio::select! {
            () = doorbell.up() => {}
            () = sleep(Duration::from_millis(fastrand::u64(PAUSE_MS))) => return Ok(()),
        }
        let names = Names::of(key);
        let keys = [names.lease.as_str(), names.queue.as_str()];
        let args = [node.freed.as_str().as_bytes(), QUEUE_SLACK_MS.as_bytes()];
        let left: Result<i64, _> = node.manager.script(&script::WAIT, &keys, &args, Call::once()).await;
        let left = left.map_err(|cause| store_error("wait for the lease of", &[key], cause))?;
        if let Ok(left) = u64::try_from(left)
            && left > 0
        {
            let expired = Duration::from_millis(left.saturating_add(fastrand::u64(SPREAD_MS)));
            // Woken or expired: either way it is time to look.
            let _ = timeout(expired, interest.rung()).await;
        }
        Ok(())
    }
}

#[async_trait]
impl Leases for RedisLeases {
    async fn take(&self, wanted: &[Want<'_>], ttl: Duration) -> Result<Vec<Take>, Error> {
        const OPERATION: &str = "take the lease of";
        let Some(first) = wanted.first() else { return Ok(Vec::new()) };
        let life = whole_millis(OPERATION, first.key, ttl)?.to_string();
        let seen = self.node.last_seen();
        let subjects: Vec<&str> = wanted.iter().map(|want| want.key).collect();
        let names: Vec<Names<'_>> = subjects.iter().map(|key| Names::of(key)).collect();
        let clock = self.node.clock.as_str();
        let keys: Vec<_> = names.iter().map(|names| [names.entry, names.lease.as_str(), clock]).collect();
        let sights: Vec<Sight<'_>> = wanted.iter().map(|want| Sight::of(want.seen)).collect();
        let args = wanted.iter().zip(&sights).map(|(want, sight)| {
            let force = if want.by_force { b"1" } else { b"0" };
            let (token, life) = (want.token.as_bytes(), life.as_bytes());
            [token, life, sight.last.as_bytes(), &sight.bytes, force, seen.as_bytes()]
        });
        let args: Vec<_> = args.collect();
        let runs: Vec<_> = keys.iter().zip(&args).map(|(keys, args)| ScriptRun { keys, args }).collect();
        // An entry that is answered is kept like one that was read.
        let call = watched(Call::once(), self.node.is_tracked);
        let answers: Result<Vec<(u8, Vec<u8>)>, _> =
            self.node.manager.scripts(&script::TAKE, &runs, call).await;
        let answers = answers.map_err(|cause| store_error(OPERATION, &subjects, cause))?;
        let taken = answers.into_iter().map(|answer| self.took(answer));
        taken.collect::<Option<Vec<_>>>().ok_or_else(|| unexpected(OPERATION, &subjects))
    }

    async fn wait(&self, key: &str, at_most: Duration) -> Result<(), Error> {
        timeout(at_most, self.look_out(key)).await.unwrap_or(Ok(()))
    }

    async fn renew(&self, held: &[Held<'_>], ttl: Duration) -> Result<Vec<bool>, Error> {
        const OPERATION: &str = "renew the lease of";
        let Some(first) = held.first() else { return Ok(Vec::new()) };
        let life = whole_millis(OPERATION, first.key, ttl)?.to_string();
        let subjects: Vec<&str> = held.iter().map(|held| held.key).collect();
        let names: Vec<Names<'_>> = subjects.iter().map(|key| Names::of(key)).collect();
        let keys: Vec<_> = names.iter().map(|names| [names.lease.as_str()]).collect();
        let args: Vec<_> = held.iter().map(|held| [held.token.as_bytes(), life.as_bytes()]).collect();
        let runs: Vec<_> = keys.iter().zip(&args).map(|(keys, args)| ScriptRun { keys, args }).collect();
        let renewed = self.node.manager.scripts(&script::RENEW, &runs, Call::once()).await;
        renewed.map_err(|cause| store_error(OPERATION, &subjects, cause))
    }

    async fn commit(&self, writes: &[Write<'_>]) -> Result<Vec<bool>, Error> {
        const OPERATION: &str = "write";
        let lives = writes.iter().map(|write| whole_millis(OPERATION, write.held.key, write.ttl));
        let lives = lives.map(|life| life.map(|life| life.to_string())).collect::<Result<Vec<_>, _>>()?;
        let node = &self.node;
        let (head, seen) = (message::head(&node.id), node.last_seen());
        let subjects: Vec<&str> = writes.iter().map(|write| write.held.key).collect();
        let names: Vec<Names<'_>> = subjects.iter().map(|key| Names::of(key)).collect();
        let keys = writes.iter().zip(&names).map(|(write, of)| {
            let mut keys = vec![of.entry, of.lease.as_str(), of.queue.as_str()];
            // Older servers watch all keys of a script that reads, and the clock is touched all the time.
            keys.extend(write.announce.then_some(node.clock.as_str()));
            keys
        });
        let keys: Vec<_> = keys.collect();
        let sights = writes.iter().map(|write| write.seen.map_or(Sight::NONE, Sight::of));
        let sights: Vec<Sight<'_>> = sights.collect();
        let args = writes.iter().zip(&lives).zip(names.iter().zip(&sights));
        let args = args.map(|((write, life), (names, sight))| {
            let token = write.held.token.as_bytes();
            let watch = if node.is_tracked { b"1" } else { b"0" };
            let mut args = vec![token, &*write.value, life.as_bytes(), names.digest.as_bytes(), watch];
            args.extend([sight.last.as_bytes(), &sight.bytes]);
            if write.announce {
                args.extend([node.invalidated.as_str().as_bytes(), head.as_bytes(), seen.as_bytes()]);
            }
            args
        });
        let args: Vec<_> = args.collect();
        let runs: Vec<_> = keys.iter().zip(&args).map(|(keys, args)| ScriptRun { keys, args }).collect();
        let size = writes.iter().map(|write| write.value.len()).sum();
        let call = watched(super::write(size, node.is_tracked), node.is_tracked);
        let written = node.manager.scripts(&script::COMMIT, &runs, call).await;
        written.map_err(|cause| store_error(OPERATION, &subjects, cause))
    }

    async fn release(&self, held: &[Held<'_>]) -> Result<(), Error> {
        const OPERATION: &str = "release the lease of";
        let subjects: Vec<&str> = held.iter().map(|held| held.key).collect();
        let names: Vec<Names<'_>> = subjects.iter().map(|key| Names::of(key)).collect();
        let keys: Vec<_> = names.iter().map(|names| [names.lease.as_str(), names.queue.as_str()]).collect();
        let args =
            held.iter().zip(&names).map(|(held, names)| [held.token.as_bytes(), names.digest.as_bytes()]);
        let args: Vec<_> = args.collect();
        let runs: Vec<_> = keys.iter().zip(&args).map(|(keys, args)| ScriptRun { keys, args }).collect();
        let released = self.node.manager.scripts::<bool>(&script::RELEASE, &runs, Call::once()).await;
        released.map(drop).map_err(|cause| store_error(OPERATION, &subjects, cause))
    }
}

/// What is compared of an entry, as the scripts are told.
struct Sight<'a> {
    /// The index of the last byte.
    last: &'static str,
    /// Those bytes, or the digest of all.
    bytes: Cow<'a, [u8]>,
}

/// The index of the last byte of a head.
const HEAD_END: &str = "63";
const _: () = assert!(SEEN == 64, "the index is that of the last byte");

impl<'a> Sight<'a> {
    const NONE: Self = Self { last: "", bytes: Cow::Borrowed(&[]) };

    fn of(seen: Seen<'a>) -> Self {
        match seen {
            // Whether there is one at all, a few bytes tell.
            Seen::Head(bytes) | Seen::Whole(bytes @ []) => {
                Self { last: HEAD_END, bytes: Cow::Borrowed(bytes) }
            }
            Seen::Whole(bytes) => {
                let digest = sha1_smol::Sha1::from(bytes).digest().to_string();
                Self { last: "-1", bytes: Cow::Owned(digest.into_bytes()) }
            }
        }
    }
}

impl RedisLeases {
    fn took(&self, answer: (u8, Vec<u8>)) -> Option<Take> {
        match answer {
            (0, stamp) => self.node.drawn(&stamp).map(|stamp| Take::Taken { stamp }),
            (1, entry) => Some(Take::Changed(Bytes::from(entry))),
            (2, left) => {
                let left: u64 = std::str::from_utf8(&left).ok()?.parse().ok()?;
                // What is in its last millisecond is held for 0 more; who waits that long does not wait.
                Some(Take::Busy(Duration::from_millis(left.max(1))))
            }
            _ => None,
        }
    }
}
