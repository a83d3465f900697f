//! Locks in memory behind a gate: a test says when a request arrives, and when its answer does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mystocks_config::LockSettings;
use mystocks_lock::{
    Acquire, Acquired, Error, ErrorKind, Hear, Keep, Kept, Keyspace, Listening, LockBackend, Locker,
    MemoryLocks, Release, Spot, Standing, State,
};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// Of one whose sender was told that there was no answer.
    AcquireRequest,
    AcquireAnswer,
    KeepRequest,
    KeepAnswer,
    ReleaseRequest,
}

/// What all who look at one gate share.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    stops: Mutex<VecDeque<Stop>>,
    /// The time to live and whether it is the least, of every request to keep what is held, whether it came through or not.
    pub(crate) kept: Mutex<Vec<(Duration, bool)>>,
    /// Whether whoever acquires is told at once that there was no answer, and the request comes when the gate lets it.
    pub(crate) delays_acquisitions: std::sync::atomic::AtomicBool,
    pub(crate) refuses_releases: std::sync::atomic::AtomicBool,
}

#[derive(Debug)]
struct Stop {
    at: At,
    here: oneshot::Sender<()>,
    opened: oneshot::Receiver<()>,
}

/// One that will be stopped, or stands there.
pub(crate) struct Stopped {
    reached: oneshot::Receiver<()>,
    open: oneshot::Sender<()>,
}

impl Gate {
    /// Stops the next one that comes there.
    pub(crate) fn stop(&self, at: At) -> Stopped {
        let ((here, reached), (open, opened)) = (oneshot::channel(), oneshot::channel());
        self.stops.lock().unwrap().push_back(Stop { at, here, opened });
        Stopped { reached, open }
    }

    async fn pass(&self, at: At) {
        let stop = {
            let mut stops = self.stops.lock().unwrap();
            let found = stops.iter().position(|stop| stop.at == at);
            found.and_then(|n| stops.remove(n))
        };
        if let Some(Stop { here, opened, .. }) = stop {
            let _ = here.send(());
            let _ = opened.await;
        }
    }
}

impl Stopped {
    pub(crate) async fn reached(&mut self) {
        (&mut self.reached).await.unwrap();
    }

    pub(crate) fn open(self) {
        let _ = self.open.send(());
    }
}

/// One process that shares locks in memory with others, behind a gate of its own.
#[derive(Debug)]
struct Gated {
    locks: MemoryLocks,
    gate: Arc<Gate>,
}

/// Makes the locker of a process behind a gate.
pub(crate) fn gated(locks: &MemoryLocks) -> (Locker, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let backend = Gated { locks: locks.process(), gate: Arc::clone(&gate) };
    (Locker::new(backend, &LockSettings::default(), &Keyspace::default()), gate)
}

#[async_trait]
impl LockBackend for Gated {
    async fn acquire(&self, want: &Acquire<'_>) -> Result<Acquired, Error> {
        if self.gate.delays_acquisitions.load(std::sync::atomic::Ordering::Relaxed) {
            let (gate, locks, key) = (Arc::clone(&self.gate), self.locks.process(), want.spot.key.to_owned());
            let (kind, token, ttl) = (want.spot.kind, want.token.to_owned(), want.ttl);
            TaskTracker::new().spawn(async move {
                gate.pass(At::AcquireRequest).await;
                let spot = Spot { key: &key, kind };
                let (token, owner) = (token.as_str(), "{}");
                let late = Acquire { spot, token, ttl, fence: Some(0), owner, fair: false, place: None };
                locks.acquire(&late).await
            });
            return Err(Error::new(ErrorKind::Unknown, "acquire", want.spot.key));
        }
        let answer = self.locks.acquire(want).await;
        self.gate.pass(At::AcquireAnswer).await;
        answer
    }
    async fn keep(&self, leases: &[Keep<'_>]) -> Result<Vec<Kept>, Error> {
        let held = leases.iter().filter_map(|lease| match *lease {
            Keep::Held { ttl, is_least, .. } => Some((ttl, is_least)),
            Keep::Waiting { .. } => None,
        });
        let held: Vec<_> = held.collect();
        if held.is_empty() {
            return self.locks.keep(leases).await;
        }
        self.gate.kept.lock().unwrap().extend(held);
        self.gate.pass(At::KeepRequest).await;
        let answer = self.locks.keep(leases).await;
        self.gate.pass(At::KeepAnswer).await;
        answer
    }
    async fn release(&self, releases: &[Release<'_>]) -> Result<Vec<Standing>, Error> {
        self.gate.pass(At::ReleaseRequest).await;
        if self.gate.refuses_releases.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "release", "a gate that is shut"));
        }
        self.locks.release(releases).await
    }
    async fn inspect(&self, spots: &[Spot<'_>]) -> Result<Vec<State>, Error> {
        self.locks.inspect(spots).await
    }
    async fn scan(&self, beginning: &str, cursor: Option<u64>) -> Result<(Vec<String>, Option<u64>), Error> {
        self.locks.scan(beginning, cursor).await
    }
    fn listen(&self, hear: Hear) -> Listening {
        self.locks.listen(hear)
    }
}
