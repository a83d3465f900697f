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

/// Listens to one channel.
struct Listener {
    notes: Arc<Notes>,
    live: Arc<str>,
    state: State,
}

impl Listener {
    fn after(position: Option<Id>) -> Result<Self, Box<dyn Error>> {
        let (notes, keyspace) = (Arc::new(Notes::default()), Keyspace::default());
        let channel = keyspace.channel_named("news")?;
        let live: Arc<str> = Arc::from(keyspace.journal(&channel)?.live().as_str());
        let mut state = State::new(Arc::clone(&notes) as Arc<dyn Ear>, keyspace);
        state.begin(Instant::now(), Self::standing("one", 1000));
        state.admit(&channel, position.map(|position| (position, None)));
        state.up();
        Ok(Self { notes, live, state })
    }

    fn standing(identity: &str, now: u64) -> Standing {
        Standing { identity: identity.to_owned(), now, channels: Vec::new() }
    }

    /// Returns how many journals are to be read.
    fn compare(&mut self, identity: &str, now: u64, last: Id) -> Option<usize> {
        let ends = std::iter::once((Arc::clone(&self.live), Some(End { last, born: last.millis })));
        let behind = self.state.compare(self.state.turn, &Self::standing(identity, now), ends);
        behind.map(|behind| behind.len())
    }

    fn read(&mut self, id: Id, born: u64) {
        let payload = Bytes::from(id.to_string());
        assert!(self.state.read(self.state.turn, &self.live, id, Some(born), payload));
    }

    fn push(&mut self, id: &str) {
        self.state.push(&self.live, Bytes::from(format!("{id} {id}")));
    }

    fn finish(&mut self) {
        while let Finish::Held(_) = self.state.finish(self.state.turn) {
            self.state.hand_on(self.state.turn);
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

const fn id(millis: u64, sequence: u64) -> Id {
    Id { millis, sequence }
}

#[test]
fn what_a_clock_that_was_set_back_numbers_first_is_new() -> Result<(), Box<dyn Error>> {
    let mut told = Listener::after(None)?;
    told.finish();
    told.push("900-1");
    assert_eq!(told.take(), ["up", "900-1"]);
    // The same where it is read.
    let mut told = Listener::after(None)?;
    assert_eq!(told.compare("one", 900, id(900, 1)), Some(1));
    assert_eq!(told.state.position(&told.live), id(0, 0), "it is read from its beginning");
    told.read(id(900, 1), 900);
    told.push("900-1");
    told.finish();
    assert_eq!(told.take(), ["late", "900-1", "up"]);
    Ok(())
}

#[test]
fn a_gap_excuses_what_was_published_before_it_was_told_and_nothing_else() -> Result<(), Box<dyn Error>> {
    // What was told covers it.
    let mut told = Listener::after(Some(id(6, 2)))?;
    assert_eq!(told.compare("two", 10, id(7, 4)), Some(1));
    told.read(id(7, 4), 7);
    assert_eq!(told.take(), ["late", "lost", "7-4"]);
    // It was published later.
    let mut told = Listener::after(Some(id(6, 2)))?;
    assert_eq!(told.compare("two", 10, id(7, 4)), Some(1));
    told.read(id(11, 9), 7);
    assert_eq!(told.take(), ["late", "lost", "lost", "11-9"]);
    // There was nothing to read when it was told.
    let mut told = Listener::after(Some(id(6, 2)))?;
    assert_eq!(told.compare("two", 10, id(6, 2)), Some(0));
    assert_eq!(told.compare("two", 10, id(6, 5)), Some(1));
    told.read(id(6, 5), 6);
    assert_eq!(told.take(), ["late", "lost", "lost", "6-5"]);
    // It was told of another connection.
    let mut told = Listener::after(Some(id(6, 2)))?;
    assert_eq!(told.compare("two", 10, id(7, 4)), Some(1));
    told.state.down(Instant::now());
    told.state.up();
    assert_eq!(told.compare("two", 10, id(7, 4)), Some(1));
    told.read(id(7, 4), 7);
    assert_eq!(told.take(), ["late", "lost", "lost", "7-4"]);
    Ok(())
}

#[test]
fn after_a_journal_that_lived_its_life_nothing_is_missing() -> Result<(), Box<dyn Error>> {
    for (born, expected) in [
        (6 + LIFE_MILLIS, ["late", "86400006-1"].as_slice()),
        (5 + LIFE_MILLIS, &["late", "lost", "86400005-1"]),
    ] {
        let mut told = Listener::after(Some(id(6, 2)))?;
        assert_eq!(told.compare("one", born, id(born, 1)), Some(1));
        told.read(id(born, 1), born);
        assert_eq!(told.take(), expected);
    }
    Ok(())
}

#[test]
fn what_was_pushed_on_another_connection_says_nothing_of_this_one() -> Result<(), Box<dyn Error>> {
    let mut told = Listener::after(Some(id(6, 2)))?;
    told.finish();
    told.push("9-3");
    told.state.down(Instant::now());
    told.state.up();
    // A journal that begins anew, and what is told of it before its end is known.
    told.push("8-1");
    told.push("8-2");
    assert_eq!(told.compare("one", 9, id(8, 2)), Some(0));
    told.finish();
    told.push("8-3");
    assert_eq!(told.take(), ["up", "9-3", "late", "lost", "up", "8-3"]);
    Ok(())
}
