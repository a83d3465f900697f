//! What a worker has before it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::Handling;
use super::tray::{Drain, Tray};
use crate::log::{Consumer, Entry, Id, Settle, Start, Tended, Verdict};

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
    /// Were events of another type, or replayed for another group, and acknowledged.
    pub skipped: u64,
    /// Were taken away before they could be acknowledged: somebody else handles them, too.
    pub lost: u64,
    /// Were trimmed or deleted while they were to be handled again.
    pub trimmed: u64,
}

/// From this delivery on, what two consumers have died with is handled alone: if it is what they died of, nothing else dies of it too often.
pub(super) const SUSPECT: u64 = 3;

/// The shortest time that the server counts.
const MOMENT: Duration = Duration::from_millis(1);
/// How long it takes at most until is looked for what others left: what they cannot take themselves, and what they died with.
const SELDOM: Duration = Duration::from_secs(1);
/// How long it takes until what is due and in nobody's hands is asked for again.
const LOOK: Duration = Duration::from_millis(25);

pub(super) struct Desk {
    topic: Arc<str>,
    group: Arc<str>,
    pub(super) handling: Handling,
    state: Mutex<State>,
    /// Something can be begun.
    changed: Notify,
    roomy: Notify,
    asked: Notify,
    sooner: Notify,
}

struct State {
    /// Under which events are read.
    current: Incarnation,
    /// Whose reading has failed: each goes when what it knows of is settled.
    former: Vec<Incarnation>,
    /// What was given and is not begun, and to whom.
    waiting: VecDeque<(Arc<str>, Entry)>,
    running: usize,
    /// Whether what runs is to run alone.
    is_alone: bool,
    drain: Drain,
    /// Whether no more is begun.
    is_closing: bool,
    /// Whether it has been a consumer of the group, and the last that it was given.
    has_been: bool,
    last: Option<Id>,
    /// When something that waits is due, as far as is known here: what others add is found with the next beat.
    due: Option<Instant>,
    /// The same, of what was settled after what is under way was asked: its answer does not know of it.
    noted: Option<Instant>,
    handled: Handled,
}

struct Incarnation {
    name: Arc<str>,
    has_joined: bool,
    /// Nobody takes anything away from it before.
    until: Instant,
    /// What it was given and is not settled.
    held: BTreeSet<Id>,
}

/// What to ask for in the name of one incarnation.
pub(super) struct Look {
    pub(super) name: Arc<str>,
    /// Where the group begins if it is new, to join it.
    pub(super) joins: Option<Start>,
    pub(super) room: usize,
    pub(super) takes_alone: bool,
    /// What a former one knows of.
    pub(super) keeps: Option<Vec<Id>>,
    pub(super) leaves: bool,
    asked: Instant,
}

