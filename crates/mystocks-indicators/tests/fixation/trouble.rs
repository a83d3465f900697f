//! What becomes of rows when something goes wrong.

use std::time::Duration;

use futures::FutureExt;
use mystocks_cache::{Keyspace, Lifetime, Store};
use mystocks_indicators::{ErrorKind, FixationStrategy, HotRow};
use tokio::time::{Instant, sleep};

use crate::{Moody, World, at, quote, quotes, seconds, sorted};

#[tokio::test(start_paused = true)]
async fn a_target_that_is_away_costs_nothing_but_time() {
    let (world, begun) = (World::default(), Instant::now());
    let fixation = world.fixation().strategy(FixationStrategy::Immediate).batch(100, 1 << 20);
    let worker = fixation.work().await.unwrap();
    fixation.put_all(&quotes(0..1_000)).await.unwrap();
    at(begun, seconds(1)).await;
    assert_eq!(world.target.kept.len(), 1_000);
    world.target.down(true);
    for number in 0..60 {
        fixation.put_all(&quotes(1_000 + number * 100..1_100 + number * 100)).await.unwrap();
        sleep(seconds(1)).await;
    }
    let state = fixation.state().await.unwrap();
    assert_eq!((state.put, state.written, state.held), (7_000, 1_000, 6_000));
    assert!(state.oldest.unwrap() >= seconds(59), "{state:?}");
    assert!(state.failed >= 10 && state.retried >= 1_000, "{state:?}");
    assert!(state.trouble.unwrap().contains("it is away"));
    assert!(world.target.calls() < 60, "it is left alone for longer each time: {}", world.target.calls());
    world.target.down(false);
    sleep(seconds(6)).await;
    let state = fixation.state().await.unwrap();
    assert_eq!((state.written, state.duplicate, state.held, state.dead), (7_000, 0, 0, 0), "{state:?}");
    assert_eq!((state.oldest, state.trouble), (None, None));
    assert_eq!(world.target.kept.rows(), sorted(quotes(0..7_000)));
    worker.shutdown().await;
}

