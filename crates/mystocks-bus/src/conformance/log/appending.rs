//! What stands there once it was appended, and how often.

use tokio::time::sleep;

use super::{
    Append, Appended, Consumer, Id, LONG, LogUnderTest, ROOM, Room, SHORT, Settled, Shelf, Start, TEND,
    TOPIC, Tend, Verdict, consumer, ids, numbers,
};
use crate::log::Once;

const DEAD: Shelf<'_> = Shelf::Dead { topic: TOPIC, group: "g" };

/// Under one idempotency key one entry stands, until its window has passed.
pub async fn an_idempotency_key_counts_once(test: &LogUnderTest) {
    let append = async |key: &str, payload: &str, window| {
        let entry = Append { payload: payload.as_bytes(), once: Some(Once::Key(key, window)) };
        test.log.append(TOPIC, ROOM, &[entry]).await.expect("it is appended")[0]
    };
    let Appended::Now(first) = append("a", "1", LONG).await else { panic!("it is new") };
    assert_eq!(append("a", "2", LONG).await, Appended::Before(first));
    assert!(matches!(append("b", "3", SHORT).await, Appended::Now(_)));
    sleep(SHORT * 2).await;
    assert!(matches!(append("b", "4", SHORT).await, Appended::Now(_)));
    assert_eq!(append("a", "5", LONG).await, Appended::Before(first));
    let all = test.range(Shelf::Topic(TOPIC), None, 10).await;
    assert_eq!(numbers(&all), [1, 3, 4]);
    twice_in_one_call(test).await;
}

