//! The end of a run.

use std::time::Duration;

use jiff::Timestamp;
use mystocks_bus::{Json, NaiveUtc, TaskCompleted, TaskEvent, TaskResult};
use tokio::time::{Instant, sleep};

use super::{Run, TICK, lost};
use crate::daily::TASK_TYPE;
use crate::daily::plan::Params;
use crate::daily::tally::DailyReport;
use crate::error::Error;
use crate::symbol::Symbol;
use crate::task_record::TaskStatus;

/// So long the end of a task waits for the database.
const PATIENCE: Duration = Duration::from_secs(300);
/// So many reasons are recorded with the task; all of them are in the report.
const REASONS: usize = 100;

impl Run<'_> {
    /// Records what it came to.
    pub(super) async fn finish(&mut self, resumed: u64) -> Result<DailyReport, Error> {
        let report = self.tally.report(resumed, self.began.elapsed());
        let is_well = report.failed.is_empty();
        let now = Timestamp::now();
        self.record.status = if is_well { TaskStatus::Success } else { TaskStatus::Failed };
        self.record.progress = 100.0;
        self.record.updated = now;
        self.record.completed = Some(now);
        self.record.result_summary = Some(summary(&report, &self.tally.bars()));
        self.record.error_message = report.failed.iter().next().map(|(symbol, reason)| {
            format!(
                "{} of {} symbols failed, the first: {symbol}: {reason}",
                report.failed.len(),
                report.total
            )
        });
        self.record_the_end().await?;
        Ok(report)
    }

    /// Tells that it has ended, if nobody else can have begun it again.
    pub(in crate::daily) async fn tell_the_end(&mut self, report: &DailyReport) {
        if !self.guard.is_valid() {
            return;
        }
        let is_well = report.failed.is_empty();
        let status =
            if is_well { mystocks_bus::TaskStatus::Completed } else { mystocks_bus::TaskStatus::Failed };
        self.publish(TaskEvent::Completed(TaskCompleted {
            timestamp: NaiveUtc::now(),
            version: "1.0".to_owned(),
            task_id: self.task.task_id.clone(),
            task_type: TASK_TYPE.to_owned(),
            status,
            duration_seconds: report.took.as_secs_f64(),
            result: TaskResult { success: report.succeeded, failed: report.failed.len() as u64 },
        }))
        .await;
    }

    /// All is done but for this: a database that is away is waited for.
    async fn record_the_end(&mut self) -> Result<(), Error> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.record().await {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(lost(&self.task.task_id)),
                Err(error) if error.is_retryable() && Instant::now() < until => {
                    tracing::warn!(%error, task = %self.task.task_id, "the end of the task is recorded later");
                    sleep(TICK).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Records how the task stands; `false`, and nothing is recorded, when the task is not this process's any more.
    ///
    /// A process that was stopped for a while finds its lock ended by its own clock, or, if that stood still too, another holder in the record.
    pub(super) async fn record(&mut self) -> Result<bool, Error> {
        let (results, task_id) = (&self.job.results, &self.task.task_id);
        if !self.guard.is_valid() {
            return Ok(false);
        }
        let recorded = results.task(task_id).await?;
        // What is gone or cannot be read is no other holder's.
        let recorded = recorded.and_then(|recorded| Params::read(task_id, recorded.params.as_ref()).ok());
        let is_ours = recorded
            .is_none_or(|recorded| recorded.run == self.params.run && recorded.holder == self.params.holder);
        if !is_ours || !self.guard.is_valid() {
            return Ok(false);
        }
        results.record_task(&self.record).await.map(|()| true)
    }
}

fn summary(report: &DailyReport, bars: &str) -> Json {
    let count = |count: u64| Json::from(i64::try_from(count).unwrap_or(i64::MAX));
    let reasons = |of: &std::collections::BTreeMap<Symbol, String>| {
        let some = of.iter().take(REASONS);
        Json::Object(
            some.map(|(symbol, reason)| (symbol.as_str().to_owned(), Json::from(reason.as_str()))).collect(),
        )
    };
    let pairs = [
        ("total", count(report.total)),
        ("success", count(report.succeeded)),
        ("failed", count(report.failed.len() as u64)),
        ("skipped", count(report.skipped.len() as u64)),
        ("series", count(report.series)),
        ("rows", count(report.rows)),
        ("bars", Json::from(bars)),
        ("failed_reasons", reasons(&report.failed)),
        ("skipped_reasons", reasons(&report.skipped)),
    ];
    Json::Object(pairs.map(|(name, value)| (name.to_owned(), value)).into())
}
