//! A hand-over by hand: who holds the lock deletes it and tells the other, who then takes it.

use std::sync::{Arc, Mutex as Cell, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use redis::Script;
use redis::aio::PubSubStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::raw::{Raw, key};

const NAME: &str = "raw-ring";
const RELEASE: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
                       redis.call('DEL', KEYS[1]) redis.call('PUBLISH', ARGV[2], '1') return 1";

/// Two processes that know each other.
pub(super) struct RawRing {
    parties: [Mutex<Party>; 2],
}

struct Party {
    raw: Raw,
    release: Script,
    other: &'static str,
    heard: PubSubStream,
}

struct Lap {
    released: Instant,
    times: Vec<Duration>,
}

impl RawRing {
    pub(super) async fn start(redis: &str) -> Result<Self> {
        let one = Party::start(redis, "mystocks:raw:one", "mystocks:raw:other").await?;
        let other = Party::start(redis, "mystocks:raw:other", "mystocks:raw:one").await?;
        Ok(Self { parties: [one.into(), other.into()] })
    }

    /// Hands the lock over at least `times` times; returns how long each took.
    pub(super) async fn pass(self: &Arc<Self>, times: usize) -> Result<Vec<Duration>> {
        let lap = Arc::new(Cell::new(Lap { released: Instant::now(), times: Vec::new() }));
        let mut running = JoinSet::new();
        for index in 0..2 {
            let (ring, lap) = (Arc::clone(self), Arc::clone(&lap));
            running.spawn(async move {
                ring.parties[index].lock().await.go(index, times.div_ceil(2), &lap).await
            });
        }
        running.join_all().await.into_iter().collect::<Result<()>>()?;
        let mut lap = lap.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut lap.times))
    }
}

impl Party {
    async fn start(redis: &str, own: &str, other: &'static str) -> Result<Self> {
        let mut heard = redis::Client::open(redis)?.get_async_pubsub().await?;
        heard.subscribe(own).await?;
        let (raw, release) = (Raw::start(redis).await?, Script::new(RELEASE));
        Ok(Self { raw, release, other, heard: heard.into_on_message() })
    }

    /// The first begins, the second ends.
    async fn go(&mut self, index: usize, turns: usize, lap: &Cell<Lap>) -> Result<()> {
        let lap = || lap.lock().unwrap_or_else(PoisonError::into_inner);
        for turn in 0..turns {
            let begins = index == 0 && turn == 0;
            if !begins {
                self.heard.next().await.context("the subscription was to last")?;
            }
            let token = self.raw.set(NAME).await?;
            let now = Instant::now();
            if !begins {
                let mut lap = lap();
                let taken = now - lap.released;
                lap.times.push(taken);
            }
            if index == 1 && turn + 1 == turns {
                return self.raw.delete(NAME, &token).await;
            }
            lap().released = Instant::now();
            let mut release = self.release.prepare_invoke();
            release.key(key(NAME)).arg(token).arg(self.other);
            let done: u8 = release.invoke_async(&mut self.raw.connection.clone()).await?;
            ensure!(done == 1, "it was to be held");
        }
        Ok(())
    }
}
