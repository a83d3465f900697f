//! Who lives keeps what it has, and who does not loses it.

use std::collections::BTreeSet;

use tokio::time::{Instant, sleep};

use super::{
    Consumer, Duration, EARLIEST, Entry, LONG, LogUnderTest, SHORT, Settled, Shelf, Start, TEND, TOPIC, Tend,
    Verdict, consumer, ids, numbers,
};

/// However long it takes: nobody is given what a consumer has whose lease is renewed.
pub async fn who_lives_keeps_what_it_has(test: &LogUnderTest) {
    let (slow, other) = (Consumer { lease: SHORT * 2, ..consumer("slow") }, consumer("other"));
    test.join(&slow).await;
    test.join(&other).await;
    test.append(0..5).await;
    let given = test.read(&slow, 5).await;
    for _ in 0..30 {
        sleep(SHORT / 4).await;
        assert!(test.tend(&slow, TEND).await.is_alive);
        assert_eq!(test.tend(&other, TEND).await.entries, []);
    }
    assert_eq!(test.settle(&slow, &ids(&given), Verdict::Done).await, Settled::Settled);
}

/// What a dead consumer had comes to the others, each entry to one of them; nothing is left of the consumer.
pub async fn what_a_dead_consumer_had_comes_once(test: &LogUnderTest) {
    let (dead, one, two) = (Consumer { lease: SHORT, ..consumer("dead") }, consumer("one"), consumer("two"));
    let begun = Instant::now();
    for consumer in [&dead, &one, &two] {
        test.join(consumer).await;
    }
    test.append(0..50).await;
    assert_eq!(test.read(&dead, 50).await.len(), 50);
    let mut found: Vec<Entry> = Vec::new();
    while found.len() < 50 && begun.elapsed() < LONG {
        let tend = Tend { room: 7, ..TEND };
        let (of_one, of_two) = tokio::join!(test.tend(&one, tend), test.tend(&two, tend));
        assert!(of_one.entries.is_empty() || begun.elapsed() >= EARLIEST, "it lived still");
        assert!(of_one.entries.len() <= 7 && of_two.entries.len() <= 7, "more than there is room for");
        found.extend(of_one.entries.into_iter().chain(of_two.entries));
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(found.iter().map(|entry| entry.id).collect::<BTreeSet<_>>().len(), 50);
    assert!(found.len() == 50 && found.iter().all(|entry| entry.deliveries == 2 && entry.orphaned));
    assert_eq!(test.figures().await, [0, 50, 0, 0, 2]);
}

/// Who was taken away is told so, and settles nothing; its name can come back with nothing.
pub async fn who_was_taken_away_settles_nothing(test: &LogUnderTest) {
    let (stopped, other) = (Consumer { lease: SHORT, ..consumer("stopped") }, consumer("other"));
    test.join(&stopped).await;
    test.join(&other).await;
    test.append(0..2).await;
    let given = ids(&test.read(&stopped, 2).await);
    sleep(SHORT * 2).await;
    assert_eq!(test.tend(&other, TEND).await.entries.len(), 2);
    for verdict in [Verdict::Done, Verdict::Again(Duration::ZERO), Verdict::Dead("late")] {
        assert_eq!(test.settle(&stopped, &given, verdict).await, Settled::Lost);
    }
    assert!(!test.tend(&stopped, TEND).await.is_alive);
    assert_eq!(test.figures().await, [0, 2, 0, 0, 1]);
    assert_eq!(test.settle(&other, &given, Verdict::Done).await, Settled::Settled);
}

/// A read that somebody began who is taken for dead takes nothing away for good.
pub async fn what_is_read_without_a_lease_is_others(test: &LogUnderTest) {
    let (dead, other) = (Consumer { lease: SHORT, ..consumer("dead") }, consumer("other"));
    test.join(&dead).await;
    test.join(&other).await;
    sleep(SHORT * 2).await;
    test.tend(&other, TEND).await;
    test.append(0..3).await;
    assert_eq!(test.read(&dead, 3).await.len(), 3);
    assert_eq!(numbers(&test.tend(&other, TEND).await.entries), [0, 1, 2]);
    assert_eq!(test.figures().await, [0, 3, 0, 0, 1]);
}

/// What was delivered as often as is allowed when its consumer died is a dead letter.
pub async fn what_killed_too_often_is_dead(test: &LogUnderTest) {
    let watch = consumer("watch");
    test.join(&watch).await;
    test.append([7]).await;
    let look = Tend { room: 0, deliveries: 3, ..TEND };
    for (round, name) in ["a", "b", "c"].into_iter().enumerate() {
        let victim = Consumer { lease: SHORT, ..consumer(name) };
        test.tend(&victim, Tend { join: Some(Start::First), room: 0, ..look }).await;
        let given = match round {
            0 => test.read(&victim, 1).await,
            _ => test.tend(&victim, Tend { room: 1, ..look }).await.entries,
        };
        assert_eq!(given.iter().map(|entry| entry.deliveries).collect::<Vec<_>>(), [round as u64 + 1]);
        sleep(SHORT * 2).await;
        test.tend(&watch, look).await;
    }
    let dead = test.range(Shelf::Dead { topic: TOPIC, group: "g" }, None, 10).await;
    assert_eq!((numbers(&dead), dead[0].deliveries), (vec![7], 3));
    assert_eq!(test.figures().await, [0, 0, 0, 1, 1]);
}

/// Who did not hear what it was given gives it back; that was no delivery.
pub async fn what_a_lost_answer_gave_is_given_back(test: &LogUnderTest) {
    let (one, other) = (consumer("one"), consumer("other"));
    test.join(&one).await;
    test.join(&other).await;
    test.append(0..6).await;
    assert_eq!(test.read(&other, 1).await.len(), 1);
    let known = ids(&test.read(&one, 2).await);
    let lost = test.read(&one, 2).await;
    let keeps = Tend { keeps: Some(&known), room: 0, ..TEND };
    assert!(test.tend(&one, keeps).await.is_alive);
    let found = test.tend(&other, TEND).await.entries;
    assert_eq!((ids(&found), found[0].deliveries, found[1].deliveries), (ids(&lost), 1, 1));
    assert!(found.iter().all(|entry| !entry.orphaned), "nobody died");
    assert_eq!(test.tend(&one, Tend { room: 100, ..keeps }).await.entries, []);
    assert_eq!(test.settle(&one, &known, Verdict::Done).await, Settled::Settled);
    assert_eq!(numbers(&test.read(&one, 10).await), [5]);
    assert_eq!(test.figures().await, [0, 4, 0, 0, 2]);
}

/// What somebody who leaves has not begun with comes to others at once, and was no delivery.
pub async fn who_leaves_gives_back_at_once(test: &LogUnderTest) {
    let (one, other) = (consumer("one"), consumer("other"));
    test.join(&one).await;
    test.join(&other).await;
    test.append(0..3).await;
    assert_eq!(test.read(&one, 3).await.len(), 3);
    assert!(!test.tend(&one, Tend { leave: true, ..TEND }).await.is_alive);
    let found = test.tend(&other, TEND).await.entries;
    assert_eq!((numbers(&found), found[0].deliveries), (vec![0, 1, 2], 1));
    assert_eq!(test.figures().await, [0, 3, 0, 0, 1]);
}

/// What two consumers have died with is given one at a time with nothing else, and does not keep others from being given.
pub async fn what_may_have_killed_is_given_alone(test: &LogUnderTest) {
    let watch = consumer("watch");
    test.join(&watch).await;
    test.append(0..4).await;
    for name in ["a", "b"] {
        let victim = Consumer { lease: SHORT, ..consumer(name) };
        let joined = test.tend(&victim, Tend { join: Some(Start::First), ..TEND }).await;
        let given = if name == "a" { test.read(&victim, 3).await } else { joined.entries };
        assert_eq!(given.len(), 3, "the first death is nothing yet");
        sleep(SHORT * 2).await;
        test.tend(&watch, Tend { room: 0, ..TEND }).await;
    }
    let fourth = ids(&test.read(&watch, 1).await);
    test.settle(&watch, &fourth, Verdict::Again(Duration::ZERO)).await;
    let mut given = test.tend(&watch, Tend { takes_alone: false, ..TEND }).await.entries;
    assert_eq!((ids(&given), given[0].orphaned), (fourth, false), "they do not keep others from being given");
    test.settle(&watch, &ids(&given), Verdict::Again(Duration::ZERO)).await;
    for _ in 0..3 {
        let next = test.tend(&watch, TEND).await.entries;
        assert_eq!(
            (next.len(), next[0].deliveries, next[0].orphaned),
            (1, 3, true),
            "nothing else comes with it"
        );
        given.extend(next);
    }
    assert_eq!(given.iter().map(|entry| entry.id).collect::<BTreeSet<_>>().len(), 4);
}
