//! Who is alone with a topic, and what lanes have together.

use tokio::time::{Instant, sleep};

use super::{
    Append, Appended, Consumer, Duration, Id, LONG, LogUnderTest, Part, ROOM, SHORT, Settled, Shelf, Start,
    TEND, TOPIC, Tend, Verdict, consumer, ids, numbers,
};
use crate::log::Once;

const JOIN: Tend<'_> = Tend { join: Some(Start::First), room: 0, ..TEND };
const WAITING: Shelf<'_> = Shelf::Waiting { topic: TOPIC, group: "g" };

fn first(count: usize) -> Part {
    Part::After { id: None, count, wait: Duration::ZERO }
}

fn sole(name: &str) -> Consumer<'_> {
    Consumer { is_sole: true, ..consumer(name) }
}

/// A sole consumer joins when no other is there, and in the place of a dead one, whose entries wait then.
pub async fn a_sole_consumer_is_the_only_one(test: &LogUnderTest) {
    let (one, two) = (Consumer { lease: SHORT * 2, ..sole("one") }, sole("two"));
    test.append(0..3).await;
    for _ in 0..2 {
        assert!(test.tend(&one, JOIN).await.is_alive);
        assert!(!test.tend(&two, JOIN).await.is_alive, "it is not alone");
    }
    let given = test.read(&one, 2).await;
    assert_eq!(numbers(&given), [0, 1]);
    assert_eq!(test.read(&two, 2).await, []);
    assert_eq!(test.figures().await, [1, 2, 0, 0, 1]);
    sleep(SHORT * 3).await;
    let joined = test.tend(&two, JOIN).await;
    assert_eq!((joined.is_alive, joined.reached), (true, Some(given[1].id)));
    assert_eq!(test.log.range(WAITING, first(10)).await.expect("it reads").len(), 2);
    assert!(!test.tend(&one, JOIN).await.is_alive);
    assert!(!test.tend(&two, Tend { leave: true, ..TEND }).await.is_alive);
    assert!(test.tend(&one, JOIN).await.is_alive, "the other has left");
    assert!(!test.tend(&two, JOIN).await.is_alive);
    assert_eq!(test.tend(&one, TEND).await.reached, None);
}

/// Who was alone and was taken away reads nothing: not past the one who came after it.
pub async fn who_was_taken_away_reads_nothing(test: &LogUnderTest) {
    let (stopped, other) = (Consumer { lease: SHORT, ..sole("stopped") }, sole("other"));
    assert!(test.tend(&stopped, JOIN).await.is_alive);
    test.append(0..3).await;
    assert_eq!(numbers(&test.read(&stopped, 1).await), [0]);
    sleep(SHORT * 2).await;
    assert!(test.tend(&other, JOIN).await.is_alive);
    assert_eq!(test.read(&stopped, 10).await, []);
    assert_eq!(numbers(&test.tend(&other, TEND).await.entries), [0]);
    assert_eq!(numbers(&test.read(&other, 10).await), [1, 2]);
    let begun = Instant::now();
    assert_eq!(test.log.read(&other, 10, LONG).await.expect("it reads"), []);
    assert!(begun.elapsed() < LONG / 2, "a sole consumer does not wait");
    assert_eq!(test.figures().await, [0, 3, 0, 0, 1]);
}

/// What waits is shown by id, part by part, due or not, with its deliveries.
pub async fn what_waits_is_shown_in_order(test: &LogUnderTest) {
    let one = consumer("one");
    test.join(&one).await;
    let appended = test.append(0..30).await;
    assert_eq!(test.log.range(WAITING, first(10)).await.expect("it reads"), []);
    let given = ids(&test.read(&one, 25).await);
    let (later, now): (Vec<Id>, Vec<Id>) = given.iter().rev().partition(|id| id.sequence % 3 == 0);
    test.settle(&one, &later, Verdict::Again(LONG)).await;
    test.settle(&one, &now, Verdict::Again(Duration::ZERO)).await;
    let (mut after, mut shown) = (None, Vec::new());
    loop {
        let part = test
            .log
            .range(WAITING, Part::After { id: after, count: 7, wait: Duration::ZERO })
            .await
            .expect("it reads");
        assert!(part.len() <= 7 && part.iter().all(|entry| entry.deliveries == 1 && entry.death.is_none()));
        let Some(last) = part.last() else { break };
        after = Some(last.id);
        shown.extend(part);
    }
    assert_eq!(test.log.range(WAITING, Part::Last).await.expect("it reads"), shown[24..]);
    assert_eq!((ids(&shown), numbers(&shown)), (appended[..25].to_vec(), (0..25).collect()));
    assert_eq!(test.figures().await, [5, 25, 25, 0, 1]);
}

