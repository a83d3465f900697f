//! One run of a daily job: it says what is to be done, and counts what was.

mod end;
mod past;

pub(super) use self::past::versions;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use mystocks_bus::{Followed, Follower, Id, Json, NaiveUtc, Start, TaskEvent, TaskProgress};
use mystocks_lock::LockGuard;
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::daily::done::selection;
use crate::daily::event::{GROUP, Outcomes, Work};
use crate::daily::plan::{Params, Plan, nonce};
use crate::daily::tally::{DailyProgress, DailyReport, Tally};
use crate::daily::{DailyJob, DailyTask, TASK_TYPE, failed};
use crate::error::{Error, ErrorKind};
use crate::symbol::Symbol;
use crate::task_record::{TaskRecord, TaskStatus};

/// So many publications are under way at once.
const PUBLISHING: usize = 64;
/// How often it looks after what nobody tells: dead letters, work that is gone.
const TICK: Duration = Duration::from_secs(1);
/// So long nothing may be told of a run before its open symbols are given out again, the first time; then twice as long each time.
const PATIENCE: Duration = Duration::from_secs(600);
/// So many dead letters are read at once.
const PAGE: usize = 256;

/// A run under way.
pub(super) struct Run<'a> {
    job: &'a DailyJob,
    task: &'a DailyTask,
    guard: &'a LockGuard,
    record: TaskRecord,
    params: Params,
    tally: Tally,
    follower: Follower<Outcomes>,
    began: Instant,
    /// The last percent that was told, and when it was recorded.
    told: u64,
    recorded: Instant,
    /// The last dead letter that was looked at.
    buried: Option<Id>,
    /// Which time the open symbols are given out; 0 is the time that all processes of the run share.
    round: u32,
    /// Those that were finished before of other bars, each with the version of the present ones.
    revised: BTreeMap<Symbol, String>,
    idle: u32,
    /// When something was told of this run, or its work was given out, and how long nothing may come after that.
    heard: Instant,
    patience: Duration,
}

impl<'a> Run<'a> {
    /// Takes the task up where it stands, or begins it; `guard` holds its lock.
    pub(super) async fn begin(
        job: &'a DailyJob,
        task: &'a DailyTask,
        plan: &Plan,
        guard: &'a LockGuard,
    ) -> Result<Self, Error> {
        let now = Timestamp::now();
        let before = job.results.task(&task.task_id).await?;
        let params =
            before.as_ref().map(|before| Params::read(&task.task_id, before.params.as_ref())).transpose();
        let bars = job.tools.tiers.source.fingerprint();
        let goes_on = before.as_ref().is_some_and(|before| before.status == TaskStatus::Running);
        let (mut record, mut params) = match (before, params) {
            (Some(before), Ok(Some(params))) if goes_on => {
                params.check_bars(ErrorKind::InvalidArgument, &task.task_id, &bars)?;
                (before, params)
            }
            _ => {
                // Another run of the same task: what was told of the one before does not count.
                let run = nonce();
                let from = Self::mark(job, task, &run).await?.1.to_string();
                (TaskRecord::new(&*task.task_id, TASK_TYPE, now), plan.params(run, from, bars))
            }
        };
        params.holder = nonce();
        params.symbols = selection(task);
        record.status = TaskStatus::Running;
        record.updated = now;
        record.params = Some(json(&params, &task.task_id)?);
        let from: Id = params.from.parse().map_err(|error| failed("read where the outcomes begin", error))?;
        let follower = job.topics.outcomes.follow(Start::After(from)).await;
        let follower = follower.map_err(|error| failed("follow the outcomes", error))?;
        if !guard.is_valid() {
            return Err(lost(&task.task_id));
        }
        // Before any work is given out: workers read the plan there.
        job.results.record_task(&record).await?;
        let began = Instant::now();
        Ok(Self {
            job,
            task,
            guard,
            record,
            params,
            tally: Tally::default(),
            follower,
            began,
            told: 0,
            recorded: began,
            buried: None,
            round: 0,
            revised: BTreeMap::new(),
            idle: 0,
            heard: began,
            patience: PATIENCE,
        })
    }

