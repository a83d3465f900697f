//! Sources that fail, rows that cannot be recorded, work that is lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::Date;
use mystocks_bus::Handling;
use mystocks_indicators::{
    DailyTask, Error, ErrorKind, MemoryResults, ResultRow, Results, Symbol, TaskRecord, TaskStatus,
};

use crate::rig::{Market, Rig, symbol};

#[tokio::test(start_paused = true)]
async fn a_source_that_is_away_for_a_while_costs_time_and_no_symbol() {
    let rig = Rig::new(Market::new(40, 60));
    rig.market.away.store(true, Ordering::SeqCst);
    let back = async {
        while rig.market.failures.load(Ordering::SeqCst) < 60 {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        rig.market.away.store(false, Ordering::SeqCst);
    };
    let task = DailyTask::new("nightly");
    let (report, ()) = tokio::join!(rig.run(&task), back);
    assert_eq!((report.succeeded, report.failed.len()), (40, 0));
    assert!(rig.market.loads().values().all(|loads| *loads == 1));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_stays_away_fails_every_symbol_with_the_reason() {
    let rig = Rig::new(Market::new(10, 60));
    rig.market.away.store(true, Ordering::SeqCst);
    let report = rig.run(&DailyTask::new("nightly")).await;
    assert_eq!((report.succeeded, report.failed.len(), report.total), (0, 10, 10));
    assert!(report.failed.values().all(|reason| reason.contains("load")), "{:?}", report.failed);
    assert_eq!(rig.market.failures.load(Ordering::SeqCst), 10 * 5, "each five times");
    let record = rig.results.task("nightly").await.unwrap().unwrap();
    assert_eq!(record.status, TaskStatus::Failed);
    let message = record.error_message.unwrap();
    assert!(message.starts_with("10 of 10 symbols failed, the first: sh.600000: "), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_symbol_that_cannot_be_recorded_fails_alone() {
    let market = Market::new(12, 60);
    let long = "a-name-of-more-than-twenty";
    market.list(long, 3, 60);
    let rig = Rig::new(market);
    let report = rig.run(&DailyTask::new("nightly")).await;
    assert_eq!((report.succeeded, report.rows), (12, 12 * 9));
    let failed: Vec<_> = report.failed.into_iter().collect();
    assert!(
        matches!(&*failed, [(who, why)] if *who == symbol(long) && why.contains("20 characters")),
        "{failed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_task_that_cannot_be_named_is_refused() {
    let rig = Rig::new(Market::new(1, 60));
    for name in ["", "with{braces}", &"x".repeat(51)] {
        let error = rig.job().run(&DailyTask::new(name), |_| {}).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handling_that_cannot_be_kept_is_refused_for_good() {
    let rig = Rig::new(Market::new(1, 60));
    let job = rig.job().handling(mystocks_bus::Handling { alone_from: 1, ..Default::default() });
    let error = job.work().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidArgument, false), "{error}");
}

#[tokio::test(start_paused = true)]
async fn work_that_a_worker_died_with_is_done_by_another() {
    let rig = Rig::new(Market::new(30, 60));
    rig.market.away.store(true, Ordering::SeqCst);
    let handling = Handling { lease: Duration::from_secs(1), ..Handling::default() };
    let dying = rig.job().handling(handling).work().await.unwrap();
    let task = DailyTask::new("nightly");
    let job = rig.job();
    let running = job.run(&task, |_| {});
    let taking_over = async {
        while rig.market.failures.load(Ordering::SeqCst) < 10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(dying);
        rig.market.away.store(false, Ordering::SeqCst);
        rig.job().handling(handling).work().await.unwrap()
    };
    let (report, worker) = tokio::join!(running, taking_over);
    let report = report.unwrap().unwrap();
    worker.shutdown().await;
    assert_eq!((report.total, report.succeeded), (30, 30));
}

/// Results whose tasks cannot be recorded for a while.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flaky {
    pub(crate) held: MemoryResults,
    pub(crate) away: Arc<AtomicBool>,
    pub(crate) refused: Arc<AtomicUsize>,
}

#[async_trait]
impl Results for Flaky {
    async fn recorded(
        &self,
        symbols: &[Symbol],
        codes: &[Arc<str>],
        days: &[Date],
    ) -> Result<HashMap<(Symbol, Arc<str>), Date>, Error> {
        self.held.recorded(symbols, codes, days).await
    }
    async fn write(&self, rows: &[ResultRow]) -> Result<u64, Error> {
        self.held.write(rows).await
    }
    async fn task(&self, task_id: &str) -> Result<Option<TaskRecord>, Error> {
        self.held.task(task_id).await
    }
    async fn record_task(&self, task: &TaskRecord) -> Result<(), Error> {
        if self.away.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(Error::new(ErrorKind::Source, "record", "the task"));
        }
        self.held.record_task(task).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_written_holds_up_nothing_but_the_end() {
    let rig = Rig::new(Market::new(40, 60));
    let results = Flaky::default();
    let job = rig.job_with(results.clone());
    let worker = job.work().await.unwrap();
    let task = DailyTask::new("nightly");
    let away = async {
        // The run has begun when its plan is recorded.
        while results.held.task("nightly").await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        results.away.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(30)).await;
        results.away.store(false, Ordering::SeqCst);
    };
    let (report, ()) = tokio::join!(job.run(&task, |_| {}), away);
    worker.shutdown().await;
    assert_eq!(report.unwrap().unwrap().succeeded, 40);
    assert!(results.refused.load(Ordering::SeqCst) > 1);
    assert_eq!(results.held.task("nightly").await.unwrap().unwrap().status, TaskStatus::Success);
}
