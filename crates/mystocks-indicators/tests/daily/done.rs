//! A task that is run a second time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mystocks_indicators::{DailyTask, Results, TaskStatus};
use mystocks_ta::registry;

use crate::rig::{Market, Rig, day, name, symbol};

#[tokio::test(start_paused = true)]
async fn what_was_done_is_not_done_again_unless_that_is_asked_for() {
    let rig = Rig::new(Market::new(10, 60));
    rig.market.list("newborn", 4, 2);
    let task = DailyTask::new("nightly");
    // As on two hosts: the other one waits for the first, or begins a moment after it.
    let (one, other) = (rig.job(), rig.job());
    let worker = one.work().await.unwrap();
    let (first, second) = tokio::join!(one.run(&task, |_| {}), async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut seen = Vec::new();
        let ended = other.run(&task, |progress| seen.push(*progress)).await;
        (ended, seen)
    });
    let first = first.unwrap().unwrap();
    assert_eq!((first.total, first.succeeded, first.done_before), (11, 10, None));
    let (second, seen) = (second.0.unwrap().unwrap(), second.1);
    let record = rig.results.task("nightly").await.unwrap().unwrap();
    assert_eq!(second.done_before, record.completed, "it says when it was done");
    assert!(second.done_before.is_some());
    assert_eq!((second.total, second.succeeded, second.series, second.rows), (11, 10, 90, 90));
    assert_eq!((second.skipped, second.failed), (first.skipped, first.failed));
    let seen: Vec<_> =
        seen.iter().map(|seen| (seen.total, seen.finished, seen.skipped, seen.percent())).collect();
    assert_eq!(seen, [(11, 11, 1, 100.0)]);
    assert!(rig.market.loads().values().all(|loads| *loads == 1), "{:?}", rig.market.loads());

    let again = one.run(&DailyTask { again: true, ..task }, |_| {}).await.unwrap().unwrap();
    worker.shutdown().await;
    assert_eq!((again.succeeded, again.rows, again.done_before), (10, 0, None));
    assert!(rig.market.loads().values().all(|loads| *loads == 2), "{:?}", rig.market.loads());
}

#[tokio::test(start_paused = true)]
async fn another_plan_is_another_task_whatever_its_name() {
    let rig = Rig::new(Market::new(4, 60));
    let task = DailyTask::new("nightly");
    let worker = rig.job().work().await.unwrap();
    let some = |names: &[u32]| Some(names.iter().map(|seed| symbol(&name(*seed))).collect::<Vec<_>>());
    let others = [
        task.clone(),
        DailyTask { up_to: Some(day(50)), ..task.clone() },
        DailyTask { full: true, ..task.clone() },
        DailyTask { symbols: some(&[0, 1]), ..task.clone() },
        DailyTask { symbols: some(&[0, 2]), ..task.clone() },
    ];
    for other in &others {
        assert_eq!(rig.job().run(other, |_| {}).await.unwrap().unwrap().done_before, None, "{other:?}");
        assert!(rig.job().run(other, |_| {}).await.unwrap().unwrap().done_before.is_some(), "{other:?}");
    }
    let turned = DailyTask { symbols: some(&[2, 0, 2]), ..task.clone() };
    assert!(
        rig.job().run(&turned, |_| {}).await.unwrap().unwrap().done_before.is_some(),
        "it is the same choice"
    );
    let obv = registry().get("OBV").unwrap();
    let job = rig.job().plan([(obv, obv.defaults())]);
    assert_eq!(job.run(&turned, |_| {}).await.unwrap().unwrap().done_before, None);
    worker.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_of_which_symbols_failed_is_begun_anew() {
    let rig = Rig::new(Market::new(4, 60));
    rig.market.away.store(true, Ordering::SeqCst);
    let task = DailyTask::new("nightly");
    assert_eq!(rig.run(&task).await.failed.len(), 4);
    assert_eq!(rig.results.task("nightly").await.unwrap().unwrap().status, TaskStatus::Failed);
    rig.market.away.store(false, Ordering::SeqCst);
    let report = rig.run(&task).await;
    assert_eq!((report.succeeded, report.failed.len(), report.done_before), (4, 0, None));
}

#[tokio::test(start_paused = true)]
async fn what_was_done_of_other_bars_is_done_again() {
    let rig = Rig::new(Market::new(4, 60));
    let task = DailyTask::new("nightly");
    let done_before = async || rig.run(&task).await.done_before.is_some();
    assert!(!done_before().await);
    assert!(done_before().await);
    rig.market.list(&name(2), 2, 61);
    assert!(!done_before().await, "a day more");
    assert!(done_before().await);
    rig.market.list("newborn", 7, 60);
    assert!(!done_before().await, "a symbol more");
    assert!(done_before().await);
    rig.market.bars.remove(&symbol("newborn"));
    assert!(!done_before().await, "a symbol less");
    assert!(done_before().await);
    let expected: std::collections::BTreeMap<_, _> =
        [(0, 4), (1, 4), (2, 4), (3, 4)].map(|(seed, loads)| (symbol(&name(seed)), loads)).into();
    let mut loads = rig.market.loads();
    assert_eq!(loads.remove(&symbol("newborn")), Some(1));
    assert_eq!(loads, expected);
}
