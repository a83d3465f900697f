//! The promises of the seam [`Log`].

mod appending;
mod lanes;
mod living;
mod standing;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::log::{
    Append, Appended, Consumer, Entry, Id, Log, Part, Room, Settle, Settled, Shelf, Start, Tend, Tended,
    Verdict,
};

/// Makes one `#[tokio::test]` per promise of [`Log`](crate::Log).
///
/// The expression makes a [`LogUnderTest`]; it is evaluated once per test and may await.
#[macro_export]
macro_rules! log_conformance {
    ($log:expr) => {
        $crate::log_conformance! { @tests $log;
            a_group_shares_and_groups_do_not
            a_group_begins_where_it_is_told
            an_idempotency_key_counts_once
            when_it_is_full_nothing_is_lost
            the_latest_stay_and_what_is_lost_is_counted
            what_is_trimmed_while_it_waits_is_told
            a_dead_letter_is_moved_once
            what_comes_is_waited_for
            reading_waits_for_the_first
            what_is_settled_is_gone
            what_is_to_come_again_comes_when_it_is_due
            dead_letters_keep_everything
            who_lives_keeps_what_it_has
            what_a_dead_consumer_had_comes_once
            who_was_taken_away_settles_nothing
            what_is_read_without_a_lease_is_others
            what_killed_too_often_is_dead
            what_may_have_killed_is_given_alone
            what_a_lost_answer_gave_is_given_back
            who_leaves_gives_back_at_once
            it_is_walked_through
            a_sole_consumer_is_the_only_one
            who_was_taken_away_reads_nothing
            what_waits_is_shown_in_order
            only_what_is_asked_for_is_given
            news_are_waited_for
            lanes_share_keys_and_dead_letters
            the_oldest_that_is_not_settled_is_told
        }
    };
    (@tests $log:expr; $($promise:ident)*) => {$(
        #[::tokio::test]
        async fn $promise() {
            $crate::conformance::log::$promise(&$log).await;
        }
    )*};
}

pub use appending::{
    a_dead_letter_is_moved_once, an_idempotency_key_counts_once, the_latest_stay_and_what_is_lost_is_counted,
    what_is_trimmed_while_it_waits_is_told, when_it_is_full_nothing_is_lost,
};
pub use lanes::{
    a_sole_consumer_is_the_only_one, lanes_share_keys_and_dead_letters, news_are_waited_for,
    only_what_is_asked_for_is_given, what_waits_is_shown_in_order, who_was_taken_away_reads_nothing,
};
pub use living::{
    what_a_dead_consumer_had_comes_once, what_a_lost_answer_gave_is_given_back,
    what_is_read_without_a_lease_is_others, what_killed_too_often_is_dead,
    what_may_have_killed_is_given_alone, who_leaves_gives_back_at_once, who_lives_keeps_what_it_has,
    who_was_taken_away_settles_nothing,
};
pub use standing::the_oldest_that_is_not_settled_is_told;

/// A log, and what it needs to live.
pub struct LogUnderTest {
    log: Arc<dyn Log>,
    _keep: Option<Box<dyn Any + Send>>,
}

impl LogUnderTest {
    /// Takes a log.
    pub fn new(log: impl Log) -> Self {
        Self { log: Arc::new(log), _keep: None }
    }

    /// Keeps `value`, such as a server, as long as the log.
    #[must_use]
    pub fn keep(self, value: impl Any + Send) -> Self {
        Self { _keep: Some(Box::new(value)), ..self }
    }

    async fn append(&self, payloads: impl IntoIterator<Item = u32>) -> Vec<Id> {
        let payloads: Vec<String> = payloads.into_iter().map(|payload| payload.to_string()).collect();
        let entries: Vec<_> =
            payloads.iter().map(|payload| Append { payload: payload.as_bytes(), once: None }).collect();
        let appended = self.log.append(TOPIC, ROOM, &entries).await.expect("it is appended");
        let id = |appended| match appended {
            Appended::Now(id) => id,
            other => panic!("{other:?}"),
        };
        appended.into_iter().map(id).collect()
    }

    async fn tend(&self, consumer: &Consumer<'_>, tend: Tend<'_>) -> Tended {
        self.log.tend(consumer, &tend).await.expect("it looks after it")
    }

    /// Makes a consumer of a group that begins with the first entry.
    async fn join(&self, consumer: &Consumer<'_>) {
        let tended = self.tend(consumer, Tend { join: Some(Start::First), ..TEND }).await;
        assert!(tended.is_alive && tended.entries.is_empty(), "{tended:?}");
    }

    async fn read(&self, consumer: &Consumer<'_>, count: usize) -> Vec<Entry> {
        self.log.read(consumer, count, Duration::ZERO).await.expect("it reads")
    }

    async fn range(&self, shelf: Shelf<'_>, id: Option<Id>, count: usize) -> Vec<Entry> {
        let part = Part::After { id, count, wait: Duration::ZERO };
        self.log.range(shelf, part).await.expect("it reads")
    }