    /// Runs it until its end is recorded.
    pub(super) async fn run(
        &mut self,
        progress: &mut (dyn FnMut(&DailyProgress) + Send),
    ) -> Result<DailyReport, Error> {
        let resumed = self.run_to_the_end(progress).await?;
        self.finish(resumed).await
    }

    async fn run_to_the_end(
        &mut self,
        progress: &mut (dyn FnMut(&DailyProgress) + Send),
    ) -> Result<u64, Error> {
        self.catch_up().await?;
        let symbols = match &self.task.symbols {
            Some(symbols) => symbols.clone(),
            None => self.job.tools.tiers.source.symbols().await?,
        };
        self.tally.expect(symbols);
        self.reopen_revised().await?;
        let resumed = self.tally.finished();
        self.told = self.percent();
        progress(&self.tally.progress());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.give_out().await?;
        while !self.tally.is_over() {
            tokio::select! {
                followed = self.follower.next() => self.take(followed).await?,
                _ = ticks.tick() => {
                    // What cannot be looked at now is looked at the next time.
                    if let Err(error) = self.look_after().await {
                        tracing::warn!(%error, task = %self.task.task_id, "the work cannot be looked after");
                    }
                }
            }
            self.tell(progress).await?;
        }
        progress(&self.tally.progress());
        Ok(resumed)
    }

    /// Publishes what is open; what was published in this round before, by a process that is gone, stands there once.
    async fn give_out(&mut self) -> Result<(), Error> {
        let (task_id, run) = (&self.task.task_id, &self.params.run);
        let round =
            if self.round == 0 { "all".to_owned() } else { format!("{}.{}", self.params.holder, self.round) };
        let given = self.tally.open().map(|symbol| {
            let version = self.revised.get(symbol).map_or("", String::as_str);
            (format!("{run}/{round}/{symbol}/{version}"), Work::new(task_id, run, symbol))
        });
        let given: Vec<(String, Work)> = given.collect();
        let topic = self.job.topics.work.clone();
        let publishing = stream::iter(given).map(|(key, work)| {
            let topic = topic.clone();
            async move { topic.publish_once(&key, &work).await }
        });
        let mut publishing = publishing.buffer_unordered(PUBLISHING);
        while let Some(published) = publishing.next().await {
            published.map_err(|error| failed("give out a symbol", error))?;
        }
        Ok(())
    }

    async fn take(&mut self, followed: Followed<Outcomes>) -> Result<(), Error> {
        match followed {
            Followed::Event(told) => {
                if self.count(told.event) {
                    (self.idle, self.heard) = (0, Instant::now());
                }
                Ok(())
            }
            // What was told in the gap nobody knows: the open symbols are done again, to the same result.
            Followed::Gap(_) => self.give_out_again().await,
            _ => Ok(()),
        }
    }

    /// Counts what was told of this run; whether it was.
    fn count(&mut self, told: Outcomes) -> bool {
        let is_ours = told.task_id == self.task.task_id && told.run == self.params.run;
        if is_ours {
            told.symbols.into_iter().for_each(|outcome| self.tally.take(outcome));
        }
        is_ours
    }

    async fn give_out_again(&mut self) -> Result<(), Error> {
        self.round += 1;
        (self.idle, self.heard) = (0, Instant::now());
        self.give_out().await
    }

