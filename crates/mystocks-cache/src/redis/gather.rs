//! Single reads that are asked for together while many are under way.

use std::fmt;
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::{Cmd, Value, cmd};
use futures::FutureExt;
use mystocks_redis_core::{Call, Error, RedisManager};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// With so many single reads under way the next one is gathered; below, the detour costs more than it saves.
const CROWD: usize = 32;
/// Two, so that the server works on one batch while this process takes the other one apart.
const COLLECTORS: usize = 2;
/// After this time without an answer a batch holds up the next one no longer.
const PATIENCE: Duration = Duration::from_millis(50);
/// How many keys one `MGET` asks for: few enough of large values that a reply is about [`REPLY`].
const FEWEST: usize = 8;
const MOST: usize = 256;
const REPLY: usize = 256 * 1024;

/// What one gathered read gets; the error is the whole batch's.
pub(super) type Answer = Result<Value, Arc<Error>>;

/// Gathers the single reads of one store.
///
/// A read that is the first of its batch starts a collector, a task of its own: whichever caller goes away, the others
/// get their answers. What is not collected yet is never more than one batch, since a full one is sent at once.
pub(super) struct Gather {
    shared: Arc<Shared>,
    _stop_with_the_last_handle: DropGuard,
}

/// A single read under way, for as long as this lives.
pub(super) struct Reading<'a> {
    depth: &'a AtomicUsize,
    is_crowded: bool,
}

struct Shared {
    depth: AtomicUsize,
    queue: Mutex<Queue>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

struct Queue {
    batch: Batch,
    limit: usize,
    collectors: usize,
}

struct Batch {
    mget: Cmd,
    waiting: Vec<oneshot::Sender<Answer>>,
}

impl Gather {
    pub(super) fn new() -> Self {
        let stop = CancellationToken::new();
        let shared = Shared {
            depth: AtomicUsize::new(0),
            queue: Mutex::new(Queue { batch: Batch::with_room_for(0), limit: MOST, collectors: 0 }),
            tracker: TaskTracker::new(),
            stop: stop.clone(),
        };
        Self { shared: Arc::new(shared), _stop_with_the_last_handle: stop.drop_guard() }
    }

    /// Counts a single read, which may be one too many to go out by itself.
    pub(super) fn enter(&self) -> Reading<'_> {
        let depth = &self.shared.depth;
        let is_crowded = depth.fetch_add(1, Ordering::Relaxed) >= CROWD;
        Reading { depth, is_crowded }
    }

    /// Reads `key` together with others, or returns `None` when nobody is left to do so: then it is to be read alone.
    ///
    /// All callers of one `Gather` give the same `call`: the first of a batch gives the batch's.
    pub(super) async fn read(&self, key: &str, redis: &RedisManager, call: Call) -> Option<Answer> {
        if self.shared.stop.is_cancelled() {
            return None;
        }
        let (answer, waiting) = oneshot::channel();
        self.shared.add(key, answer, redis, call);
        waiting.await.ok()
    }

    /// Ends the collectors, and waits until they are gone.
    pub(super) async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
    }
}

