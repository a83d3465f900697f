//! What a worker has before it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

use super::Handling;
use crate::log::{Consumer, Entry, Id, Tended};

/// What became of the events of one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Handled {
    /// Were handled and acknowledged.
    pub done: u64,
    /// Were to come again after an error or a panic.
    pub again: u64,
    /// Became dead letters.
    pub dead: u64,
    /// Were events of another type, and acknowledged.
    pub skipped: u64,
    /// Were taken away before they could be acknowledged: somebody else handles them, too.
    pub lost: u64,
}

pub(super) struct Desk {
    topic: Arc<str>,
    group: Arc<str>,
    pub(super) handling: Handling,
    state: Mutex<State>,
    /// Something can be begun, or there is room.
    pub(super) changed: Notify,
    roomy: Notify,
    asked: Notify,
}

struct State {
    /// This incarnation's.
    name: Arc<str>,
    has_joined: bool,
    /// What was given, is not begun.
    waiting: VecDeque<Entry>,
    /// What was given and is not settled.
    held: BTreeSet<Id>,
    running: usize,
    /// A read has failed: there may be more that was given.
    is_unsure: bool,
    handled: Handled,
}

/// What to ask for.
pub(super) struct Look {
    pub(super) name: Arc<str>,
    pub(super) joins: bool,
    pub(super) room: usize,
    pub(super) known: Option<Vec<Id>>,
}

impl Desk {
    pub(super) fn new(topic: Arc<str>, group: Arc<str>, handling: Handling) -> Self {
        let state = State {
            name: incarnation(),
            has_joined: false,
            waiting: VecDeque::new(),
            held: BTreeSet::new(),
            running: 0,
            is_unsure: false,
            handled: Handled::default(),
        };
        let (changed, roomy, asked) = (Notify::new(), Notify::new(), Notify::new());
        Self { topic, group, handling, state: Mutex::new(state), changed, roomy, asked }
    }

    pub(super) fn consumer<'a>(&'a self, name: &'a str) -> Consumer<'a> {
        Consumer { topic: &self.topic, group: &self.group, name, lease: self.handling.lease }
    }

    pub(super) fn handled(&self) -> Handled {
        self.state().handled
    }

    /// Waits until events can be read; returns under which name and how many.
    pub(super) async fn room(&self) -> (Arc<str>, usize) {
        loop {
            let roomy = self.roomy.notified();
            {
                let state = self.state();
                let room = self.handling.prefetch.max(1).saturating_sub(state.waiting.len());
                // Fetching half a buffer at a time costs half as many requests as fetching one by one.
                if state.has_joined && !state.is_unsure && room > self.handling.prefetch / 2 {
                    return (Arc::clone(&state.name), room);
                }
            }
            roomy.await;
        }
    }

    /// Takes in what was read; of an incarnation that is gone it is somebody else's.
    pub(super) fn put(&self, name: &str, entries: Vec<Entry>) {
        let mut state = self.state();
        if *state.name == *name {
            state.held.extend(entries.iter().map(|entry| entry.id));
            state.waiting.extend(entries);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Takes in that there may be events that were given and did not come.
    pub(super) fn lost_an_answer(&self) {
        self.state().is_unsure = true;
        self.asked.notify_one();
    }

    /// Waits until something is to be asked for before the next beat.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Returns how long the heart may rest.
    pub(super) fn beat_after(&self, due: Option<Duration>, look: Duration) -> Duration {
        let beat = self.handling.lease / 3;
        // Others may add something that is due sooner; what is due and was not given waits for a handler.
        let pause =
            |due: Duration| if due.is_zero() { look } else { due.clamp(Duration::from_millis(1), look) };
        due.map_or(beat, |due| pause(due).min(beat))
    }

    pub(super) fn look(&self) -> Look {
        let state = self.state();
        let known = state.is_unsure.then(|| state.held.iter().copied().collect());
        // What comes again is counted as a delivery when it is taken: no more of it than is begun next.
        let again = state.waiting.iter().take_while(|entry| entry.deliveries > 1).count();
        let room = self.handling.at_once.max(1).saturating_sub(again);
        Look { name: Arc::clone(&state.name), joins: !state.has_joined || state.is_unsure, room, known }
    }

    /// Takes in what looking after the worker brought.
    pub(super) fn take_in(&self, look: &Look, tended: &Tended, leaves: bool) {
        let mut state = self.state();
        if leaves || state.name != look.name {
            return;
        }
        if tended.is_alive {
            state.has_joined = true;
            if look.known.is_some() {
                state.is_unsure = false;
            }
            for entry in &tended.entries {
                state.held.insert(entry.id);
            }
            for entry in tended.entries.iter().rev() {
                state.waiting.push_front(entry.clone());
            }
        } else {
            // It was taken for dead, and all it had is somebody else's.
            state.name = incarnation();
            state.has_joined = false;
            state.is_unsure = false;
            state.waiting.clear();
            state.held.clear();
            self.asked.notify_one();
        }
        drop(state);
        self.changed.notify_one();
        self.roomy.notify_one();
    }

    /// Takes what a handler can begin with, and the incarnation it belongs to.
    pub(super) fn begin(&self) -> Option<(Arc<str>, Entry)> {
        let mut state = self.state();
        if state.running >= self.handling.at_once.max(1) {
            return None;
        }
        let entry = state.waiting.pop_front()?;
        state.running += 1;
        let name = Arc::clone(&state.name);
        drop(state);
        self.roomy.notify_one();
        Some((name, entry))
    }

    /// Takes in that a handler has ended.
    pub(super) fn end(&self) {
        self.state().running -= 1;
    }

    /// Takes in that these of incarnation `name` are settled.
    pub(super) fn settled(
        &self,
        name: &str,
        ids: impl Iterator<Item = Id>,
        count: impl FnOnce(&mut Handled),
    ) {
        let mut state = self.state();
        if *state.name == *name {
            for id in ids {
                state.held.remove(&id);
            }
        }
        count(&mut state.handled);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that no other consumer ever had.
fn incarnation() -> Arc<str> {
    Uuid::new_v4().simple().to_string().into()
}
