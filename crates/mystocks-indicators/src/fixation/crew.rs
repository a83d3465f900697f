//! Who takes rows from the durable topic, puts them together and writes them.

use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use mystocks_bus::{Delivered, GiveUp, Handling, Worker};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::event::Row;
use super::row::HeldRow;
use super::tally::{Fate, Tally};
use super::target::FixationTarget;
use super::{Fixation, failed};
use crate::error::{Error, ErrorKind};

/// How long a target in trouble is left alone the first time; then twice as long each time, less up to a half by chance.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The target refuses a row by itself; all other deliveries are those of processes that ended, which says nothing of the row.
const DELIVERIES: u64 = 10_000;
/// What was given back comes again soon: it was its worker that ended.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
const AGAIN_AT_MOST: Duration = Duration::from_secs(5);

/// How much goes to the target at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

/// Writes what is held until it is ended; it never holds more than three batches.
pub(super) struct Crew {
    worker: Worker,
    writing: TaskTracker,
    stop: CancellationToken,
    _stops: DropGuard,
}

type Reply = oneshot::Sender<Result<(), Refusal>>;
type Refusal = Box<dyn StdError + Send + Sync>;

/// One row that waits to be written.
struct Waiting {
    held: HeldRow,
    bytes: usize,
    reply: Reply,
}

/// Rows that are written together, in the order in which they were put.
#[derive(Default)]
struct Bundle {
    rows: Vec<HeldRow>,
    replies: Vec<Reply>,
}

struct Writer {
    target: Arc<dyn FixationTarget>,
    tally: Arc<Tally>,
    batch: Batch,
    stop: CancellationToken,
}

impl Crew {
    pub(super) async fn start(fixation: &Fixation) -> Result<Self, Error> {
        let batch = fixation.batch;
        let (sender, receiver) = mpsc::channel::<Waiting>(batch.rows);
        let (writing, stop) = (TaskTracker::new(), CancellationToken::new());
        let writer = Writer {
            target: Arc::clone(&fixation.target),
            tally: Arc::clone(&fixation.tally),
            batch,
            stop: stop.clone(),
        };
        writing.spawn(writer.run(receiver));
        writing.close();
        let stops = stop.clone().drop_guard();
        let handling = Handling {
            // While one batch is written the next is put together.
            at_once: batch.rows * 2,
            prefetch: batch.rows,
            deliveries: DELIVERIES,
            // No row kills a process: those of killed workers go on together.
            alone_from: u64::MAX,
            again_after: AGAIN_AFTER,
            again_at_most: AGAIN_AT_MOST,
            lease: fixation.lease,
            ..Handling::default()
        };
        let handler = move |delivered: Delivered<Row>| {
            let sender = sender.clone();
            async move {
                let (reply, ended) = oneshot::channel();
                let place = delivered.id;
                let Some(row) = delivered.event.into_hot() else {
                    return Err(Refusal::from(GiveUp("it is no row that can be held".to_owned())));
                };
                let bytes = row.text().len() + row.kind.len() + row.key.len();
                let waiting = Waiting { held: HeldRow { row, place }, bytes, reply };
                sender.send(waiting).await.map_err(|_| Refusal::from(ended_early()))?;
                ended.await.unwrap_or_else(|_| Err(ended_early().into()))
            }
        };
        let worker = fixation.topic.consume(&fixation.group, handling, handler).await;
        let worker = worker.map_err(|error| failed("begin to write", error))?;
        Ok(Self { worker, writing, stop, _stops: stops })
    }

    /// Takes no more rows, tries once yet to write those in hand, and gives back what the target does not take.
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.worker.shutdown().await;
        self.writing.wait().await;
    }
}

impl Writer {
    async fn run(self, mut receiver: mpsc::Receiver<Waiting>) {
        let mut waiting = Vec::with_capacity(self.batch.rows);
        while receiver.recv_many(&mut waiting, self.batch.rows).await > 0 {
            waiting.sort_unstable_by_key(|one| one.held.place);
            let (mut bundle, mut bytes) = (Bundle::default(), 0);
            for one in waiting.drain(..) {
                if bytes + one.bytes > self.batch.bytes && !bundle.rows.is_empty() {
                    self.write(std::mem::take(&mut bundle)).await;
                    bytes = 0;
                }
                bytes += one.bytes;
                bundle.rows.push(one.held);
                bundle.replies.push(one.reply);
            }
            self.write(bundle).await;
        }
    }

    /// Writes a bundle; a row that the target refuses is searched for by halves, and the others go on.
    async fn write(&self, bundle: Bundle) {
        let mut bundles = vec![bundle];
        while let Some(bundle) = bundles.pop() {
            match self.upsert(&bundle.rows).await {
                Ok(written) => {
                    let given = bundle.rows.len() as u64;
                    self.tally.count(Fate::Written, written);
                    self.tally.count(Fate::Duplicate, given.saturating_sub(written));
                    reply(bundle, || Ok(()));
                }
                Err(error) if error.kind() != ErrorKind::InvalidArgument => {
                    reply(bundle, || Err(error.clone().into()));
                }
                Err(error) if bundle.rows.len() <= 1 => {
                    self.tally.count(Fate::Dead, 1);
                    tracing::warn!(%error, "a hot row is refused and lies aside");
                    reply(bundle, || Err(GiveUp(error.to_string()).into()));
                }
                Err(_) => {
                    let (first, second) = bundle.halves();
                    bundles.extend([second, first]);
                }
            }
        }
    }

    /// Asks the target until it takes or refuses them, or this is to end.
    async fn upsert(&self, rows: &[HeldRow]) -> Result<u64, Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            let asked = AssertUnwindSafe(self.target.upsert(rows)).catch_unwind().await;
            let error = match asked {
                Ok(Ok(written)) => {
                    self.tally.succeeded();
                    return Ok(written);
                }
                Ok(Err(error)) if error.kind() == ErrorKind::InvalidArgument => return Err(error),
                Ok(Err(error)) => error,
                Err(_) => {
                    Error::new(ErrorKind::Source, "write hot rows", "the target").with_detail("it panicked")
                }
            };
            self.tally.failed(&error);
            tracing::warn!(%error, rows = rows.len(), "hot rows cannot be written yet");
            let rest = sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0));
            if self.stop.run_until_cancelled(rest).await.is_none() {
                return Err(error);
            }
            self.tally.count(Fate::Retried, rows.len() as u64);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Bundle {
    fn halves(mut self) -> (Self, Self) {
        let half = self.rows.len() / 2;
        let second = Self { rows: self.rows.split_off(half), replies: self.replies.split_off(half) };
        (self, second)
    }
}

fn reply(bundle: Bundle, answer: impl Fn() -> Result<(), Refusal>) {
    for reply in bundle.replies {
        // Nobody waits any more when the worker was dropped; then the row comes to another.
        let _ = reply.send(answer());
    }
}

fn ended_early() -> Error {
    Error::new(ErrorKind::Source, "write hot rows", "a worker that is shut down")
}