    async fn settle(&self, consumer: &Consumer<'_>, ids: &[Id], verdict: Verdict<'_>) -> Settled {
        let settlements: Vec<_> = ids.iter().map(|id| Settle { id: *id, verdict }).collect();
        self.log.settle(consumer, &settlements).await.expect("it settles")
    }

    /// Returns lag, pending, waiting, dead and consumers.
    async fn figures(&self) -> [u64; 5] {
        let state = self.log.state(TOPIC, "g").await.expect("it looks");
        [state.lag, state.pending, state.waiting, state.dead, state.consumers]
    }
}

impl fmt::Debug for LogUnderTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogUnderTest").field("log", &self.log).finish_non_exhaustive()
    }
}

const TOPIC: &str = "orders";
const ROOM: Room = Room::Safe(10_000);
const SHORT: Duration = Duration::from_millis(200);
/// The server counts whole milliseconds.
const EARLIEST: Duration = Duration::from_millis(198);
const LONG: Duration = Duration::from_secs(60);
const TEND: Tend<'_> = Tend {
    join: None,
    room: 100,
    only: None,
    deliveries: 5,
    alone: 3,
    takes_alone: true,
    keeps: None,
    leave: false,
};

fn consumer(name: &str) -> Consumer<'_> {
    Consumer { topic: TOPIC, group: "g", name, lease: LONG, is_sole: false }
}

fn numbers(entries: &[Entry]) -> Vec<u32> {
    let number = |entry: &Entry| std::str::from_utf8(&entry.payload).ok()?.parse().ok();
    entries.iter().map(|entry| number(entry).expect("a number")).collect()
}

fn ids(entries: &[Entry]) -> Vec<Id> {
    entries.iter().map(|entry| entry.id).collect()
}

/// Within a group each entry is given once, in order; every group is given all.
pub async fn a_group_shares_and_groups_do_not(test: &LogUnderTest) {
    let (one, two) = (consumer("one"), consumer("two"));
    let other = Consumer { group: "h", ..consumer("three") };
    for consumer in [&one, &two, &other] {
        test.join(consumer).await;
    }
    let appended = test.append(0..10).await;
    let (first, second) = (test.read(&one, 4).await, test.read(&two, 100).await);
    assert_eq!((numbers(&first), numbers(&second)), ((0..4).collect(), (4..10).collect()));
    assert_eq!([ids(&first), ids(&second)].concat(), appended);
    assert!(appended.is_sorted() && first.iter().all(|entry| entry.deliveries == 1 && entry.death.is_none()));
    assert_eq!(test.read(&one, 100).await, []);
    assert_eq!(numbers(&test.read(&other, 100).await), (0..10).collect::<Vec<_>>());
    assert_eq!(test.figures().await, [0, 10, 0, 0, 2]);
}

/// A new group begins with the first entry, after one, or with what comes; one that is there goes on.
pub async fn a_group_begins_where_it_is_told(test: &LogUnderTest) {
    let appended = test.append(0..4).await;
    let starts = [(Start::First, 0..5), (Start::After(appended[1]), 2..5), (Start::Now, 4..5)];
    let groups = ["g", "h", "i"].map(|group| Consumer { group, ..consumer("one") });
    for (group, (start, _)) in groups.iter().zip(&starts) {
        test.tend(group, Tend { join: Some(*start), ..TEND }).await;
    }
    test.append([4]).await;
    for (group, (_, expected)) in groups.iter().zip(starts) {
        test.tend(group, Tend { join: Some(Start::Now), ..TEND }).await;
        assert_eq!(numbers(&test.read(group, 100).await), expected.collect::<Vec<_>>());
    }
}

/// A read returns when there is something, and empty when its time has passed.
pub async fn reading_waits_for_the_first(test: &LogUnderTest) {
    let one = consumer("one");
    test.join(&one).await;
    let begun = Instant::now();
    assert_eq!(test.log.read(&one, 10, SHORT).await.expect("it reads"), []);
    assert!(begun.elapsed() >= SHORT);
    let later = async {
        sleep(SHORT).await;
        test.append([1, 2]).await;
    };
    let begun = Instant::now();
    let (given, ()) = tokio::join!(test.log.read(&one, 10, LONG), later);
    let mut given = given.expect("it reads");
    assert!(begun.elapsed() < LONG / 2);
    given.extend(test.read(&one, 10).await);
    assert_eq!(numbers(&given), [1, 2]);
}

/// What is done is not pending any more; settling it again changes nothing.
pub async fn what_is_settled_is_gone(test: &LogUnderTest) {
    let one = consumer("one");
    test.join(&one).await;
    test.append(0..2_500).await;
    let given = test.read(&one, 2_500).await;
    for _ in 0..2 {
        assert_eq!(test.settle(&one, &ids(&given), Verdict::Done).await, Settled::Settled);
        assert_eq!(test.figures().await, [0, 0, 0, 0, 1]);
    }
    assert_eq!(test.settle(&one, &ids(&given), Verdict::Dead("late")).await, Settled::Settled);
    assert_eq!(test.figures().await, [0, 0, 0, 0, 1]);
}