/// An answer that was lost has its rows written again, and they stand there once.
#[tokio::test(start_paused = true)]
async fn what_was_written_before_its_answer_was_lost_is_a_duplicate() {
    let world = World::default();
    let fixation = world.fixation().strategy(FixationStrategy::Immediate);
    let worker = fixation.work().await.unwrap();
    world.target.loses_answers(true);
    fixation.put_all(&quotes(0..50)).await.unwrap();
    sleep(seconds(2)).await;
    world.target.loses_answers(false);
    sleep(seconds(6)).await;
    let state = fixation.state().await.unwrap();
    assert_eq!((state.written, state.duplicate, state.held), (0, 50, 0), "{state:?}");
    assert_eq!(world.target.kept.rows(), sorted(quotes(0..50)));
    worker.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_panics_is_one_in_trouble() {
    let world = World::default();
    let fixation = world.fixation().strategy(FixationStrategy::Immediate);
    let worker = fixation.work().await.unwrap();
    world.target.panics(true);
    fixation.put(&quote("600519", 1)).await.unwrap();
    sleep(seconds(2)).await;
    let state = fixation.state().await.unwrap();
    assert!(state.failed >= 2 && state.held == 1 && state.trouble.unwrap().contains("panicked"));
    world.target.panics(false);
    sleep(seconds(6)).await;
    assert_eq!(fixation.state().await.unwrap().written, 1);
    worker.shutdown().await;
}

/// What the target refuses for good lies aside, the others go on, and it is written when it is held again.
#[tokio::test(start_paused = true)]
async fn what_is_refused_lies_aside_and_the_others_go_on() {
    let world = World::default();
    let fixation = world.fixation().strategy(FixationStrategy::OnDemand);
    world.target.strict(true);
    let mut rows = quotes(0..500);
    for place in [0, 17, 18, 499] {
        rows[place].key = format!("bad{place}");
    }
    fixation.put_all(&rows).await.unwrap();
    fixation.flush().await.unwrap();
    let state = fixation.state().await.unwrap();
    assert_eq!((state.written, state.dead, state.dead_letters, state.held), (496, 4, 4, 0), "{state:?}");
    assert!(world.target.calls() < 100, "the refused are searched for by halves: {}", world.target.calls());
    let good = |rows: &[HotRow]| rows.iter().filter(|row| !row.key.starts_with("bad")).cloned().collect();
    assert_eq!(world.target.kept.rows(), sorted(good(&rows)));
    let letters = fixation.dead_letters(None, 10).await.unwrap();
    for (letter, place) in letters.iter().zip([0, 17, 18, 499]) {
        assert!(String::from_utf8_lossy(&letter.payload).contains(&format!("bad{place}")));
        let reason = &letter.death.as_ref().unwrap().reason;
        assert!(reason.contains("write hot rows") && letter.deliveries == 1, "{reason}");
    }
    world.target.strict(false);
    assert_eq!(fixation.replay().await.unwrap().replayed, 4);
    fixation.flush().await.unwrap();
    assert_eq!(world.target.kept.rows(), sorted(rows));
    assert_eq!(fixation.state().await.unwrap().dead_letters, 0);
}

/// What a worker has in hand that stands still stays its own, and nothing else does; of processes that die tells the story `fixation`.
#[tokio::test(start_paused = true)]
async fn a_worker_that_stands_still_holds_three_batches_at_most() {
    let world = World::default();
    let slow = world.fixation().strategy(FixationStrategy::Immediate).lease(seconds(2)).batch(100, 1 << 20);
    let worker = slow.work().await.unwrap();
    world.target.hangs(true);
    world.fixation().put_all(&quotes(0..1_000)).await.unwrap();
    sleep(seconds(1)).await;
    assert_eq!(world.target.calls(), 1);
    world.target.hangs(false);
    let other = world.fixation().strategy(FixationStrategy::Immediate);
    let others = other.work().await.unwrap();
    sleep(seconds(30)).await;
    let state = other.state().await.unwrap();
    assert_eq!(state.written + state.held, 1_000);
    assert!(state.held > 0 && state.held <= 300, "{state:?}");
    others.shutdown().await;
    drop(worker);
}

/// Who comes late with what was put first changes nothing: what was put last stays.
#[tokio::test(start_paused = true)]
async fn a_worker_that_is_late_overwrites_nothing_newer() {
    let world = World::default();
    let target = Moody { kept: world.target.kept.clone(), ..Moody::default() };
    let late = World { target, ..world.clone() };
    let slow = late.fixation().strategy(FixationStrategy::Immediate).batch(1, 1 << 20);
    let slow_worker = slow.work().await.unwrap();
    late.target.down(true);
    // Three batches are all that it takes.
    let first = [quote("600519", 1), quote("000001", 1), quote("000002", 1)];
    for row in &first {
        slow.put(row).await.unwrap();
        sleep(seconds(1)).await;
    }
    let quick = world.fixation().strategy(FixationStrategy::Immediate);
    let quick_worker = quick.work().await.unwrap();
    let corrected = HotRow::new("quote", "600519", first[0].at, [("price", 99.0)]);
    quick.put(&corrected).await.unwrap();
    sleep(seconds(1)).await;
    assert_eq!(world.target.kept.rows(), std::slice::from_ref(&corrected));
    late.target.down(false);
    slow.flush().await.unwrap();
    assert_eq!(world.target.kept.rows(), sorted(vec![first[1].clone(), first[2].clone(), corrected]));
    slow_worker.shutdown().await;
    quick_worker.shutdown().await;
}

/// Who is shut down while the target is away waits for nothing, and gives back what it had.
#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_back_what_the_target_does_not_take() {
    let world = World::default();
    let fixation = world.fixation().strategy(FixationStrategy::Immediate);
    let worker = fixation.work().await.unwrap();
    world.target.down(true);
    fixation.put_all(&quotes(0..5_000)).await.unwrap();
    sleep(seconds(10)).await;
    let begun = Instant::now();
    worker.shutdown().await;
    assert!(begun.elapsed() < seconds(1));
    assert_eq!(fixation.state().await.unwrap().held, 5_000);
    world.target.down(false);
    world.fixation().flush().await.unwrap();
    assert_eq!(world.target.kept.rows(), sorted(quotes(0..5_000)));
}

/// A flush that is dropped has lost nothing.
#[tokio::test(start_paused = true)]
async fn a_flush_can_be_dropped_at_any_time() {
    let world = World::default();
    let fixation = world.fixation().lease(seconds(1));
    fixation.put_all(&quotes(0..2_500)).await.unwrap();
    for millis in 0..40 {
        let _ = tokio::time::timeout(Duration::from_millis(millis), fixation.flush()).await;
    }
    fixation.flush().await.unwrap();
    assert_eq!(world.target.kept.rows(), sorted(quotes(0..2_500)));
    assert_eq!(fixation.state().await.unwrap().held, 0);
}

