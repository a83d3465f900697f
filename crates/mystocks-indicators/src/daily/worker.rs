//! Workers of daily jobs: they take symbols from a durable topic, some at once.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use mystocks_bus::{Delivered, DurableTopic, Handling, Worker};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::daily::chunk::{Ended, Tools};
use crate::daily::event::{GROUP, Outcome, Outcomes, Verdict, Work};
use crate::daily::plan::{Params, Plan};
use crate::daily::{DailyTopics, failed};
use crate::error::{Error, ErrorKind};
use crate::symbol::Symbol;

/// So many chunks are worked at a time: while one waits for a server the other computes.
const CHUNKS: usize = 2;
/// So many plans are remembered.
const PLANS: usize = 4;

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

/// One symbol that waits for its chunk.
struct Waiting {
    work: Work,
    /// Whether it is given to no handler again.
    last_time: bool,
    reply: oneshot::Sender<Result<(), Error>>,
}

struct Bench {
    tools: Tools,
    outcomes: DurableTopic<Outcomes>,
    plans: Mutex<VecDeque<Known>>,
}

#[derive(Clone)]
struct Known {
    run: String,
    plan: Arc<Plan>,
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
    let bench = Arc::new(Bench { tools, outcomes: topics.outcomes.clone(), plans: Mutex::default() });
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
            let last_time = delivered.deliveries >= deliveries;
            let waiting = Waiting { work: delivered.event, last_time, reply };
            let gone = || Error::new(ErrorKind::Source, "work a symbol", "a worker that is shut down");
            sender.send(waiting).await.map_err(|_| gone())?;
            ended.await.unwrap_or_else(|_| Err(gone()))
        }
    };
    let worker = topics
        .work
        .consume(GROUP, handling, handler)
        .await
        .map_err(|error| failed("begin to work", error))?;
    Ok(DailyWorker { worker, tasks })
}

impl Bench {
    /// Works what waits, run by run.
    async fn work(&self, mut waiting: Vec<Waiting>) {
        while let Some(first) = waiting.first() {
            let (task_id, run) = (first.work.task_id.clone(), first.work.run.clone());
            let of_run = |one: &Waiting| one.work.task_id == task_id && one.work.run == run;
            let (these, others) = waiting.into_iter().partition(of_run);
            waiting = others;
            self.work_run(&task_id, &run, these).await;
        }
    }

    async fn work_run(&self, task_id: &str, run: &str, waiting: Vec<Waiting>) {
        let plan = match self.plan(task_id, run).await {
            Ok(Some(plan)) => plan,
            // A later run computes it anew, nobody waits for this one.
            Ok(None) => return reply(waiting, &Ok(())),
            Err(error) => return self.give_up_or_retry(task_id, run, waiting, error).await,
        };
        let (mut symbols, mut known) = (Vec::new(), Vec::new());
        for one in waiting {
            match Symbol::new(&one.work.symbol) {
                Ok(symbol) => {
                    symbols.push(symbol);
                    known.push(one);
                }
                Err(error) => reply(vec![one], &Err(error)),
            }
        }
        let ended = self.tools.work(&plan, symbols).await;
        let (mut told, mut ready) = (Vec::new(), Vec::new());
        for (one, ended) in known.into_iter().zip(ended) {
            match self.settled(&one, ended) {
                Ok(outcome) => {
                    told.push(outcome);
                    ready.push(one);
                }
                Err(error) => reply(vec![one], &Err(error)),
            }
        }
        let said = self.tell(task_id, run, told).await;
        reply(ready, &said);
    }

    /// An error that may be gone the next time is one, unless there is none.
    fn settled(&self, one: &Waiting, ended: Ended) -> Result<Outcome, Error> {
        match ended {
            Err(error) if one.last_time => Ok(over(one, &error)),
            ended => ended,
        }
    }

    async fn give_up_or_retry(&self, task_id: &str, run: &str, waiting: Vec<Waiting>, error: Error) {
        let (over_now, again): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|one| one.last_time);
        let told = over_now.iter().map(|one| over(one, &error)).collect();
        let said = self.tell(task_id, run, told).await;
        reply(over_now, &said);
        reply(again, &Err(error));
    }

    /// Tells whoever counts; only then are the symbols acknowledged.
    async fn tell(&self, task_id: &str, run: &str, symbols: Vec<Outcome>) -> Result<(), Error> {
        if symbols.is_empty() {
            return Ok(());
        }
        let (task_id, run) = (task_id.to_owned(), run.to_owned());
        let outcomes = Outcomes { task_id, run, mark: String::new(), symbols };
        self.outcomes.publish(&outcomes).await.map(drop).map_err(|error| failed("tell the outcome", error))
    }

    /// Returns the plan of a run, `None` when there is a later one.
    async fn plan(&self, task_id: &str, run: &str) -> Result<Option<Arc<Plan>>, Error> {
        let is_it = |known: &&Known| known.run == run;
        if let Some(known) = self.plans.lock().unwrap_or_else(PoisonError::into_inner).iter().find(is_it) {
            return Ok(Some(Arc::clone(&known.plan)));
        }
        let unknown = || {
            Error::new(ErrorKind::Source, "find the task", task_id)
                .with_detail("it is not recorded where this worker records results")
        };
        let record = self.tools.results.task(task_id).await?.ok_or_else(unknown)?;
        let params = Params::read(task_id, record.params.as_ref())?;
        if params.run != run {
            return Ok(None);
        }
        let plan = Arc::new(params.plan(task_id)?);
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.push_front(Known { run: run.to_owned(), plan: Arc::clone(&plan) });
        plans.truncate(PLANS);
        Ok(Some(plan))
    }
}

fn over(one: &Waiting, error: &Error) -> Outcome {
    let verdict = Verdict::Failed(error.to_string());
    Outcome { symbol: one.work.symbol.clone(), verdict, computed: 0, rows: 0 }
}

fn reply(waiting: Vec<Waiting>, result: &Result<(), Error>) {
    for one in waiting {
        // Nobody waits any more when the worker was dropped; then the symbol comes to another.
        let _ = one.reply.send(result.clone());
    }
}
