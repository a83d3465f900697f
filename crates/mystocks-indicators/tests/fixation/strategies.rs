//! When rows are written.

use std::time::Duration;

use mystocks_indicators::{ErrorKind, FixationStrategy};
use tokio::time::{Instant, advance, sleep};

use crate::{World, at, quote, quotes, seconds};

const TICK: Duration = Duration::from_millis(300);

#[tokio::test(start_paused = true)]
async fn immediate_writes_at_once() {
    let (world, begun) = (World::default(), Instant::now());
    let fixation = world.fixation().strategy(FixationStrategy::Immediate);
    let worker = fixation.work().await.unwrap();
    for number in 0..5 {
        at(begun, seconds(100 * number)).await;
        fixation.put(&quote("600519", i64::try_from(number).unwrap())).await.unwrap();
        sleep(TICK).await;
        assert_eq!(world.target.kept.len() as u64, number + 1);
    }
    let state = fixation.state().await.unwrap();
    assert_eq!((state.put, state.written, state.held, state.oldest), (5, 5, 0, None));
    worker.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_interval_writes_all_that_is_held_every_so_often() {
    let (world, begun) = (World::default(), Instant::now());
    let fixation = world.fixation().ttl(seconds(3_600));
    let worker = fixation.work().await.unwrap();
    for after in [10, 100, 299] {
        at(begun, seconds(after)).await;
        fixation.put(&quote("600519", i64::try_from(after).unwrap())).await.unwrap();
    }
    at(begun, seconds(300) - TICK).await;
    let state = fixation.state().await.unwrap();
    assert_eq!((world.target.kept.len(), state.held), (0, 3));
    assert_eq!(state.oldest.unwrap().as_secs(), 289);
    at(begun, seconds(300) + TICK).await;
    assert_eq!((world.target.kept.len(), world.target.calls()), (3, 1));
    fixation.put(&quote("600519", 301)).await.unwrap();
    at(begun, seconds(600) - TICK).await;
    assert_eq!(world.target.kept.len(), 3);
    at(begun, seconds(600) + TICK).await;
    assert_eq!(world.target.kept.len(), 4);
    worker.shutdown().await;
}

/// Whatever the interval, there is no time in which a row is neither served nor written.
#[tokio::test(start_paused = true)]
async fn an_interval_does_not_outlast_the_hot_value() {
    for (every, ttl, put, written) in
        [(300, 300, 301, 571), (400, 300, 7, 277), (86_400, 20, 100, 118), (50, 300, 7, 50)]
    {
        let (world, begun) = (World::default(), Instant::now());
        let strategy = FixationStrategy::Interval(seconds(every));
        let fixation = world.fixation().strategy(strategy).ttl(seconds(ttl));
        let worker = fixation.work().await.unwrap();
        at(begun, seconds(put)).await;
        fixation.put(&quote("600519", 1)).await.unwrap();
        at(begun, seconds(written) - TICK).await;
        assert_eq!(world.target.kept.len(), 0, "{every} {ttl}");
        at(begun, seconds(written) + TICK).await;
        assert_eq!(world.target.kept.len(), 1, "{every} {ttl}");
        assert_eq!(fixation.get("quote", "600519").await.unwrap(), Some(quote("600519", 1)), "{every} {ttl}");
        worker.shutdown().await;
    }
}

/// A process that is started anew again and again never comes to its round, and what it holds is written all the same.
#[tokio::test(start_paused = true)]
async fn an_interval_counts_from_when_a_row_was_put_too() {
    let (world, begun) = (World::default(), Instant::now());
    world.fixation().put(&quote("600519", 1)).await.unwrap();
    for round in 1..=3 {
        let worker = world.fixation().work().await.unwrap();
        at(begun, seconds(120 * round)).await;
        assert_eq!(world.target.kept.len(), usize::from(round == 3), "{round}");
        worker.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn before_expiry_writes_when_the_oldest_would_expire() {
    let (world, begun) = (World::default(), Instant::now());
    let strategy = FixationStrategy::BeforeExpiry { ttl: seconds(300), margin: seconds(60) };
    let fixation = world.fixation().strategy(strategy);
    let worker = fixation.work().await.unwrap();
    for (after, key) in [(7, "first"), (200, "second"), (246, "third")] {
        at(begun, seconds(after)).await;
        fixation.put(&quote(key, i64::try_from(after).unwrap())).await.unwrap();
    }
    at(begun, seconds(247) - TICK).await;
    assert_eq!(world.target.kept.len(), 0);
    at(begun, seconds(247) + TICK).await;
    assert_eq!(world.target.kept.len(), 3, "what is held is written together");
    assert_eq!(fixation.get("quote", "first").await.unwrap(), Some(quote("first", 7)), "in time");
    at(begun, seconds(250)).await;
    fixation.put(&quote("fourth", 250)).await.unwrap();
    at(begun, seconds(490) - TICK).await;
    assert_eq!(world.target.kept.len(), 3);
    assert_eq!(fixation.get("quote", "first").await.unwrap(), None, "its time has passed");
    at(begun, seconds(490) + TICK).await;
    assert_eq!(world.target.kept.len(), 4);
    worker.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn on_demand_writes_when_it_is_told_to() {
    let world = World::default();
    let fixation = world.fixation().strategy(FixationStrategy::OnDemand);
    let worker = fixation.work().await.unwrap();
    fixation.put_all(&quotes(0..100)).await.unwrap();
    advance(seconds(86_400)).await;
    sleep(TICK).await;
    assert_eq!((world.target.kept.len(), fixation.state().await.unwrap().held), (0, 100));
    fixation.flush().await.unwrap();
    assert_eq!((world.target.kept.len(), fixation.state().await.unwrap().held), (100, 0));
    worker.shutdown().await;
}

/// Whatever the strategy, with a worker and without: what was put before is in the target when `flush` returns.
#[tokio::test(start_paused = true)]
async fn what_was_put_before_a_flush_is_in_the_target_after_it() {
    let strategies = [
        FixationStrategy::Immediate,
        FixationStrategy::default(),
        FixationStrategy::BeforeExpiry { ttl: seconds(300), margin: seconds(30) },
        FixationStrategy::OnDemand,
    ];
    for strategy in strategies {
        for works in [true, false] {
            let world = World::default();
            let fixation = world.fixation().strategy(strategy);
            fixation.flush().await.unwrap();
            let worker = if works { Some(fixation.work().await.unwrap()) } else { None };
            for round in 1..=5 {
                // Rows go on being put while it is written.
                let more = async {
                    for number in 0..50 {
                        sleep(Duration::from_millis(1)).await;
                        world.fixation().put(&quote("later", round * 10_000 + number)).await.unwrap();
                    }
                };
                let rows: Vec<_> = (0..30).map(|number| quote("before", round * 100 + number)).collect();
                world.fixation().put_all(&rows).await.unwrap();
                let flushed = async {
                    let begun = Instant::now();
                    fixation.flush().await.unwrap();
                    assert!(begun.elapsed() < seconds(1), "{strategy:?}");
                    let kept = world.target.kept.rows();
                    let before = kept.iter().filter(|row| row.key == "before").count();
                    assert_eq!(before, usize::try_from(round).unwrap() * 30, "{strategy:?} {works}");
                };
                tokio::join!(more, flushed);
            }
            fixation.flush().await.unwrap();
            assert_eq!(world.target.kept.len(), 5 * 80);
            assert_eq!(fixation.state().await.unwrap().held, 0);
            if let Some(worker) = worker {
                worker.shutdown().await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_to_hold_is_written_before_its_time() {
    let (world, begun) = (World::default(), Instant::now());
    let fixation = world.fixation().backlog(50);
    let worker = fixation.work().await.unwrap();
    fixation.put_all(&quotes(0..49)).await.unwrap();
    at(begun, seconds(5)).await;
    assert_eq!(world.target.kept.len(), 0);
    fixation.put_all(&quotes(49..50)).await.unwrap();
    at(begun, seconds(7)).await;
    assert_eq!(world.target.kept.len(), 50);
    worker.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused() {
    let world = World::default();
    let late = FixationStrategy::BeforeExpiry { ttl: seconds(30), margin: seconds(30) };
    for (strategy, reason) in [(FixationStrategy::Interval(Duration::ZERO), "Immediate"), (late, "margin")] {
        let error = world.fixation().strategy(strategy).work().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(reason), "{error}");
    }
    let error = world.fixation().lease(Duration::from_millis(99)).work().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("100ms"), "{error}");
}