impl Reading<'_> {
    pub(super) fn is_crowded(&self) -> bool {
        self.is_crowded
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.depth.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    fn add(self: &Arc<Self>, key: &str, answer: oneshot::Sender<Answer>, redis: &RedisManager, call: Call) {
        let mut queue = self.queue();
        queue.batch.mget.arg(key);
        queue.batch.waiting.push(answer);
        if queue.batch.waiting.len() >= queue.limit {
            let batch = queue.take();
            drop(queue);
            let shared = Arc::clone(self);
            let redis = redis.clone();
            self.spawn(async move { shared.ask(batch, &redis, call, || {}).await });
        } else if queue.collectors < COLLECTORS {
            queue.collectors += 1;
            drop(queue);
            self.collect(redis.clone(), call);
        }
    }

    /// Starts a collector, which has a seat already.
    fn collect(self: &Arc<Self>, redis: RedisManager, call: Call) {
        let mut seat = Seat { shared: Arc::clone(self), is_taken: true };
        self.spawn(async move {
            loop {
                // Whoever can run now and wants to read shall be of this batch.
                tokio::task::yield_now().await;
                let Some(batch) = seat.next() else {
                    return;
                };
                let shared = Arc::clone(&seat.shared);
                shared.ask(batch, &redis, call, || seat.leave(&redis, call)).await;
                if !seat.is_taken {
                    return;
                }
            }
        });
    }

    /// Asks for a batch and hands out the answers; calls `late` every [`PATIENCE`] that there is none.
    async fn ask(&self, batch: Batch, redis: &RedisManager, call: Call, mut late: impl FnMut()) {
        let Batch { mget, waiting } = batch;
        let mut asked = pin!(redis.query::<Vec<Value>>(&mget, call));
        let reply = loop {
            match tokio::time::timeout(PATIENCE, &mut asked).await {
                Ok(reply) => break reply,
                Err(_) => late(),
            }
            let gone = waiting.iter().filter(|answer| answer.is_closed()).count();
            if gone == waiting.len() {
                return;
            }
            if gone > 0 {
                // A call dropped without an answer has its connection looked at. Theirs would have been dropped.
                let _ = redis.query::<Value>(&cmd("PING"), Call::once()).now_or_never();
            }
        };
        match reply {
            Ok(values) => {
                self.fit(&values);
                for (answer, value) in waiting.into_iter().zip(values) {
                    // Whoever does not wait any more needs no answer.
                    let _ = answer.send(Ok(value));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for answer in waiting {
                    let _ = answer.send(Err(Arc::clone(&error)));
                }
            }
        }
    }

    /// Makes the next batches as large as values of this size allow.
    fn fit(&self, values: &[Value]) {
        let size = |value: &Value| if let Value::BulkString(bytes) = value { bytes.len() } else { 0 };
        let total: usize = values.iter().map(size).sum();
        let mean = (total / values.len().max(1)).max(1);
        self.queue().limit = (REPLY / mean).clamp(FEWEST, MOST);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }
}

impl Queue {
    fn take(&mut self) -> Batch {
        let next = Batch::with_room_for(self.batch.waiting.len());
        mem::replace(&mut self.batch, next)
    }
}

impl Batch {
    fn with_room_for(keys: usize) -> Self {
        let mut mget = Cmd::with_capacity(keys + 1, keys * 32);
        mget.arg("MGET");
        Self { mget, waiting: Vec::with_capacity(keys) }
    }
}

/// The right to be one of the [`COLLECTORS`].
struct Seat {
    shared: Arc<Shared>,
    is_taken: bool,
}

impl Seat {
    /// Takes what is waiting; gives the seat up when nothing is.
    fn next(&mut self) -> Option<Batch> {
        let mut queue = self.shared.queue();
        if queue.batch.waiting.is_empty() {
            queue.collectors -= 1;
            self.is_taken = false;
            return None;
        }
        Some(queue.take())
    }

    /// Gives the seat up to whoever collects what is waiting.
    fn leave(&mut self, redis: &RedisManager, call: Call) {
        if !mem::take(&mut self.is_taken) {
            return;
        }
        let mut queue = self.shared.queue();
        if queue.batch.waiting.is_empty() {
            queue.collectors -= 1;
        } else {
            drop(queue);
            self.shared.collect(redis.clone(), call);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.is_taken {
            // Ended from outside. Those who wait would wait for ever: without an answer to come they read alone.
            let mut queue = self.shared.queue();
            queue.collectors -= 1;
            let abandoned = queue.take();
            drop(queue);
            drop(abandoned);
        }
    }
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = self.shared.depth.load(Ordering::Relaxed);
        f.debug_struct("Gather").field("depth", &depth).finish_non_exhaustive()
    }
}