/// Of what waits only what was asked for is given, when it is due; what does not wait is not due.
pub async fn only_what_is_asked_for_is_given(test: &LogUnderTest) {
    let one = consumer("one");
    test.join(&one).await;
    test.append(0..5).await;
    let given = ids(&test.read(&one, 5).await);
    test.settle(&one, &given[..4], Verdict::Again(Duration::ZERO)).await;
    test.settle(&one, &given[4..], Verdict::Again(LONG)).await;
    let take = async |only: &[Id], room| test.tend(&one, Tend { only: Some(only), room, ..TEND }).await;
    let none = take(&[], 10).await;
    assert_eq!((none.entries, none.due), (Vec::new(), None));
    let some = take(&[given[1], given[3], given[4]], 10).await;
    assert_eq!((numbers(&some.entries), some.entries[0].deliveries), (vec![1, 3], 2));
    assert!(some.due.is_some_and(|due| due > LONG / 2), "{some:?}");
    let gone = take(&[given[1]], 10).await;
    assert_eq!((gone.entries, gone.due), (Vec::new(), None));
    let narrow = take(&[given[0], given[2]], 1).await;
    assert_eq!((numbers(&narrow.entries), narrow.due), (vec![0], Some(Duration::ZERO)));
    assert_eq!(test.figures().await, [0, 5, 2, 0, 1]);
}

/// Who waits for news is told of which topics there are some, and what was there before is none.
pub async fn news_are_waited_for(test: &LogUnderTest) {
    let append = async |lane: &str| {
        let entry = Append { payload: b"7", once: None };
        match test.log.append(lane, ROOM, &[entry]).await.expect("it is appended")[..] {
            [Appended::Now(id)] => id,
            ref other => panic!("{other:?}"),
        }
    };
    let before = append("orders#0").await;
    let topics = [("orders#0", before), ("orders#1", Id::FIRST), ("orders#2", Id::FIRST)];
    let watch = async |wait| {
        let part = Part::After { id: None, count: 1, wait };
        ids(&test.log.range(Shelf::News(&topics), part).await.expect("it watches"))
    };
    let begun = Instant::now();
    assert_eq!(watch(SHORT).await, [before, Id::FIRST, Id::FIRST]);
    assert!(begun.elapsed() >= SHORT);
    let later = async {
        sleep(SHORT).await;
        append("orders#1").await
    };
    let (found, there) = tokio::join!(watch(LONG), later);
    assert_eq!(found, [before, there, Id::FIRST]);
    let next = append("orders#0").await;
    assert_eq!(watch(LONG).await, [next, there, Id::FIRST]);
    assert!(begun.elapsed() < LONG);
}

/// Lanes are streams of their own; idempotency keys and dead letters are those of their topic.
pub async fn lanes_share_keys_and_dead_letters(test: &LogUnderTest) {
    let lanes = ["orders#0", "orders#1"].map(|topic| Consumer { topic, ..sole("one") });
    for (number, lane) in ["3", "4"].iter().zip(&lanes) {
        test.tend(lane, JOIN).await;
        let entries = [
            Append { payload: number.as_bytes(), once: None },
            Append { payload: b"9", once: Some(Once::Key("order:9", LONG)) },
        ];
        let appended = test.log.append(lane.topic, ROOM, &entries).await.expect("it is appended");
        assert_eq!(matches!(appended[1], Appended::Now(_)), lane.topic == "orders#0", "{appended:?}");
    }
    for (lane, expected) in lanes.iter().zip([vec![3, 9], vec![4]]) {
        let given = test.read(lane, 10).await;
        assert_eq!(numbers(&given), expected);
        let settled = test.settle(lane, &ids(&given)[..1], Verdict::Dead("no such stock")).await;
        assert_eq!(settled, Settled::Settled);
    }
    let dead = test.log.range(Shelf::Dead { topic: TOPIC, group: "g" }, first(10)).await.expect("it reads");
    assert_eq!(numbers(&dead), [3, 4]);
    let pending = async |topic| test.log.state(topic, "g").await.expect("it looks").pending;
    assert_eq!([pending("orders#0").await, pending("orders#1").await, pending(TOPIC).await], [1, 0, 0]);
    assert_eq!(test.log.range(Shelf::Topic(TOPIC), first(10)).await.expect("it reads"), []);
}