impl Desk {
    pub(super) fn new(topic: Arc<str>, group: Arc<str>, handling: Handling) -> Self {
        let state = State {
            current: Incarnation::new(),
            former: Vec::new(),
            waiting: VecDeque::new(),
            running: 0,
            is_alone: false,
            drain: Drain::default(),
            is_closing: false,
            has_been: false,
            last: None,
            due: None,
            noted: None,
            handled: Handled::default(),
        };
        let [changed, roomy, asked, sooner] = [(); 4].map(|()| Notify::new());
        Self { topic, group, handling, state: Mutex::new(state), changed, roomy, asked, sooner }
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
                let room = self.handling.prefetch.saturating_sub(state.waiting.len());
                // Fetching half a buffer at a time costs half as many requests as fetching one by one.
                if state.current.has_joined && room > self.handling.prefetch / 2 {
                    return (Arc::clone(&state.current.name), room);
                }
            }
            roomy.await;
        }
    }

    /// Takes in what was read; of an incarnation that is gone it is somebody else's.
    pub(super) fn put(&self, name: &Arc<str>, entries: Vec<Entry>) {
        let mut state = self.state();
        if state.current.name == *name && !state.is_closing {
            state.last = entries.iter().map(|entry| entry.id).chain(state.last).max();
            state.current.held.extend(entries.iter().map(|entry| entry.id));
            state.waiting.extend(entries.into_iter().map(|entry| (Arc::clone(name), entry)));
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Begins no more, and gives back at once what was not begun.
    pub(super) fn close(&self) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.is_closing = true;
        for (name, entry) in std::mem::take(&mut state.waiting) {
            if let Some(incarnation) = state.incarnation(&name) {
                incarnation.held.remove(&entry.id);
            }
        }
        drop(guard);
        self.asked.notify_one();
    }

    /// Returns where the group begins if it is new: one that was lost goes on where it was, as far as is known here.
    fn begins(&self, state: &State) -> Start {
        match (state.last, self.handling.start) {
            (Some(last), _) => Start::After(last),
            (None, Start::Now) if state.has_been => Start::First,
            (None, start) => start,
        }
    }

    /// Waits until something is to be asked for before the next beat.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Returns until when the heart may rest that beat at `last`.
    pub(super) fn rests_until(&self, last: Instant) -> Instant {
        let state = self.state();
        let beat = last + (self.handling.lease / 3).min(SELDOM);
        match state.due {
            // Without room it is taken when there is some: who makes it asks.
            Some(due) if self.room_for_more(&state) > 0 => beat.min(due.max(last + MOMENT)),
            _ => beat,
        }
    }

    /// Waits until something may be due sooner than was known, or there is room for it.
    pub(super) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    /// Takes in that something is to come again after so long.
    fn comes_again(&self, after: Duration) {
        let mut state = self.state();
        // The server counts whole milliseconds.
        let due = Instant::now() + after + MOMENT;
        state.noted = Some(state.noted.map_or(due, |earlier| earlier.min(due)));
        if state.due.is_none_or(|earlier| due < earlier) {
            state.due = Some(due);
            drop(state);
            self.sooner.notify_one();
        }
    }

    /// Returns how much of what comes again can be taken: that counts as a delivery, so it is no more than is begun next.
    fn room_for_more(&self, state: &State) -> usize {
        let again = state.waiting.iter().take_while(|(_, entry)| entry.deliveries > 1).count();
        if state.has_suspect() { 0 } else { self.handling.at_once.saturating_sub(again) }
    }

    /// Returns what to ask for: first in the names of the former incarnations, which give back what the current one may take.
    pub(super) fn looks(&self, leaves: bool) -> Vec<Look> {
        let (mut state, asked) = (self.state(), Instant::now());
        state.noted = None;
        let former = state.former.iter().map(|former| Look {
            name: Arc::clone(&former.name),
            joins: None,
            room: 0,
            takes_alone: false,
            keeps: Some(former.held.iter().copied().collect()),
            leaves: leaves || former.held.is_empty(),
            asked,
        });
        // A join that nobody hears of is to have given nothing.
        let joins = !state.current.has_joined && !leaves && !state.is_closing;
        let has_again = state.waiting.front().is_some_and(|(_, entry)| entry.deliveries > 1);
        let current = Look {
            name: Arc::clone(&state.current.name),
            joins: joins.then(|| self.begins(&state)),
            room: if leaves || joins || state.is_closing { 0 } else { self.room_for_more(&state) },
            takes_alone: !has_again,
            keeps: state.is_closing.then(|| state.current.held.iter().copied().collect()),
            leaves,
            asked,
        };
        former.chain([current]).collect()
    }

    /// Takes in what looking after an incarnation brought.
    pub(super) fn take_in(&self, look: &Look, tended: Tended) {
        let mut guard = self.state();
        let state = &mut *guard;
        let is_current = state.current.name == look.name;
        state.handled.trimmed += tended.trimmed;
        if tended.is_alive
            && let Some(incarnation) = state.incarnation(&look.name)
        {
            incarnation.until = look.asked + self.handling.lease;
        }
        if tended.is_alive && is_current {
            (state.current.has_joined, state.has_been) = (true, true);
            if state.is_closing && !tended.entries.is_empty() {
                // It was asked for before: the next look gives it back.
                self.asked.notify_one();
                return;
            }
            if look.joins.is_some() {
                self.sooner.notify_one();
            }
            // What is due and was not given, though there was room, is in somebody's hands.
            let pause = if tended.entries.is_empty() { LOOK } else { Duration::ZERO };
            let due = tended.due.map(|due| Instant::now() + if due.is_zero() { pause } else { due + MOMENT });
            state.due = due.into_iter().chain(state.noted).min();
            state.current.held.extend(tended.entries.iter().map(|entry| entry.id));
            for mut entry in tended.entries.into_iter().rev() {
                entry.orphaned &= entry.deliveries >= self.handling.alone_from;
                state.waiting.push_front((Arc::clone(&look.name), entry));
            }
        } else if !tended.is_alive {
            // It left, or was taken for dead, and all it had is somebody else's.
            state.waiting.retain(|(name, _)| *name != look.name);
            state.former.retain(|former| former.name != look.name);
            if is_current && !look.leaves {
                state.current = Incarnation::new();
                self.asked.notify_one();
            }
        }
        drop(guard);
        self.changed.notify_one();
        self.roomy.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tray for Desk {
    fn handling(&self) -> &Handling {
        &self.handling
    }

    fn group(&self) -> &str {
        &self.group
    }

    fn changed(&self) -> &Notify {
        &self.changed
    }

    fn consumer<'a>(&'a self, name: &'a str) -> Consumer<'a> {
        Consumer { topic: &self.topic, group: &self.group, name, lease: self.handling.lease, is_sole: false }
    }

    fn begin(&self) -> Option<(Arc<str>, Entry)> {
        let mut state = self.state();
        if state.is_alone || state.running >= self.handling.at_once {
            return None;
        }
        let (name, next) = state.waiting.front()?;
        let (name, is_alone) = (Arc::clone(name), is_suspect(next));
        let running = state.running;
        if is_alone && !state.drain.is_over(running, Instant::now()) {
            return None;
        }
        // This process may have stood still for so long that somebody else has it.
        if state.incarnation(&name).is_none_or(|incarnation| incarnation.until <= Instant::now()) {
            self.asked.notify_one();
            return None;
        }
        let next = state.waiting.pop_front()?;
        state.running += 1;
        (state.is_alone, state.drain) = (is_alone, Drain::default());
        if next.1.deliveries > 1 && state.due.is_some() {
            // There is room for one more that comes again.
            self.sooner.notify_one();
        }
        drop(state);
        self.roomy.notify_one();
        Some(next)
    }

    fn end(&self, was_alone: bool) {
        let mut state = self.state();
        state.running -= 1;
        if was_alone && std::mem::take(&mut state.is_alone) {
            self.asked.notify_one();
        }
    }

    fn lost_an_answer(&self, name: &Arc<str>) {
        let mut state = self.state();
        if state.current.name == *name {
            let former = std::mem::replace(&mut state.current, Incarnation::new());
            state.former.push(former);
        }
        drop(state);
        self.asked.notify_one();
    }

    fn settled(&self, name: &str, settlements: &[Settle<'_>], count: impl FnOnce(&mut Handled)) {
        let mut guard = self.state();
        let state = &mut *guard;
        if let Some(incarnation) = state.incarnation(name) {
            settlements.iter().for_each(|settle| _ = incarnation.held.remove(&settle.id));
        }
        count(&mut state.handled);
        drop(guard);
        for settle in settlements {
            if let Verdict::Again(after) = settle.verdict {
                self.comes_again(after);
            }
        }
    }
}

impl State {
    /// Returns whether it has what is handled alone.
    fn has_suspect(&self) -> bool {
        self.is_alone || self.waiting.iter().any(|(_, entry)| is_suspect(entry))
    }

    fn incarnation(&mut self, name: &str) -> Option<&mut Incarnation> {
        self.former.iter_mut().chain([&mut self.current]).find(|one| *one.name == *name)
    }
}

/// Returns whether it is to be handled alone.
pub(super) fn is_suspect(entry: &Entry) -> bool {
    entry.orphaned && entry.deliveries >= SUSPECT
}

impl Incarnation {
    /// Makes one with a name that no other consumer ever had.
    fn new() -> Self {
        let name = Uuid::new_v4().simple().to_string().into();
        Self { name, has_joined: false, until: Instant::now(), held: BTreeSet::new() }
    }
}