/// What is to come again comes to somebody when it is due, once, and the delivery is counted.
pub async fn what_is_to_come_again_comes_when_it_is_due(test: &LogUnderTest) {
    let (one, two) = (consumer("one"), consumer("two"));
    test.join(&one).await;
    test.join(&two).await;
    test.append(0..3).await;
    let given = ids(&test.read(&one, 3).await);
    let begun = Instant::now();
    test.settle(&one, &given[..2], Verdict::Again(SHORT)).await;
    test.settle(&one, &given[2..], Verdict::Again(LONG)).await;
    let mut again = Vec::new();
    while again.len() < 2 {
        let tended = test.tend(&two, TEND).await;
        assert!(tended.entries.is_empty() || begun.elapsed() >= EARLIEST, "too soon");
        let due = tended.due.expect("one waits");
        again.extend(tended.entries);
        assert!(
            if again.len() < 2 { due <= SHORT + Duration::from_millis(1) } else { due > LONG / 2 },
            "{due:?}"
        );
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((numbers(&again), again[0].deliveries, again[1].deliveries), (vec![0, 1], 2, 2));
    assert_eq!(test.tend(&one, TEND).await.entries, []);
    assert_eq!(test.settle(&two, &ids(&again), Verdict::Done).await, Settled::Settled);
    assert_eq!(test.figures().await, [0, 1, 1, 0, 2]);
}

/// A dead letter has the payload, the id, the reason, the deliveries and the time of its entry; it is not given again.
pub async fn dead_letters_keep_everything(test: &LogUnderTest) {
    let one = consumer("one");
    test.join(&one).await;
    let appended = test.append(0..3).await;
    let given = ids(&test.read(&one, 3).await);
    test.settle(&one, &given[..1], Verdict::Again(Duration::ZERO)).await;
    assert_eq!(ids(&test.tend(&one, TEND).await.entries), given[..1]);
    for _ in 0..2 {
        test.settle(&one, &given[..2], Verdict::Dead("no such stock")).await;
    }
    let shelf = Shelf::Dead { topic: TOPIC, group: "g" };
    let dead = test.range(shelf, None, 10).await;
    assert_eq!((numbers(&dead), dead[0].deliveries, dead[1].deliveries), (vec![0, 1], 2, 1));
    for (entry, id) in dead.iter().zip(&appended) {
        let death = entry.death.as_ref().expect("a dead letter");
        assert_eq!((death.id, death.reason.as_str()), (*id, "no such stock"));
        assert!((id.millis..id.millis + 60_000).contains(&death.at), "{death:?}");
    }
    assert_eq!(test.range(shelf, Some(dead[0].id), 10).await, dead[1..]);
    assert_eq!(test.figures().await, [0, 1, 0, 2, 1]);
}

/// Entries can be read again by anybody, part by part.
pub async fn it_is_walked_through(test: &LogUnderTest) {
    assert_eq!(test.range(Shelf::Topic(TOPIC), None, 10).await, []);
    assert_eq!(test.log.state(TOPIC, "g").await.expect("it looks"), crate::log::GroupState::default());
    test.append(0..10).await;
    let (mut after, mut walked) = (None, Vec::new());
    loop {
        let part = test.range(Shelf::Topic(TOPIC), after, 3).await;
        let Some(last) = part.last() else { break };
        after = Some(last.id);
        walked.extend(numbers(&part));
    }
    assert_eq!(walked, (0..10).collect::<Vec<_>>());
    let all = test.range(Shelf::Topic(TOPIC), None, 10).await;
    assert_eq!(all.iter().map(|entry| entry.number).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    let last = test.log.range(Shelf::Topic(TOPIC), Part::Last).await.expect("it reads");
    assert_eq!(last, all[9..]);
    assert_eq!(test.figures().await, [10, 0, 0, 0, 0]);
}

/// Who reads after a place is told of what comes, and of nothing when its time has passed.
pub async fn what_comes_is_waited_for(test: &LogUnderTest) {
    let first = test.append([1]).await[0];
    let after = |wait| Part::After { id: Some(first), count: 10, wait };
    let begun = Instant::now();
    assert_eq!(test.log.range(Shelf::Topic(TOPIC), after(SHORT)).await.expect("it reads"), []);
    assert!(begun.elapsed() >= SHORT);
    let later = async {
        sleep(SHORT).await;
        test.append([2]).await;
    };
    let (begun, waiting) = (Instant::now(), test.log.range(Shelf::Topic(TOPIC), after(LONG)));
    let (found, ()) = tokio::join!(waiting, later);
    assert!(begun.elapsed() < LONG / 2);
    assert_eq!(numbers(&found.expect("it reads")), [2]);
}
