//! A log that loses what it had acknowledged, and work that vanishes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mystocks_bus::{
    Append, Appended, Consumer, DurableTopic, Entry, Error, Event, GroupState, Handling, Id, Log, MemoryLog,
    Part, Room, Settle, Settled, Shelf, Tend, Tended, Topic,
};
use mystocks_indicators::{DailyJob, DailyTask};
use serde::{Deserialize, Serialize};

use crate::rig::{Market, Rig};

const WORK: &str = "indicators.daily.work";
const OUTCOMES: &str = "indicators.daily.outcomes";

/// What another task tells; as work it is nothing that can be handled.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Told {
    task_id: String,
    run: String,
}

impl Event for Told {
    const TYPE: &'static str = OUTCOMES;

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new(OUTCOMES)]
    }
}

impl Told {
    fn of_another_task() -> Self {
        Self { task_id: "another".to_owned(), run: "x".to_owned() }
    }
}

/// Loses one append to the outcomes after it was acknowledged.
#[derive(Debug, Clone)]
struct Forgetful {
    log: MemoryLog,
    loses: Arc<AtomicBool>,
}

#[async_trait]
impl Log for Forgetful {
    async fn append(&self, topic: &str, room: Room, entries: &[Append<'_>]) -> Result<Vec<Appended>, Error> {
        if topic == OUTCOMES && self.loses.swap(false, Ordering::SeqCst) {
            let last = self.log.range(Shelf::Topic(OUTCOMES), Part::Last).await?.remove(0).id;
            return Ok(vec![Appended::Now(Id { sequence: last.sequence + 1, ..last })]);
        }
        self.log.append(topic, room, entries).await
    }
    async fn read(&self, consumer: &Consumer<'_>, count: usize, wait: Duration) -> Result<Vec<Entry>, Error> {
        self.log.read(consumer, count, wait).await
    }
    async fn settle(&self, consumer: &Consumer<'_>, settlements: &[Settle<'_>]) -> Result<Settled, Error> {
        self.log.settle(consumer, settlements).await
    }
    async fn tend(&self, consumer: &Consumer<'_>, tend: &Tend<'_>) -> Result<Tended, Error> {
        self.log.tend(consumer, tend).await
    }
    async fn range(&self, shelf: Shelf<'_>, part: Part) -> Result<Vec<Entry>, Error> {
        self.log.range(shelf, part).await
    }
    async fn state(&self, topic: &str, group: &str) -> Result<GroupState, Error> {
        self.log.state(topic, group).await
    }
}

/// Has the task given out, and broken off; then the next who runs it loses the mark up to which it reads.
async fn broken_off(rig: &Rig, task: &DailyTask) -> DailyJob {
    let job = rig.job();
    tokio::select! {
        ended = job.run(task, |_| {}) => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_secs(5)) => {}
    }
    let log = Forgetful { log: rig.log.clone(), loses: Arc::new(AtomicBool::new(true)) };
    DailyJob::new(&rig.service(), rig.results.clone(), &rig.locker, log)
}

#[tokio::test(start_paused = true)]
async fn a_lost_mark_is_set_again() {
    let rig = Rig::new(Market::new(5, 60));
    let task = DailyTask::new("nightly");
    let job = broken_off(&rig, &task).await;
    let running = job.run(&task, |_| {});
    let working = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        rig.job().work().await.unwrap()
    };
    let both = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(running, working) });
    let (report, worker) = both.await.expect("it does not wait for what will never come");
    worker.shutdown().await;
    let report = report.unwrap().unwrap();
    assert_eq!((report.succeeded, report.resumed), (5, 0), "nothing was told before the new mark");
}

