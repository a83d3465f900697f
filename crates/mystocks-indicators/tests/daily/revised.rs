//! A run that is gone on with after bars were revised.

use std::time::Duration;

use mystocks_indicators::{DailyTask, Results, TaskStatus};

use crate::rig::{Market, Rig, bar, name, symbol};

/// Has the task given out, and broken off.
async fn give_out(rig: &Rig, task: &DailyTask) {
    let job = rig.job();
    tokio::select! {
        ended = job.run(task, |_| {}) => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_secs(5)) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_finished_of_bars_that_were_revised_since_is_done_again_and_nothing_else() {
    let rig = Rig::new(Market::new(20, 60));
    rig.market.list("young", 3, 2);
    let task = DailyTask::new("nightly");
    give_out(&rig, &task).await;
    // All is done and told, and nobody is there to say that the task has ended.
    let worker = rig.job().work().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    worker.shutdown().await;
    assert_eq!(rig.market.loads().len(), 21);
    assert_eq!(rig.results.task("nightly").await.unwrap().unwrap().status, TaskStatus::Running);

    let mut revised = bar(4, 59);
    revised.close += 0.1;
    rig.market.bars.revise(&symbol(&name(4)), revised).unwrap();
    rig.market.list(&name(5), 5, 61);
    rig.market.list("young", 3, 60);
    rig.market.bars.remove(&symbol(&name(6)));
    // Who takes over dies, too, and the next one finds what that one gave out.
    give_out(&rig, &task).await;
    let job = rig.job();
    let working = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        rig.job().work().await.unwrap()
    };
    let (report, worker) = tokio::join!(job.run(&task, |_| {}), working);
    worker.shutdown().await;
    let report = report.unwrap().unwrap();
    assert_eq!((report.total, report.succeeded), (21, 20));
    assert_eq!(report.resumed, 17, "what was done again was not resumed");
    assert_eq!((report.series, report.failed.len()), (180, 0));
    assert!(
        report.took < Duration::from_secs(4),
        "not only when nothing is left to be done: {:?}",
        report.took
    );
    assert_eq!(
        report.skipped.into_iter().collect::<Vec<_>>(),
        [(symbol(&name(6)), "it has no bars".to_owned())]
    );
    let again: Vec<_> = rig.market.loads().into_iter().filter(|(_, loads)| *loads > 1).collect();
    let expected = [name(4), name(5), name(6), "young".to_owned()];
    assert_eq!(again, expected.map(|name| (symbol(&name), 2)));
    let rows = rig.results.series(&symbol(&name(4)), "SMA(timeperiod=5)");
    let mean = (55..60).map(|at| if at == 59 { revised.close } else { bar(4, at).close }).sum::<f64>() / 5.0;
    assert!((rows.values().last().unwrap().value.unwrap() - mean).abs() < 1e-9);
}
