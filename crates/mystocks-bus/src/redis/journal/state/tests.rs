//! What is asked for on a connection that is gone does not count for the next.

use std::error::Error;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::*;

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

#[async_trait]
impl Ear for Notes {
    fn hear(&self, signal: Signal) {
        let text = match signal {
            Signal::Up => "up".to_owned(),
            Signal::Late { .. } => "late".to_owned(),
            Signal::Lost { .. } => "lost".to_owned(),
            Signal::Down { .. } => "down".to_owned(),
            Signal::Message { payload, .. } => String::from_utf8_lossy(&payload).into_owned(),
            Signal::Closed => "closed".to_owned(),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    async fn room(&self, _: usize) {}
}

#[test]
fn only_what_was_read_since_the_last_connection_makes_it_live() -> Result<(), Box<dyn Error>> {
    let (notes, keyspace) = (Arc::new(Notes::default()), Keyspace::default());
    let channel = keyspace.channel_named("news")?;
    let live: Arc<str> = Arc::from(keyspace.journal(&channel)?.live().as_str());
    let standing = || Standing { identity: "one".to_owned(), now: 5, channels: Vec::new() };
    let id = |sequence| Id { millis: 6, sequence };
    let ends = |sequence| std::iter::once((Arc::clone(&live), Some(End { last: id(sequence), born: 6 })));
    let mut state = State::new(Arc::clone(&notes) as Arc<dyn Ear>, keyspace);
    state.begin(Instant::now(), standing());
    state.admit(&channel, None);
    state.up();
    let first = state.is_behind().ok_or("it is behind")?;
    assert_eq!(state.compare(first, &standing(), ends(2)).map(|behind| behind.len()), Some(1));
    assert!(state.read(first, &live, id(1), Some(6), Bytes::from("1")));
    state.down(Instant::now());
    state.push(&live, Bytes::from("6-2 2"));
    state.up();
    let second = state.is_behind().ok_or("it is behind")?;
    assert!(!state.read(first, &live, id(2), Some(6), Bytes::from("2")));
    assert!(!state.skip(first, &live, id(3)));
    assert!(state.compare(first, &standing(), ends(3)).is_none());
    assert_eq!(state.finish(first), Finish::Over);
    assert_eq!(state.is_behind(), Some(second), "it is not live by what was asked before");
    assert!(state.compare(second, &standing(), ends(3)).is_some());
    state.push(&live, Bytes::from("6-2 2"));
    for (number, text) in [(2, "2"), (3, "3")] {
        assert!(state.read(second, &live, id(number), Some(6), Bytes::from(text)));
    }
    assert_eq!(state.finish(second), Finish::Held(1));
    assert_eq!(state.is_behind(), Some(second), "it is not live while something is held back");
    state.hand_on(first);
    assert_eq!(state.finish(second), Finish::Held(1), "what was asked before hands on nothing");
    state.hand_on(second);
    assert_eq!(state.finish(second), Finish::Over);
    for text in ["6-3 3", "6-4 4", "6-5 5", "garbage", "6-6"] {
        state.push(&live, Bytes::from(text));
    }
    let told = std::mem::take(&mut *notes.0.lock().unwrap_or_else(PoisonError::into_inner));
    assert_eq!(told, ["late", "1", "2", "3", "up", "4", "5"]);
    Ok(())
}

#[test]
fn what_was_under_way_when_it_began_does_not_come_and_what_begins_anew_does() -> Result<(), Box<dyn Error>> {
    let (notes, keyspace) = (Arc::new(Notes::default()), Keyspace::default());
    let channel = keyspace.channel_named("news")?;
    let live: Arc<str> = Arc::from(keyspace.journal(&channel)?.live().as_str());
    let mut state = State::new(Arc::clone(&notes) as Arc<dyn Ear>, keyspace);
    state.admit(&channel, Some((Id { millis: 6, sequence: 2 }, None)));
    state.up();
    assert_eq!(state.finish(state.is_behind().ok_or("it is behind")?), Finish::Over);
    for text in ["6-1 1", "6-2 2", "6-3 3", "5-1 new", "5-2 newer", "6-3 newest"] {
        state.push(&live, Bytes::from(text));
    }
    let told = std::mem::take(&mut *notes.0.lock().unwrap_or_else(PoisonError::into_inner));
    assert_eq!(told, ["up", "3", "new", "newer", "newest"]);
    Ok(())
}
