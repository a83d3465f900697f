//! What transports promise that remember, and what the others say instead.

use std::sync::Arc;

use mystocks_keys::Keyspace;

use super::{Heard, Pair, TestEar, channel, only, publish};
use crate::error::ErrorKind;
use crate::log::Id;
use crate::transport::{Ear, Interest, Signal, Source};

/// Takes messages and their ids.
async fn ids(heard: &mut Heard, count: usize) -> Vec<(String, Option<Id>)> {
    let mut found = Vec::new();
    while found.len() < count {
        match heard.next().await {
            Signal::Message { payload, id, .. } => {
                found.push((String::from_utf8_lossy(&payload).into_owned(), id));
            }
            other => panic!("{other:?} is no message"),
        }
    }
    found
}

/// Returns an interest in what was published on `news` after `id`.
fn after(id: Id) -> Interest {
    let mut interest = Interest::new(only("news"));
    interest.after.insert(channel("news"), id);
    interest
}

/// What is remembered has ids, the same for everybody, that grow on each channel; what is not has none.
pub async fn what_is_remembered_has_ids_that_grow(pair: Pair) {
    let source = || Source::Channels(vec![channel("news"), channel("other")]);
    let mut heard = Heard::start(&pair.there, source()).await;
    let mut same = Heard::start(&pair.here, source()).await;
    for n in 0..50 {
        publish(&pair.here, if n % 5 == 0 { "other" } else { "news" }, n.to_string().as_bytes()).await;
    }
    let found = ids(&mut heard, 50).await;
    assert_eq!(ids(&mut same, 50).await, found);
    assert!(found.iter().all(|(_, id)| id.is_some() == pair.remembers), "{found:?}");
    for is_other in [true, false] {
        let of = found.iter().enumerate().filter(|(n, _)| (n % 5 == 0) == is_other);
        let of: Vec<_> = of.filter_map(|(_, (_, id))| *id).collect();
        assert!(of.is_sorted_by(|one, next| one < next), "{of:?}");
    }
}

/// Who says what it heard last gets all that was published since, each once, and then what is live; where nothing is remembered it is
/// told that something may be missing.
pub async fn who_resumes_gets_all_after_it_and_then_what_is_live(pair: Pair) {
    let mut heard = Heard::start(&pair.there, only("news")).await;
    for text in ["1", "2", "3", "4"] {
        publish(&pair.here, "news", text.as_bytes()).await;
    }
    let found = ids(&mut heard, 4).await;
    for (n, (_, id)) in found.iter().enumerate() {
        let mut resumed = Heard::with(&pair.there, &after(id.unwrap_or(Id { millis: 1, sequence: 1 })));
        let mut texts = Vec::new();
        let mut is_lost = false;
        loop {
            match resumed.next().await {
                Signal::Up => break,
                Signal::Late { .. } => {}
                Signal::Message { payload, .. } => texts.push(String::from_utf8_lossy(&payload).into_owned()),
                other => panic!("{other:?}"),
            }
        }
        if !pair.remembers {
            is_lost = matches!(resumed.next().await, Signal::Lost { .. });
        }
        let expected: Vec<String> =
            if pair.remembers { (n + 2..=4 + n).map(|n| n.to_string()).collect() } else { Vec::new() };
        assert_eq!((texts, is_lost), (expected, !pair.remembers), "after {}", n + 1);
        let live = (n + 5).to_string();
        publish(&pair.here, "news", live.as_bytes()).await;
        assert_eq!(resumed.texts(1).await, [live]);
        resumed.nothing().await;
    }
}

/// A position that nobody remembers is told of, and then comes what is live.
pub async fn a_position_of_which_nobody_knows_is_told(pair: Pair) {
    publish(&pair.here, "news", b"before").await;
    for (millis, sequence) in [(1, 1), (u64::MAX, 0), (u64::MAX, u64::MAX), (0, u64::MAX)] {
        let mut resumed = Heard::with(&pair.there, &after(Id { millis, sequence }));
        let (mut is_up, mut lost) = (false, 0);
        while !is_up || lost == 0 {
            match resumed.next().await {
                Signal::Up => is_up = true,
                Signal::Lost { since, until } => {
                    assert!(since <= until);
                    lost += 1;
                }
                Signal::Late { .. } => {}
                Signal::Message { payload, .. } => {
                    assert!(&*payload == b"before" && pair.remembers && lost == 1);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(lost, 1, "{millis}-{sequence}");
        let mut now = Heard::start(&pair.there, only("other")).await;
        publish(&pair.here, "other", b"live").await;
        assert_eq!(now.texts(1).await, ["live"]);
        resumed.nothing().await;
    }
}

/// A pattern has no position, nor has a channel that is not listened to.
#[expect(clippy::unused_async, reason = "promises are awaited")]
pub async fn only_channels_that_are_listened_to_have_positions(pair: Pair) {
    let pattern = Keyspace::default().channel_pattern("news*").expect("a pattern");
    for source in [Source::Pattern(pattern), only("other")] {
        let mut interest = after(Id { millis: 1, sequence: 1 });
        interest.source = source;
        let (signals, _) = tokio::sync::mpsc::unbounded_channel();
        let ear = Arc::new(TestEar { signals, room: tokio::sync::Semaphore::new(0) });
        let refused = pair.there.listen(&interest, ear as Arc<dyn Ear>);
        assert_eq!(refused.map_err(|error| error.kind()).err(), Some(ErrorKind::InvalidArgument));
    }
}
