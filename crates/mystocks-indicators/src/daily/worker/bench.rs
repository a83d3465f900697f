//! What a worker does with the symbols that it was given.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mystocks_bus::{DurableTopic, Id};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::daily::chunk::{Ended, Tools};
use crate::daily::event::{Outcome, Outcomes, Verdict, Work};
use crate::daily::plan::{Params, Plan};
use crate::daily::{DailyTopics, failed};
use crate::error::{Error, ErrorKind};
use crate::symbol::Symbol;

/// So many runs are remembered.
const RUNS: usize = 4;
/// How long a worker that has other bars keeps what it then hands on, so that those who can take it come first.
const REST: Duration = Duration::from_secs(1);
/// So often a symbol is handed on until it has failed: then there is nobody who can take it.
const HAND_ON: u32 = 100;

/// One symbol that waits for its chunk.
pub(super) struct Waiting {
    pub(super) work: Work,
    /// Where it stands in the topic.
    pub(super) id: Id,
    /// Which time it is given to a handler, from 1 on.
    pub(super) time: u64,
    /// Whether it is given to no handler again.
    pub(super) last_time: bool,
    pub(super) reply: oneshot::Sender<Result<(), Error>>,
}

pub(super) struct Bench {
    tools: Tools,
    work: DurableTopic<Work>,
    outcomes: DurableTopic<Outcomes>,
    plans: Mutex<VecDeque<Known>>,
}

#[derive(Clone)]
struct Known {
    run: String,
    /// Its plan, or why it cannot be computed here.
    plan: Result<Arc<Plan>, Error>,
}

impl Bench {
    pub(super) fn new(tools: Tools, topics: &DailyTopics) -> Self {
        let DailyTopics { work, outcomes } = topics.clone();
        Self { tools, work, outcomes, plans: Mutex::default() }
    }

    /// Works what waits, run by run.
    pub(super) async fn work(&self, mut waiting: Vec<Waiting>) {
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
            Ok(Some(Ok(plan))) => plan,
            Ok(Some(Err(error))) => return self.hand_on(task_id, run, waiting, &error).await,
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

    /// Leaves to other workers what must not be computed with the bars of this one: it goes to the end of the topic, and its deliveries
    /// stay what they were.
    async fn hand_on(&self, task_id: &str, run: &str, waiting: Vec<Waiting>, error: &Error) {
        sleep(REST).await;
        let (over_now, others): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|one| one.work.handed_on >= HAND_ON);
        let told = over_now.iter().map(|one| over(one, error)).collect();
        let said = self.tell(task_id, run, told).await;
        reply(over_now, &said);
        for one in others {
            let work = Work { tried: one.time - 1, handed_on: one.work.handed_on + 1, ..one.work.clone() };
            // Whoever dies before it is acknowledged, or is not answered, has it stand there once.
            let handed = self.work.publish_once(&format!("{run}/handed on/{}", one.id), &work).await;
            let handed = handed.map(drop).map_err(|error| failed("hand a symbol on", error));
            reply(vec![one], &handed);
        }
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

    /// Returns the plan of a run, or why it cannot be computed here; `None` when there is a later run.
    async fn plan(&self, task_id: &str, run: &str) -> Result<Option<Result<Arc<Plan>, Error>>, Error> {
        let is_it = |known: &&Known| known.run == run;
        if let Some(known) = self.plans.lock().unwrap_or_else(PoisonError::into_inner).iter().find(is_it) {
            return Ok(Some(known.plan.clone()));
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
        let bars = self.tools.tiers.source.fingerprint();
        let plan = match params.check_bars(ErrorKind::Source, task_id, &bars) {
            Ok(()) => Ok(Arc::new(params.plan(task_id)?)),
            Err(error) => Err(error),
        };
        if let Err(error) = &plan {
            tracing::warn!(%error, "the symbols of a task are left to other workers");
        }
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.push_front(Known { run: run.to_owned(), plan: plan.clone() });
        plans.truncate(RUNS);
        Ok(Some(plan))
    }
}

fn over(one: &Waiting, error: &Error) -> Outcome {
    Outcome::nothing(&one.work.symbol, Verdict::Failed(error.to_string()))
}

fn reply(waiting: Vec<Waiting>, result: &Result<(), Error>) {
    for one in waiting {
        // Nobody waits any more when the worker was dropped; then the symbol comes to another.
        let _ = one.reply.send(result.clone());
    }
}
