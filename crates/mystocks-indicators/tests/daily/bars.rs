//! Processes of one task whose bars are not of one kind.

use mystocks_indicators::{DailyTask, ErrorKind, Results, TaskStatus};

use crate::rig::{Market, Rig};

const FORWARD: &str = "bars; adjustment=forward";
const NONE: &str = "bars; adjustment=none";

/// The same platform, seen by a process whose bars are of another kind: those of days that nobody else has.
fn with_other_bars(rig: &Rig, stocks: u32) -> Rig {
    let market = Market { kind: NONE, ..Market::new(stocks, 70) };
    Rig {
        market,
        store: rig.store.clone(),
        results: rig.results.clone(),
        locker: rig.locker.clone(),
        log: rig.log.clone(),
        bus: rig.bus.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_bars_of_another_kind_leaves_the_work_to_others() {
    let rig = Rig::new(Market { kind: FORWARD, ..Market::new(60, 60) });
    let other = with_other_bars(&rig, 60);
    let wrong = [other.job().work().await.unwrap(), other.job().work().await.unwrap()];
    let report = rig.run(&DailyTask::new("nightly")).await;
    for worker in wrong {
        worker.shutdown().await;
    }
    assert_eq!((report.succeeded, report.failed.len(), report.rows), (60, 0, 540));
    assert!(
        other.market.loads().is_empty(),
        "none is computed with the other bars: {:?}",
        other.market.loads()
    );
    assert!(rig.market.loads().values().all(|loads| *loads == 1));
}

#[tokio::test(start_paused = true)]
async fn work_that_nobody_has_the_bars_for_fails_in_the_end_and_says_what_to_do() {
    let rig = Rig::new(Market { kind: FORWARD, ..Market::new(3, 60) });
    let worker = with_other_bars(&rig, 3).job().work().await.unwrap();
    let report = rig.job().run(&DailyTask::new("nightly"), |_| {}).await.unwrap().unwrap();
    worker.shutdown().await;
    assert_eq!((report.succeeded, report.failed.len(), rig.results.len()), (0, 3, 0));
    for reason in report.failed.values() {
        assert!(reason.contains(FORWARD) && reason.contains(NONE), "{reason}");
        assert!(reason.contains("give all processes of a task the same source and adjustment"), "{reason}");
    }
    assert!(report.took.as_secs() >= 60, "not before others had time to come: {:?}", report.took);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_not_gone_on_with_by_who_has_other_bars() {
    let rig = Rig::new(Market { kind: FORWARD, ..Market::new(3, 60) });
    let task = DailyTask::new("nightly");
    let job = rig.job();
    tokio::select! {
        ended = job.run(&task, |_| {}) => panic!("{ended:?}"),
        () = tokio::time::sleep(std::time::Duration::from_secs(5)) => {}
    }
    let error = with_other_bars(&rig, 3).job().run(&task, |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains(FORWARD) && error.to_string().contains(NONE), "{error}");
    assert_eq!(rig.results.task("nightly").await.unwrap().unwrap().status, TaskStatus::Running);
    assert_eq!(rig.run(&task).await.succeeded, 3);
}