#[tokio::test(start_paused = true)]
async fn work_that_vanished_is_given_out_again_while_other_tasks_have_work_for_long() {
    let rig = Rig::new(Market::new(5, 60));
    let rogue = DurableTopic::<Told>::new(rig.log.clone(), WORK, "tests");
    let handling = Handling { at_once: 1, ..Handling::default() };
    let rogue = rogue.consume("workers", handling, |_| async { Ok::<_, Error>(()) }).await.unwrap();
    let job = rig.job();
    let task = DailyTask::new("nightly");
    let running = job.run(&task, |_| {});
    let working = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        rogue.shutdown().await;
        // Another task's work, which somebody has in hand all the while.
        let other = DurableTopic::<Told>::new(rig.log.clone(), WORK, "tests");
        other.publish(&Told::of_another_task()).await.unwrap();
        let busy = |_| async {
            tokio::time::sleep(Duration::from_secs(7_200)).await;
            Ok::<_, Error>(())
        };
        let handling = Handling { at_once: 1, prefetch: 1, ..Handling::default() };
        let busy = other.consume("workers", handling, busy).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        (rig.job().work().await.unwrap(), busy)
    };
    let both = async { tokio::join!(running, working) };
    let ended = tokio::time::timeout(Duration::from_secs(1_800), both).await;
    let (report, (worker, busy)) = ended.expect("it does not wait for the other task");
    worker.shutdown().await;
    drop(busy);
    assert_eq!(report.unwrap().unwrap().succeeded, 5);
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_a_lost_mark_shows_that_it_is_passed() {
    let rig = Rig::new(Market::new(5, 60));
    let task = DailyTask::new("nightly");
    let job = broken_off(&rig, &task).await;
    let others = DurableTopic::new(rig.log.clone(), OUTCOMES, "tests");
    let mut began = None;
    let running = job.run(&task, |_| began = began.or(Some(tokio::time::Instant::now())));
    let start = tokio::time::Instant::now();
    let telling = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        others.publish(&Told::of_another_task()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        rig.job().work().await.unwrap()
    };
    let both = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(running, telling) });
    let (report, worker) = both.await.expect("it does not wait for what will never come");
    worker.shutdown().await;
    assert_eq!(report.unwrap().unwrap().succeeded, 5);
    let after = began.unwrap() - start;
    assert!(after < Duration::from_secs(2), "it began after {after:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_told_in_a_gap_before_it_took_over_is_done_again_at_once() {
    let rig = Rig::new(Market::new(5, 60));
    let task = DailyTask::new("nightly");
    let job = rig.job();
    tokio::select! {
        ended = job.run(&task, |_| {}) => panic!("{ended:?}"),
        () = tokio::time::sleep(Duration::from_secs(5)) => {}
    }
    let worker = rig.job().work().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let others = DurableTopic::new(rig.log.clone(), OUTCOMES, "tests").keep_latest(1);
    for _ in 0..300 {
        others.publish(&Told::of_another_task()).await.unwrap();
    }
    let report = job.run(&task, |_| {}).await.unwrap().unwrap();
    worker.shutdown().await;
    assert_eq!((report.succeeded, report.resumed), (5, 0));
    // Not only when nothing is left to be done anywhere for some seconds.
    assert!(report.took < Duration::from_secs(4), "{:?}", report.took);
    assert!(rig.market.loads().values().all(|loads| *loads == 2), "{:?}", rig.market.loads());
}

#[tokio::test(start_paused = true)]
async fn work_that_vanished_is_given_out_again_however_busy_other_tasks_are() {
    let rig = Rig::new(Market::new(5, 60));
    // It acknowledges what it cannot read, and so all work is gone.
    let rogue = DurableTopic::<Told>::new(rig.log.clone(), WORK, "tests");
    let rogue =
        rogue.consume("workers", Handling::default(), |_| async { Ok::<_, Error>(()) }).await.unwrap();
    let job = rig.job();
    let task = DailyTask::new("nightly");
    let running = job.run(&task, |_| {});
    let working = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        rogue.shutdown().await;
        rig.job().work().await.unwrap()
    };
    let others = DurableTopic::new(rig.log.clone(), OUTCOMES, "tests");
    let noise = async {
        loop {
            others.publish(&Told::of_another_task()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let both = async { tokio::join!(running, working) };
    let ended = tokio::time::timeout(Duration::from_secs(30), async {
        tokio::select! {
            both = both => both,
            () = noise => unreachable!(),
        }
    });
    let (report, worker) = ended.await.expect("what others tell says nothing of this task");
    worker.shutdown().await;
    assert_eq!(report.unwrap().unwrap().succeeded, 5);
}
