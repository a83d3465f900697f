//! A process that lost its lock, and does not know it yet.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mystocks_bus::{Delivery, Json, NaiveUtc, TaskEvent, TaskProgress};
use mystocks_indicators::{DailyTask, ErrorKind, Results, TaskStatus};

use crate::rig::{Market, Rig};
use crate::trouble::Flaky;

/// Runs a task whose end cannot be recorded; in the midst of it `meanwhile` happens, and the database is back.
async fn end_late(rig: &Rig, results: &Flaky, meanwhile: impl Future<Output = ()>) {
    let job = rig.job_with(results.clone());
    let mut told = rig.bus.subscribe(TaskEvent::topic_of("nightly")).await.unwrap();
    let worker = job.work().await.unwrap();
    let task = DailyTask::new("nightly");
    let then = async {
        while results.held.len() < 90 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(results.refused.load(Ordering::SeqCst) > 1, "its end cannot be recorded");
        meanwhile.await;
        results.away.store(false, Ordering::SeqCst);
    };
    let begun = async {
        while results.held.task("nightly").await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        results.away.store(true, Ordering::SeqCst);
    };
    let (ended, (), ()) = tokio::join!(job.run(&task, |_| {}), begun, then);
    let error = ended.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    assert!(error.to_string().contains("its lock was lost"), "{error}");
    worker.shutdown().await;
    let record = results.held.task("nightly").await.unwrap().unwrap();
    assert_eq!((record.status, record.result_summary), (TaskStatus::Running, None));
    // What was told before the marker is there before it.
    rig.bus.publish(&marker()).await.unwrap();
    loop {
        let Some(Delivery::Event(event)) = told.next().await else { panic!("the marker comes") };
        match &event.event {
            TaskEvent::Progress(progress) if progress.message.as_deref() == Some("marker") => break,
            TaskEvent::Progress(_) => {}
            other => panic!("its end is told: {other:?}"),
        }
    }
}

fn marker() -> TaskEvent {
    TaskEvent::Progress(TaskProgress {
        timestamp: NaiveUtc::now(),
        version: "1.0".to_owned(),
        task_id: "nightly".to_owned(),
        task_type: "test".to_owned(),
        status: mystocks_bus::TaskStatus::Running,
        progress: 1.0,
        message: Some("marker".to_owned()),
        metadata: Json::Object(Vec::new()),
        processed: 0,
        total: 0,
        failed: 0,
    })
}

#[tokio::test(start_paused = true)]
async fn who_lost_the_lock_records_no_end() {
    let rig = Rig::new(Market::new(10, 60));
    let results = Flaky::default();
    let meanwhile = async {
        let lock = rig.locker.batch_task_lock("nightly").unwrap();
        rig.locker.force_release(lock, "a test").await.unwrap();
        // By then it was renewed, or not.
        tokio::time::sleep(Duration::from_secs(5)).await;
    };
    end_late(&rig, &results, meanwhile).await;
}

#[tokio::test(start_paused = true)]
async fn who_was_stopped_and_finds_another_holder_in_the_record_leaves_it_as_it_is() {
    let rig = Rig::new(Market::new(10, 60));
    let results = Flaky::default();
    let held = results.held.clone();
    let meanwhile = async {
        // Its own clock stood still, too: nothing here says that the lock is lost.
        let mut record = held.task("nightly").await.unwrap().unwrap();
        let Some(Json::Object(params)) = &mut record.params else { panic!("{record:?}") };
        let holder = params.iter_mut().find(|(name, _)| name == "holder").unwrap();
        assert_ne!(std::mem::replace(&mut holder.1, Json::from("another")), Json::from(""));
        held.record_task(&record).await.unwrap();
    };
    end_late(&rig, &results, meanwhile).await;
    let record = results.held.task("nightly").await.unwrap().unwrap();
    assert!(record.params.unwrap().dumps().contains(r#""holder": "another""#));
}

#[tokio::test(start_paused = true)]
async fn who_takes_over_is_the_holder_of_the_same_run() {
    let rig = Rig::new(Market::new(3, 60));
    let task = DailyTask::new("nightly");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let job = rig.job();
        tokio::select! {
            ended = job.run(&task, |_| {}) => panic!("{ended:?}"),
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
        let Some(Json::Object(params)) = rig.results.task("nightly").await.unwrap().unwrap().params else {
            panic!("it has parameters");
        };
        let text = |name: &str| match &params.iter().find(|(key, _)| key == name).unwrap().1 {
            Json::Str(text) => text.to_string(),
            other => panic!("{other:?}"),
        };
        seen.push((text("run"), text("holder")));
    }
    let [(run, holder), (same_run, other_holder)] = &*seen else { panic!("{seen:?}") };
    assert_eq!((run, run.len(), other_holder.len()), (same_run, 32, 32));
    assert_ne!(holder, other_holder);
}