    /// Counts symbols whose work is a dead letter, and gives out again what is nowhere any more.
    async fn look_after(&mut self) -> Result<(), Error> {
        let topic = &self.job.topics.work;
        loop {
            let letters = topic.dead_letters(GROUP, self.buried, PAGE).await;
            let letters = letters.map_err(|error| failed("look at the dead letters", error))?;
            let count = letters.len();
            for letter in letters {
                self.buried = Some(letter.id);
                let Some(work) = work_of(&letter.payload) else { continue };
                let reason = letter.death.map_or_else(|| "unknown".to_owned(), |death| death.reason);
                if work.task_id == self.task.task_id && work.run == self.params.run {
                    self.tally.bury(&work.symbol, &reason);
                }
            }
            if count < PAGE {
                break;
            }
        }
        let state = topic.state(GROUP).await.map_err(|error| failed("look at the work", error))?;
        let nothing_left = state.lag == 0 && state.pending == 0 && state.waiting == 0;
        self.idle = if nothing_left { self.idle + 1 } else { 0 };
        // An outcome may be on its way while the work is done already.
        if self.idle > 5 && !self.tally.is_over() {
            tracing::warn!(task = %self.task.task_id, "work that was given out is gone; it is given out again");
            return self.give_out_again().await;
        }
        // Other tasks' work may hide that this one's is gone. If it only waits for its turn it is done twice, to the same result.
        if self.heard.elapsed() > self.patience && !self.tally.is_over() {
            tracing::warn!(task = %self.task.task_id, "nothing was told for long; what is open is given out again");
            self.patience = self.patience.saturating_mul(2);
            return self.give_out_again().await;
        }
        Ok(())
    }

    fn percent(&self) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
        let percent = self.tally.progress().percent() as u64;
        percent
    }

    /// Tells every percent, and records it at most once a second.
    async fn tell(&mut self, progress: &mut (dyn FnMut(&DailyProgress) + Send)) -> Result<(), Error> {
        let percent = self.percent();
        if percent == self.told {
            return Ok(());
        }
        self.told = percent;
        let now = self.tally.progress();
        progress(&now);
        let event = TaskEvent::Progress(TaskProgress {
            timestamp: NaiveUtc::now(),
            version: "1.0".to_owned(),
            task_id: self.task.task_id.clone(),
            task_type: TASK_TYPE.to_owned(),
            status: mystocks_bus::TaskStatus::Running,
            progress: now.percent(),
            message: Some(format!("{} of {} symbols", now.finished, now.total)),
            metadata: Json::Object(Vec::new()),
            processed: now.finished,
            total: now.total,
            failed: now.failed,
        });
        self.publish(event).await;
        if self.recorded.elapsed() >= TICK {
            self.recorded = Instant::now();
            self.record.progress = now.percent();
            self.record.updated = Timestamp::now();
            // How far it is stands in the outcomes; the record is for those who look on.
            match self.record().await {
                Ok(true) => {}
                Ok(false) => return Err(lost(&self.task.task_id)),
                Err(error) => {
                    tracing::warn!(%error, task = %self.task.task_id, "how far the task is could not be recorded");
                }
            }
        }
        Ok(())
    }

    async fn publish(&mut self, event: TaskEvent) {
        let Some(bus) = &self.job.tools.bus else { return };
        if let Err(error) = bus.publish(&event).await {
            tracing::debug!(%error, task = %self.task.task_id, "an event of the task is not published");
        }
    }
}

/// The error of who is not to go on with the task, for somebody else may.
pub(super) fn lost(task_id: &str) -> Error {
    Error::new(ErrorKind::Source, "run the daily job", task_id)
        .with_detail("its lock was lost; whoever holds it now goes on")
}

/// The work in an envelope, if it is one of this version.
fn work_of(payload: &[u8]) -> Option<Work> {
    #[derive(Deserialize)]
    struct Envelope {
        data: Work,
    }
    let envelope: Envelope = Json::parse(payload).ok()?.to_deserialize().ok()?;
    Some(envelope.data)
}

fn json(params: &Params, task_id: &str) -> Result<Json, Error> {
    Json::from_serialize(params)
        .map_err(|error| Error::new(ErrorKind::Malformed, "record the task", task_id).with_source(error))
}
