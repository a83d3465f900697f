//! A run that was broken off, and goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mystocks_indicators::{DailyTask, Results, TaskStatus};

use crate::rig::{Market, Rig};

const STOCKS: u32 = 200;

#[tokio::test]
async fn what_was_finished_is_not_computed_again_by_who_takes_over() {
    let rig = Rig::new(Market::new(STOCKS, 60));
    let task = DailyTask::new("nightly");
    for rounds in 1..4_u64 {
        // The process that runs it dies when so much is done; its worker goes on a little and dies, too.
        let (job, finished) = (rig.job(), Arc::new(AtomicU64::new(0)));
        let worker = rig.job().work().await.unwrap();
        let enough = u64::from(STOCKS) / 5 * rounds;
        let running = {
            let finished = Arc::clone(&finished);
            let run = job.run(&task, move |progress| finished.store(progress.finished, Ordering::SeqCst));
            tokio::time::timeout(Duration::from_secs(60), async {
                tokio::select! {
                    ended = run => panic!("{ended:?}"),
                    () = reach(&rig, enough) => {}
                }
            })
        };
        running.await.unwrap();
        drop(worker);
        let record = rig.results.task("nightly").await.unwrap().unwrap();
        assert_eq!(record.status, TaskStatus::Running);
    }
    let report = rig.run(&task).await;
    assert_eq!((report.total, report.succeeded), (u64::from(STOCKS), u64::from(STOCKS)));
    assert!(report.resumed >= u64::from(STOCKS) / 5 * 3, "{}", report.resumed);
    assert_eq!((report.series, report.rows), (u64::from(STOCKS) * 9, u64::from(STOCKS) * 9));
    assert_eq!(rig.results.len() as u64, u64::from(STOCKS) * 9);
}

/// Waits until so many symbols are recorded.
async fn reach(rig: &Rig, symbols: u64) {
    while (rig.results.len() as u64) < symbols * 9 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ended_begins_anew_and_counts_anew() {
    let rig = Rig::new(Market::new(10, 60));
    let task = DailyTask::new("nightly");
    let first = rig.run(&task).await;
    assert_eq!((first.succeeded, first.rows), (10, 90));
    let second = rig.run(&task).await;
    assert_eq!((second.succeeded, second.resumed), (10, 0));
    assert_eq!(second.rows, 0, "they stood there already");
    assert!(rig.market.loads().values().all(|loads| *loads == 2));
}

#[tokio::test(start_paused = true)]
async fn work_of_a_run_that_is_over_is_not_done() {
    let rig = Rig::new(Market::new(30, 60));
    let task = DailyTask::new("nightly");
    // Nobody works; its process is gone with all given out, and somebody says that the task has failed.
    let job = rig.job();
    tokio::select! {
        ended = job.run(&task, |_| {}) => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_secs(5)) => {}
    }
    let mut record = rig.results.task("nightly").await.unwrap().unwrap();
    record.status = TaskStatus::Failed;
    rig.results.record_task(&record).await.unwrap();
    let (job, working) = (rig.job(), async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        rig.job().work().await.unwrap()
    });
    let (report, worker) = tokio::join!(job.run(&task, |_| {}), working);
    worker.shutdown().await;
    assert_eq!(report.unwrap().unwrap().succeeded, 30);
    assert!(rig.market.loads().values().all(|loads| *loads == 1), "{:?}", rig.market.loads());
}
