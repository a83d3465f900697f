//! The daily job: every indicator of the plan, for every symbol, once, on as many machines as there are.

mod chunk;
mod coordinator;
mod done;
mod event;
mod plan;
mod tally;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use mystocks_bus::{Bus, DurableTopic, Handling, Log};
use mystocks_lock::Locker;
use mystocks_ta::{Indicator, Params, daily_defaults};

pub use self::tally::{DailyProgress, DailyReport};
pub use self::worker::DailyWorker;

use self::chunk::Tools;
use self::coordinator::{Run, lost};
use self::event::{OUTCOMES, Outcomes, WORK, Work};
use self::plan::Plan;
use crate::error::{Error, ErrorKind};
use crate::key::Call;
use crate::results::Results;
use crate::service::IndicatorService;
use crate::symbol::Symbol;

/// What the platform calls it, in its table of tasks and in its events.
const TASK_TYPE: &str = "daily_indicators";
/// Who publishes.
const SOURCE: &str = "mystocks-indicators";
/// So many batches of outcomes stand there for a process that takes over.
const OUTCOMES_KEPT: u64 = 200_000;
/// So long after a process died its place is free.
const LOCK: Duration = Duration::from_secs(10);

/// Computes the indicators of a plan for all symbols, up to a day.
///
/// One process at a time runs a task ([`run`](Self::run)): it gives out symbols to a durable topic and counts what became of them. Workers
/// ([`work`](Self::work)) on any number of machines take them, some at once: they load bars, compute, write the results to the store
/// where an [`IndicatorService`] finds them, record the newest values, and tell. Cheap to clone.
///
/// # Guarantees
/// - Each symbol is counted once: computed, skipped or failed, the latter two with their reason.
/// - A worker that dies leaves its symbols to the others, and the process that runs the task leaves it to whoever calls
///   [`run`](Self::run) next: symbols that are finished are not computed again.
/// - A symbol may be computed twice when a worker died after it recorded and before it told; it is recorded once all the same.
/// - A symbol that kills its workers is given up after [`Handling::deliveries`] of them, and is counted as failed.
#[derive(Clone)]
pub struct DailyJob {
    tools: Tools,
    results: Arc<dyn Results>,
    locker: Locker,
    topics: DailyTopics,
    plan: Arc<[Call]>,
    chunk: usize,
    handling: Handling,
}

/// Which symbols are computed, and up to when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyTask {
    /// The name of the task: who runs it again goes on with it, or begins it anew when symbols failed. 1 to 50 characters, no colon or braces.
    pub task_id: String,
    /// The last day, for those whose bars go on beyond it. Default: all days.
    pub up_to: Option<Date>,
    /// Which symbols. Default: all that have bars.
    pub symbols: Option<Vec<Symbol>>,
    /// Whether all days are recorded, instead of those that came after what is recorded. Default: no.
    pub full: bool,
    /// Whether a task that was done with success, by the same plan, is done again, instead of nothing. Default: no.
    pub again: bool,
}

#[derive(Debug, Clone)]
struct DailyTopics {
    work: DurableTopic<Work>,
    outcomes: DurableTopic<Outcomes>,
}

impl DailyTask {
    /// Makes the task `task_id` for all symbols and all days.
    pub fn new(task_id: impl Into<String>) -> Self {
        Self { task_id: task_id.into(), up_to: None, symbols: None, full: false, again: false }
    }
}

impl DailyJob {
    /// Makes a job that reads the bars of `service` and writes to its store, records in `results`, is run by whoever holds the task's lock of
    /// `locker`, and gives out its work by `log`.
    ///
    /// Default: the nine requests of [`daily_defaults`], 64 symbols at once, no events.
    pub fn new(
        service: &IndicatorService,
        results: impl Results,
        locker: &Locker,
        log: impl Log + Clone,
    ) -> Self {
        let results: Arc<dyn Results> = Arc::new(results);
        let tiers = service.tiers();
        let topics = DailyTopics {
            work: DurableTopic::new(log.clone(), WORK, SOURCE),
            outcomes: DurableTopic::new(log, OUTCOMES, SOURCE).keep_latest(OUTCOMES_KEPT),
        };
        let plan = daily_defaults().into_iter().map(|(indicator, params)| Call { indicator, params });
        Self {
            tools: Tools { tiers, results: Arc::clone(&results), bus: None },
            results,
            locker: locker.clone(),
            topics,
            plan: plan.collect(),
            chunk: 64,
            handling: Handling::default(),
        }
    }

