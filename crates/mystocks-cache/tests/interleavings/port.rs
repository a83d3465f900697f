//! The ways out of one process, slow at random, and flawed where that is what is to be found.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_cache::{
    Backplane, Cursor, Error, Held, Invalidation, Leases, Lifetime, MemoryBackplane, MemoryLeases,
    MemoryStore, Page, Put, Signal, Store, Take, Want, Write,
};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use crate::ledger::{Datum, Ledger};

/// A promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    WritesWithoutLease,
    ForgetsMarks,
    SetsInSilence,
    LosesMessages,
    Dawdles,
    StampsItself,
    LeavesLeases,
}

/// Store, leases and backplane of one process.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) store: MemoryStore,
    pub(crate) leases: MemoryLeases,
    pub(crate) link: MemoryBackplane,
    pub(crate) random: Arc<Mutex<fastrand::Rng>>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) flaw: Flaw,
    /// How slow a request can be, in milliseconds.
    pub(crate) slow: u64,
}

impl Port {
    pub(crate) async fn pause(&self) {
        let pause = {
            let mut random = self.random.lock().unwrap();
            match random.u8(..8) {
                0..4 => 0,
                4..7 => random.u64(..4),
                _ => random.u64(..self.slow),
            }
        };
        match pause {
            0 => yield_now().await,
            pause => sleep(Duration::from_millis(pause)).await,
        }
    }

    /// Says a request's answer late, and asks late.
    async fn slowly<T>(&self, request: impl Future<Output = T>) -> T {
        self.pause().await;
        let answer = request.await;
        self.pause().await;
        answer
    }

    fn enter(&self, write: &Write<'_>) {
        // The stamp stands at 8, the length of the notes at 36, the notes from 52 on.
        let stamp = write.value[8..16].try_into().map(u64::from_le_bytes).unwrap();
        let notes = usize::from(u16::from_le_bytes([write.value[36], write.value[37]]));
        let datum: Datum = rmp_serde::from_slice(&write.value[52 + notes..]).unwrap();
        self.ledger.wrote(stamp, &datum);
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("flaw", &self.flaw).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Port {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        self.slowly(self.store.get(keys)).await
    }
    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error> {
        self.slowly(self.store.put(entries)).await
    }
    async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        self.slowly(self.store.remove(keys)).await
    }
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        self.slowly(self.store.touch(key, ttl)).await
    }
    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, Error> {
        self.slowly(self.store.scan(pattern, cursor)).await
    }
    fn now_ms(&self) -> u64 {
        self.store.now_ms()
    }
}

#[async_trait]
impl Leases for Port {
    async fn take(&self, wanted: &[Want<'_>], ttl: Duration) -> Result<Vec<Take>, Error> {
        let mut taken = self.slowly(self.leases.take(wanted, ttl)).await?;
        if self.flaw == Flaw::StampsItself {
            let skew = self.random.lock().unwrap().u64(..40_000);
            for take in &mut taken {
                if let Take::Taken { stamp } = take {
                    *stamp = self.store.now_ms() * 1000 - skew;
                }
            }
        }
        Ok(taken)
    }

    async fn wait(&self, key: &str, at_most: Duration) -> Result<(), Error> {
        self.slowly(self.leases.wait(key, at_most)).await
    }

    async fn renew(&self, held: &[Held<'_>], ttl: Duration) -> Result<Vec<bool>, Error> {
        self.slowly(self.leases.renew(held, ttl)).await
    }

    async fn commit(&self, writes: &[Write<'_>]) -> Result<Vec<bool>, Error> {
        self.pause().await;
        let mut writes = writes.to_vec();
        if self.flaw == Flaw::SetsInSilence {
            writes.iter_mut().for_each(|write| write.announce = false);
        }
        let mut written = self.leases.commit(&writes).await?;
        for (write, written) in writes.iter().zip(&mut written) {
            if self.flaw == Flaw::WritesWithoutLease && !*written {
                let (key, value) = (write.held.key, write.value.clone());
                self.store.put(&[Put { key, value, ttl: write.ttl }]).await?;
                *written = true;
            }
            if *written {
                self.enter(write);
            }
        }
        self.pause().await;
        Ok(written)
    }

    async fn release(&self, held: &[Held<'_>]) -> Result<(), Error> {
        self.slowly(self.leases.release(held)).await
    }
}

#[async_trait]
impl Backplane for Port {
    async fn invalidate(&self, what: Invalidation<'_>) -> Result<u64, Error> {
        self.pause().await;
        if let (Flaw::LeavesLeases, Invalidation::Keys(keys)) = (self.flaw, what) {
            self.store.remove(keys).await?;
            return Ok(self.store.now_ms() * 1000);
        }
        let stamp = self.link.invalidate(what).await;
        self.pause().await;
        stamp
    }

    async fn marks(&self, marks: &[&str]) -> Result<Vec<u64>, Error> {
        let stamps = self.slowly(self.link.marks(marks)).await?;
        Ok(if self.flaw == Flaw::ForgetsMarks { vec![0; stamps.len()] } else { stamps })
    }

    fn listen(&self) -> mpsc::Receiver<Signal> {
        let mut signals = self.link.listen();
        let (late, mut waiting) = mpsc::unbounded_channel::<(Instant, Signal)>();
        let (to, heard) = mpsc::channel(64);
        let port = self.clone();
        tokio::spawn(async move {
            while let Some(mut signal) = signals.recv().await {
                let most = if port.flaw == Flaw::Dawdles { 200 } else { 40 };
                let delay = port.random.lock().unwrap().u64(..most);
                match (&mut signal, port.flaw) {
                    (Signal::Keys { .. }, Flaw::LosesMessages) => continue,
                    (Signal::Mark { stamp, .. }, Flaw::ForgetsMarks) => *stamp = 0,
                    _ => {}
                }
                let _ = late.send((Instant::now() + Duration::from_millis(delay), signal));
            }
        });
        tokio::spawn(async move {
            // In order: one that is late makes those behind it late.
            while let Some((at, signal)) = waiting.recv().await {
                sleep_until(at).await;
                if to.send(signal).await.is_err() {
                    return;
                }
            }
        });
        heard
    }
}