/// One call with a key twice appends one entry; numbers have no hole for the other.
async fn twice_in_one_call(test: &LogUnderTest) {
    let entry = Append { payload: b"6", once: Some(Once::Key("c", LONG)) };
    let appended = test.log.append(TOPIC, ROOM, &[entry, entry]).await.expect("it is appended");
    let [Appended::Now(first), Appended::Before(again)] = appended[..] else { panic!("{appended:?}") };
    assert_eq!(first, again);
    test.append([7]).await;
    let all = test.range(Shelf::Topic(TOPIC), None, 10).await;
    assert_eq!(all.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

/// What a group has not acknowledged is not trimmed; what all have acknowledged makes room, for all that is appended at once or for none of it.
pub async fn when_it_is_full_nothing_is_lost(test: &LogUnderTest) {
    let (one, other) = (consumer("one"), Consumer { group: "h", ..consumer("one") });
    test.join(&one).await;
    test.join(&other).await;
    let append = async |count: u32| {
        let entries: Vec<_> = (0..count).map(|_| Append { payload: b"7", once: None }).collect();
        let appended = test.log.append(TOPIC, Room::Safe(4), &entries).await.expect("it answers");
        let now = appended.iter().filter(|appended| matches!(appended, Appended::Now(_))).count();
        let full = appended.iter().filter(|appended| matches!(appended, Appended::Full)).count();
        assert!(now + full == appended.len() && now * full == 0, "{appended:?}");
        now
    };
    assert_eq!((append(5).await, append(3).await, append(2).await, append(1).await), (0, 3, 0, 1));
    let given = test.read(&one, 100).await;
    test.settle(&one, &ids(&given), Verdict::Done).await;
    assert_eq!(append(1).await, 0, "the other group was given nothing");
    let given = test.read(&other, 3).await;
    test.settle(&other, &ids(&given)[1..], Verdict::Done).await;
    assert_eq!(append(1).await, 0, "the first is pending");
    test.settle(&other, &ids(&given)[..1], Verdict::Done).await;
    assert_eq!((append(4).await, append(3).await), (0, 3), "three of four are acknowledged by both");
    assert_eq!((test.read(&one, 100).await.len(), test.read(&other, 100).await.len()), (3, 4));
}

/// The oldest give way to the latest; of each group is counted exactly what it was not given.
pub async fn the_latest_stay_and_what_is_lost_is_counted(test: &LogUnderTest) {
    let (one, other) = (consumer("one"), Consumer { group: "h", ..consumer("one") });
    test.join(&one).await;
    test.tend(&other, Tend { join: Some(Start::First), ..TEND }).await;
    let append = async |numbers: std::ops::Range<u32>| {
        let payloads: Vec<_> = numbers.map(|number| number.to_string()).collect();
        let entries: Vec<_> =
            payloads.iter().map(|payload| Append { payload: payload.as_bytes(), once: None }).collect();
        let appended = test.log.append(TOPIC, Room::Latest(10), &entries).await.expect("it answers");
        assert!(appended.iter().all(|appended| matches!(appended, Appended::Now(_))), "{appended:?}");
    };
    append(0..8).await;
    assert_eq!(numbers(&test.read(&one, 6).await), (0..6).collect::<Vec<_>>());
    append(8..12).await;
    let trimmed = async |group| test.log.state(TOPIC, group).await.expect("it looks").trimmed;
    assert_eq!((trimmed("g").await, trimmed("h").await), (0, 2));
    append(12..40).await;
    assert_eq!((trimmed("g").await, trimmed("h").await), (24, 30));
    assert_eq!(numbers(&test.read(&one, 100).await), (30..40).collect::<Vec<_>>());
    assert_eq!(numbers(&test.read(&other, 100).await), (30..40).collect::<Vec<_>>());
    append(40..45).await;
    assert_eq!((trimmed("g").await, trimmed("h").await), (24, 30), "it was given them before");
}

/// A dead letter becomes an entry for its group, with its payload and deliveries from 1, once however often it is asked for.
pub async fn a_dead_letter_is_moved_once(test: &LogUnderTest) {
    let (one, other) = (consumer("one"), Consumer { group: "h", ..consumer("one") });
    test.join(&one).await;
    test.tend(&other, Tend { join: Some(Start::First), ..TEND }).await;
    test.append(0..3).await;
    let given = ids(&test.read(&one, 3).await);
    assert_eq!(test.settle(&one, &given, Verdict::Dead("no such stock")).await, Settled::Settled);
    let letters = test.range(DEAD, None, 10).await;
    let moving: Vec<_> = letters[..2]
        .iter()
        .map(|letter| Append {
            payload: &letter.payload,
            once: Some(Once::Letter { group: "g", id: letter.id }),
        })
        .collect();
    let append =
        async |entries: &[Append<'_>]| test.log.append(TOPIC, ROOM, entries).await.expect("it answers");
    let full = test.log.append(TOPIC, Room::Safe(3), &moving).await.expect("it answers");
    assert_eq!(full, [Appended::Full, Appended::Full]);
    assert_eq!(test.range(DEAD, None, 10).await, letters, "without room they stay");
    assert!(append(&moving[..1]).await.iter().all(|appended| matches!(appended, Appended::Now(_))));
    let again = append(&[moving[0], moving[1], moving[1]]).await;
    assert!(matches!(again[..], [Appended::Gone, Appended::Now(_), Appended::Gone]), "{again:?}");
    assert_eq!(test.range(DEAD, None, 10).await, letters[2..]);
    let again = test.read(&one, 10).await;
    assert_eq!((numbers(&again), again[0].deliveries), (vec![0, 1], 1));
    assert_eq!(again[0].only.as_deref(), Some("g"));
    test.settle(&one, &ids(&again), Verdict::Again(std::time::Duration::ZERO)).await;
    let again = test.tend(&one, TEND).await.entries;
    assert_eq!((numbers(&again), again[0].only.as_deref(), again[0].number), (vec![0, 1], Some("g"), 4));
    let others: Vec<_> = test.read(&other, 10).await.into_iter().map(|entry| entry.only).collect();
    assert_eq!(others, [None, None, None, Some("g".to_owned()), Some("g".to_owned())]);
    let unknown = Once::Letter { group: "g", id: Id { millis: 1, sequence: 1 } };
    assert_eq!(append(&[Append { payload: b"9", once: Some(unknown) }]).await, [Appended::Gone]);
}

/// What is trimmed while it waits to be given again is told when it would be, once.
pub async fn what_is_trimmed_while_it_waits_is_told(test: &LogUnderTest) {
    let one = consumer("one");
    test.join(&one).await;
    test.append(0..3).await;
    let given = ids(&test.read(&one, 3).await);
    test.settle(&one, &given[..1], Verdict::Again(std::time::Duration::ZERO)).await;
    let entries = [Append { payload: b"7", once: None }; 2];
    test.log.append(TOPIC, Room::Latest(2), &entries).await.expect("it answers");
    test.settle(&one, &given[1..2], Verdict::Again(std::time::Duration::ZERO)).await;
    test.settle(&one, &given[2..], Verdict::Dead("no such stock")).await;
    let mut trimmed = 0;
    for _ in 0..2 {
        let tended = test.tend(&one, TEND).await;
        assert_eq!(tended.entries, []);
        trimmed += tended.trimmed;
    }
    assert_eq!(trimmed, 2);
    assert_eq!(test.figures().await, [2, 0, 0, 0, 1]);
}
