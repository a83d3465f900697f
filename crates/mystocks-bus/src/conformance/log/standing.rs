//! How a group stands.

use super::{Duration, Id, LogUnderTest, Settled, TEND, TOPIC, Tend, Verdict, consumer, ids};

/// All before the oldest one are settled, also when later ones are; it may be in somebody's hands, wait, or be given to nobody yet.
pub async fn the_oldest_that_is_not_settled_is_told(test: &LogUnderTest) {
    let one = consumer("one");
    assert_eq!(oldest(test).await, None);
    let appended = test.append(0..4).await;
    assert_eq!(oldest(test).await, Some(appended[0]), "without a group nothing is settled");
    test.join(&one).await;
    assert_eq!(oldest(test).await, Some(appended[0]));
    let given = ids(&test.read(&one, 3).await);
    assert_eq!(given, appended[..3]);
    assert_eq!(test.settle(&one, &given[1..2], Verdict::Done).await, Settled::Settled);
    assert_eq!(oldest(test).await, Some(appended[0]), "in somebody's hands");
    test.settle(&one, &given[..1], Verdict::Again(Duration::ZERO)).await;
    assert_eq!(oldest(test).await, Some(appended[0]), "it waits");
    assert_eq!(ids(&test.tend(&one, Tend { room: 1, ..TEND }).await.entries), appended[..1]);
    test.settle(&one, &given[..1], Verdict::Dead("no such stock")).await;
    assert_eq!(oldest(test).await, Some(appended[2]));
    test.settle(&one, &given[2..], Verdict::Done).await;
    assert_eq!(oldest(test).await, Some(appended[3]), "nobody was given it");
    let last = ids(&test.read(&one, 3).await);
    assert_eq!(oldest(test).await, Some(appended[3]));
    test.settle(&one, &last, Verdict::Done).await;
    assert_eq!(oldest(test).await, None);
}

async fn oldest(test: &LogUnderTest) -> Option<Id> {
    test.log.state(TOPIC, "g").await.expect("it looks").oldest
}