/// Without room putting fails, says why, and what is held stays.
#[tokio::test(start_paused = true)]
async fn what_has_no_room_is_refused_and_nothing_is_lost() {
    let world = World::default();
    let fixation = world.fixation().room(100);
    fixation.put_all(&quotes(0..90)).await.unwrap();
    let error = fixation.put_all(&quotes(90..101)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(fixation.state().await.unwrap().put, 90);
    // It would have been the latest.
    assert_eq!(fixation.get("quote", "000002").await.unwrap(), Some(quote("000002", 86)), "it is not served");
    fixation.flush().await.unwrap();
    fixation.put_all(&quotes(90..101)).await.unwrap();
    fixation.flush().await.unwrap();
    assert_eq!(world.target.kept.rows(), sorted(quotes(0..101)));
}

#[tokio::test(start_paused = true)]
async fn a_hot_value_lives_as_long_as_it_is_told_and_is_the_latest() {
    let world = World::default();
    let fixation = world.fixation().ttl(seconds(20));
    let rows = [quote("600519", 5), quote("600519", 9), quote("600519", 7), quote("000001", 1)];
    fixation.put_all(&rows).await.unwrap();
    assert_eq!(fixation.get("quote", "600519").await.unwrap(), Some(rows[1].clone()));
    assert_eq!(fixation.get("quote", "nobody").await.unwrap(), None);
    let key = Keyspace::default().hot("quote", "000001").unwrap();
    assert_eq!(world.store.touch(key.as_str(), None).await.unwrap(), Lifetime::Expires(seconds(20)));
    let found = world.store.get(&[key.as_str()]).await.unwrap().remove(0).unwrap();
    let expected =
        r#"{"kind": "quote", "key": "000001", "at": 1735800000000001, "fields": {"price": 10.01}}"#;
    assert_eq!(String::from_utf8_lossy(&found), expected);
    sleep(seconds(20)).await;
    assert_eq!(fixation.get("quote", "600519").await.unwrap(), None);
    assert_eq!(fixation.state().await.unwrap().held, 4, "it is held all the same");
    let put = mystocks_cache::Put { key: key.as_str(), value: "[]".into(), ttl: seconds(1) };
    world.store.put(&[put]).await.unwrap();
    assert_eq!(fixation.get("quote", "000001").await.unwrap_err().kind(), ErrorKind::Malformed);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_held_is_refused_with_all_of_its_call() {
    let world = World::default();
    let fixation = world.fixation();
    for bad in [quote("a:b", 1), quote("", 1), HotRow { kind: "a/b".to_owned(), ..quote("a", 1) }] {
        let error = fixation.put_all(&[quote("good", 1), bad]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    assert!(fixation.put_all(&[]).now_or_never().unwrap().is_ok());
    let state = fixation.state().await.unwrap();
    assert_eq!((state.put, state.held), (0, 0));
    assert_eq!(fixation.get("quote", "good").await.unwrap(), None);
}

/// A target whose time has not come yet loses nothing to one that has written all.
#[tokio::test(start_paused = true)]
async fn nothing_is_trimmed_before_every_target_has_it() {
    let (world, other) = (World::default(), World::default());
    let second = World { log: world.log.clone(), store: world.store.clone(), target: other.target.clone() };
    let (one, two) = (world.fixation().room(100), second.fixation().group("archive").room(100));
    let worker = two.work().await.unwrap();
    one.put_all(&quotes(0..90)).await.unwrap();
    one.flush().await.unwrap();
    assert!(one.put_all(&quotes(90..110)).await.is_err(), "the other has not written them");
    sleep(seconds(301)).await;
    one.put_all(&quotes(90..110)).await.unwrap();
    two.flush().await.unwrap();
    assert_eq!(other.target.kept.rows(), sorted(quotes(0..110)));
    worker.shutdown().await;
}

/// Two targets each get all rows.
#[tokio::test(start_paused = true)]
async fn each_group_gets_all_rows() {
    let (world, other) = (World::default(), World::default());
    let second = World { log: world.log.clone(), store: world.store.clone(), target: other.target.clone() };
    let (one, two) = (world.fixation(), second.fixation().group("archive"));
    one.put_all(&quotes(0..100)).await.unwrap();
    one.flush().await.unwrap();
    assert_eq!((one.state().await.unwrap().held, two.state().await.unwrap().held), (0, 100));
    two.flush().await.unwrap();
    assert_eq!((world.target.kept.len(), other.target.kept.len()), (100, 100));
}
