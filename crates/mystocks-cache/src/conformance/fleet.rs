//! The processes of a test, and what the tests of the two seams have in common.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::{HOUR, PATIENCE};
use crate::backplane::{Backplane, Invalidation, Signal};
use crate::lease::{Held, Leases, Seen, Take, Want, Write};
use crate::store::Store;

/// Two processes that share a store.
pub struct Fleet {
    /// The store.
    pub store: Arc<dyn Store>,
    /// One process.
    pub here: Process,
    /// Another.
    pub there: Process,
    /// What has to live as long, such as a server.
    pub keep: Box<dyn Any + Send + Sync>,
}

/// What one process holds of the seams.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its leases.
    pub leases: Arc<dyn Leases>,
    /// Its backplane.
    pub backplane: Arc<dyn Backplane>,
}

impl Process {
    /// Makes a process of its leases and its backplane.
    pub fn new((leases, backplane): (impl Leases, impl Backplane)) -> Self {
        Self { leases: Arc::new(leases), backplane: Arc::new(backplane) }
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, here, there, .. } = self;
        f.debug_struct("Fleet")
            .field("store", store)
            .field("here", here)
            .field("there", there)
            .finish_non_exhaustive()
    }
}

pub(super) fn want<'a>(key: &'a str, token: &'a str, seen: &'a [u8]) -> Want<'a> {
    Want { key, token, seen: Seen::Head(seen), by_force: false }
}

pub(super) fn held<'a>(key: &'a str, token: &'a str) -> Held<'a> {
    Held { key, token }
}

pub(super) fn write<'a>(key: &'a str, token: &'a str, value: &'static str) -> Write<'a> {
    Write { held: held(key, token), value: Bytes::from(value), ttl: HOUR, seen: None, announce: false }
}

impl Process {
    pub(super) async fn take_all(&self, wanted: &[Want<'_>], ttl: Duration) -> Vec<Take> {
        match self.leases.take(wanted, ttl).await {
            Ok(takes) => takes,
            Err(error) => panic!("take: {error}"),
        }
    }

    pub(super) async fn take(&self, want: Want<'_>, ttl: Duration) -> Take {
        let mut takes = self.take_all(&[want], ttl).await;
        assert_eq!(takes.len(), 1, "one answer for one key");
        takes.remove(0)
    }

    /// Takes the lease of a key that has no entry, and returns the stamp.
    pub(super) async fn taken(&self, key: &str, token: &str, ttl: Duration) -> u64 {
        match self.take(want(key, token, b""), ttl).await {
            Take::Taken { stamp } => stamp,
            other => panic!("the lease of {key} is to be had, but: {other:?}"),
        }
    }

    pub(super) async fn commit(&self, write: Write<'_>) -> bool {
        match self.leases.commit(&[write]).await {
            Ok(written) => written == [true],
            Err(error) => panic!("commit: {error}"),
        }
    }

    pub(super) async fn release(&self, key: &str, token: &str) {
        let released = self.leases.release(&[held(key, token)]).await;
        assert!(released.is_ok(), "{released:?}");
    }

    pub(super) async fn renew(&self, key: &str, token: &str, ttl: Duration) -> bool {
        match self.leases.renew(&[held(key, token)], ttl).await {
            Ok(renewed) => renewed == [true],
            Err(error) => panic!("renew: {error}"),
        }
    }

    pub(super) async fn invalidate(&self, what: Invalidation<'_>) -> u64 {
        match self.backplane.invalidate(what).await {
            Ok(stamp) => stamp,
            Err(error) => panic!("invalidate {what:?}: {error}"),
        }
    }

    pub(super) async fn marks(&self, marks: &[&str]) -> Vec<u64> {
        match self.backplane.marks(marks).await {
            Ok(stamps) => stamps,
            Err(error) => panic!("marks: {error}"),
        }
    }

    /// Waits, with a limit that no test can reach, until the lease may be free; returning early is allowed.
    pub(super) async fn wait_until_free(&self, key: &str) {
        let freed = async {
            while let Take::Busy(_) = self.take(want(key, "who waits", b""), HOUR).await {
                let waited = self.leases.wait(key, HOUR).await;
                assert!(waited.is_ok(), "{waited:?}");
            }
        };
        assert!(timeout(PATIENCE, freed).await.is_ok(), "nobody woke who waits for {key}");
    }

    /// Listens, and returns when the link stands.
    pub(super) async fn listening(&self) -> Receiver<Signal> {
        let mut signals = self.backplane.listen();
        while heard(&mut signals).await != Signal::Up {}
        signals
    }
}

pub(super) async fn heard(signals: &mut Receiver<Signal>) -> Signal {
    match timeout(PATIENCE, signals.recv()).await {
        Ok(Some(signal)) => signal,
        Ok(None) => panic!("the signals have ended"),
        Err(_) => panic!("nothing is heard"),
    }
}

pub(super) fn recheck(cache: &str) -> Signal {
    Signal::Recheck { cache: cache.to_owned() }
}