    /// Sets what is computed of each symbol.
    #[must_use]
    pub fn plan(self, plan: impl IntoIterator<Item = (&'static Indicator, Params)>) -> Self {
        Self {
            plan: plan.into_iter().map(|(indicator, params)| Call { indicator, params }).collect(),
            ..self
        }
    }

    /// Has `bus` told of every percent, of each stock that is done, and of the end.
    #[must_use]
    pub fn bus(mut self, bus: &Bus) -> Self {
        self.tools.bus = Some(bus.clone());
        self
    }

    /// Sets how many symbols a worker takes at once, from 1 on.
    #[must_use]
    pub fn chunk(self, symbols: usize) -> Self {
        Self { chunk: symbols.max(1), ..self }
    }

    /// Sets leases, retries and deliveries of the work; how many symbols run at once is [`chunk`](Self::chunk)'s to say.
    #[must_use]
    pub fn handling(self, handling: Handling) -> Self {
        Self { handling, ..self }
    }

    /// Begins to work for the tasks that any process runs.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] when the log cannot be reached, [`ErrorKind::InvalidArgument`] when the handling cannot be kept.
    pub async fn work(&self) -> Result<DailyWorker, Error> {
        worker::start(self.tools.clone(), &self.topics, self.chunk, self.handling).await
    }

    /// Runs `task` to its end and says what it came to; `None` when another process runs it.
    ///
    /// It does no work itself: some [`worker`](Self::work), here or elsewhere, has to. `progress` is called at the begin, with every percent and at the end.
    /// A task that was broken off goes on with the plan that it began with. One that has ended begins anew, but not one that was done with
    /// success, by the same plan, of the same choice of symbols and kind of bars: then nothing is done, and the report says [when it
    /// was](DailyReport::done_before), unless [`DailyTask::again`] is set.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a task that cannot be recorded or locked; [`ErrorKind::Source`] when bars, records, lock or log
    /// cannot be reached: the task stays where it is, and running it again goes on.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the task where it is. Symbols that were given out are computed all the same.
    pub async fn run(
        &self,
        task: &DailyTask,
        mut progress: impl FnMut(&DailyProgress) + Send,
    ) -> Result<Option<DailyReport>, Error> {
        let resource = self.locker.batch_task_lock(&task.task_id);
        let resource = resource.map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "lock the task", &*task.task_id).with_source(error)
        })?;
        // Who held it and died holds it for that long yet.
        let guard = self.locker.lock(resource.ttl(LOCK), LOCK + LOCK / 5).await;
        let Some(guard) = guard.map_err(|error| failed("lock the task", error))? else { return Ok(None) };
        let plan = Plan::new(self.plan.to_vec(), task.up_to, task.full);
        let token = guard.lost_token();
        let running = async {
            if !task.again
                && let Some(report) = done::report(self, task, &plan).await?
            {
                progress(&report.progress());
                return Ok((None, report));
            }
            let mut run = Run::begin(self, task, &plan, &guard).await?;
            let report = run.run(&mut progress).await?;
            Ok((Some(run), report))
        };
        let ended = token.run_until_cancelled(running).await.unwrap_or_else(|| Err(lost(&task.task_id)));
        let ended = match ended {
            Ok((mut run, report)) => {
                if let Some(run) = &mut run {
                    token.run_until_cancelled(run.tell_the_end(&report)).await;
                }
                Ok(report)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = guard.release().await {
            tracing::debug!(%error, task = %task.task_id, "the lock of a task ends by itself");
        }
        ended.map(Some)
    }
}

impl fmt::Debug for DailyJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DailyJob")
            .field("results", &self.results)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

fn failed(operation: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Source, operation, "daily job").with_source(error)
}
