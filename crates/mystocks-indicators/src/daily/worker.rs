//! Workers of daily jobs: they take symbols from a durable topic, some at once.

mod bench;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use mystocks_bus::{Delivered, GiveUp, Handling, Worker};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use self::bench::{Bench, Waiting};
use crate::daily::chunk::Tools;
use crate::daily::event::{GROUP, Work};
use crate::daily::{DailyTopics, failed};
use crate::error::{Error, ErrorKind};

/// So many chunks are worked at a time: while one waits for a server the other computes.
const CHUNKS: usize = 2;

/// Why a symbol is not acknowledged.
type Refusal = Box<dyn StdError + Send + Sync>;

/// Works for daily jobs of this and other machines until it is shut down; made by [`DailyJob::work`](crate::DailyJob::work).
pub struct DailyWorker {
    worker: Worker,
    tasks: TaskTracker,
}

impl DailyWorker {
    /// Takes no more symbols, gives back at once what was not begun, and waits for those under way.
    pub async fn shutdown(self) {
        self.worker.shutdown().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl fmt::Debug for DailyWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DailyWorker").field("handled", &self.worker.handled()).finish_non_exhaustive()
    }
}

/// Begins to work, `chunk` symbols at once.
pub(super) async fn start(
    tools: Tools,
    topics: &DailyTopics,
    chunk: usize,
    handling: Handling,
) -> Result<DailyWorker, Error> {
    let (sender, receiver) = mpsc::channel::<Waiting>(chunk * CHUNKS);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let bench = Arc::new(Bench::new(tools, topics));
    let tasks = TaskTracker::new();
    for _ in 0..CHUNKS {
        let (bench, receiver) = (Arc::clone(&bench), Arc::clone(&receiver));
        tasks.spawn(async move {
            let mut waiting = Vec::with_capacity(chunk);
            while receiver.lock().await.recv_many(&mut waiting, chunk).await > 0 {
                bench.work(std::mem::take(&mut waiting)).await;
            }
        });
    }
    let deliveries = handling.deliveries;
    let handling = Handling { at_once: chunk * CHUNKS, prefetch: chunk * CHUNKS * 2, ..handling };
    let handler = move |delivered: Delivered<Work>| {
        let sender = sender.clone();
        async move {
            let (reply, ended) = oneshot::channel();
            let time = delivered.event.tried.saturating_add(delivered.deliveries);
            if time > deliveries {
                // Only those get that far whose workers died with them, for of an error of the last time is told.
                return Err(Refusal::from(GiveUp(format!(
                    "it was given to workers {} times in vain",
                    time - 1
                ))));
            }
            let (id, last_time) = (delivered.id, time == deliveries);
            let waiting = Waiting { work: delivered.event, id, time, last_time, reply };
            let gone = || Error::new(ErrorKind::Source, "work a symbol", "a worker that is shut down");
            sender.send(waiting).await.map_err(|_| gone())?;
            Ok(ended.await.unwrap_or_else(|_| Err(gone()))?)
        }
    };
    let worker = topics.work.consume(GROUP, handling, handler).await.map_err(|error| match error.kind() {
        mystocks_bus::ErrorKind::InvalidArgument => {
            Error::new(ErrorKind::InvalidArgument, "begin to work", "the handling").with_source(error)
        }
        _ => failed("begin to work", error),
    })?;
    Ok(DailyWorker { worker, tasks })
}
