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
async fn a_task_that_is_done_again_counts_anew() {
    let rig = Rig::new(Market::new(10, 60));
    let task = DailyTask { again: true, ..DailyTask::new("nightly") };
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

/// Somebody clears what a task was recorded with.
async fn forget(rig: &Rig) {
    let mut record = rig.results.task("nightly").await.unwrap().unwrap();
    record.params = None;
    rig.results.record_task(&record).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_record_was_lost_is_not_taken_for_the_next_one() {
    let rig = Rig::new(Market::new(10, 60));
    let task = DailyTask::new("nightly");
    assert_eq!(rig.run(&task).await.rows, 90);
    // The record says no more which run it was, and within the hour the task is begun again: its work is no repetition of that of the first run.
    forget(&rig).await;
    let again = tokio::time::timeout(Duration::from_secs(3), rig.run(&task)).await;
    let again = again.expect("what was given out before is not taken for what is given out now");
    assert_eq!((again.succeeded, again.resumed, again.rows), (10, 0, 0));
    assert!(rig.market.loads().values().all(|loads| *loads == 2), "{:?}", rig.market.loads());
}

#[tokio::test(start_paused = true)]
async fn a_worker_does_not_compute_by_the_plan_of_a_run_whose_record_was_lost() {
    let rig = Rig::new(Market::new(10, 60));
    let worker = rig.job().work().await.unwrap();
    let task = DailyTask::new("nightly");
    let first = rig.job().run(&task, |_| {}).await.unwrap().unwrap();
    assert_eq!((first.series, rig.results.len()), (90, 90));
    forget(&rig).await;
    let obv = mystocks_ta::registry().get("OBV").unwrap();
    let second = rig.job().plan([(obv, obv.defaults())]).run(&task, |_| {}).await.unwrap().unwrap();
    worker.shutdown().await;
    assert_eq!(
        (second.succeeded, second.series),
        (10, 10),
        "the worker knows the plan of the first run, too"
    );
}
