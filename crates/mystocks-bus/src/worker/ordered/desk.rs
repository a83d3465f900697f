//! What a worker has before it of the lanes that it owns.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::lane::{Lane, Stage};
use crate::log::{Consumer, Entry, Id, Tended};
use crate::worker::desk::SUSPECT;
use crate::worker::tray::Drain;
use crate::worker::{Handled, Handling};

/// Returns the key of the event in a payload.
pub(in crate::worker) type KeyOf = fn(&[u8]) -> Option<String>;

/// So many events a worker keeps at least, those included that wait behind another of their key.
const DEPTH: usize = 8_192;

pub(in crate::worker) struct LaneDesk {
    pub(super) topic: Arc<str>,
    pub(super) group: Arc<str>,
    pub(super) handling: Handling,
    pub(super) topics: Arc<[Arc<str>]>,
    key_of: KeyOf,
    state: Mutex<State>,
    pub(super) changed: Notify,
    /// For each lane: there may be another step.
    pub(super) woken: Vec<Notify>,
    /// More lanes may be taken.
    pub(super) free: Notify,
    /// Others are to be watched.
    pub(super) watch: Notify,
}

pub(super) struct State {
    pub(super) lanes: Vec<Lane>,
    /// How many lanes are this worker's share.
    pub(super) quota: usize,
    pub(super) is_stopping: bool,
    pub(super) running: usize,
    /// Whether what runs is to run alone.
    pub(super) is_alone: bool,
    pub(super) drain: Drain,
    /// The one event that was asked for to be handled alone, and of which lane: nothing else is taken that would die with it.
    pub(super) suspect: Option<(usize, Id)>,
    /// Where the next handler looks first.
    pub(super) next: usize,
    pub(super) handled: Handled,
}

/// What is to be done next for a lane, in whose name.
pub(super) enum Step {
    /// Nothing, until it is woken or then.
    Rest(Option<Instant>),
    Beat(Arc<str>, Vec<Id>),
    Learn(Arc<str>, Option<Id>),
    Read(Arc<str>, usize),
    Leave(Arc<str>),
    /// Nothing any more.
    End,
}

impl LaneDesk {
    pub(in crate::worker) fn new(
        topic: Arc<str>,
        topics: Arc<[Arc<str>]>,
        group: Arc<str>,
        handling: Handling,
        key_of: KeyOf,
    ) -> Self {
        let state = State {
            lanes: topics.iter().map(|_| Lane::new()).collect(),
            quota: 0,
            is_stopping: false,
            running: 0,
            is_alone: false,
            drain: Drain::default(),
            suspect: None,
            next: 0,
            handled: Handled::default(),
        };
        let woken = topics.iter().map(|_| Notify::new()).collect();
        let (changed, free, watch) = (Notify::new(), Notify::new(), Notify::new());
        let state = Mutex::new(state);
        Self { topic, group, handling, topics, key_of, state, changed, woken, free, watch }
    }

    pub(in crate::worker) fn handled(&self) -> Handled {
        self.state().handled
    }

    /// Returns the owner of a lane.
    pub(super) fn owner<'a>(&'a self, lane: usize, name: &'a str) -> Consumer<'a> {
        let topic = self.topics.get(lane).unwrap_or(&self.topic);
        Consumer { topic, group: &self.group, name, lease: self.handling.lease, is_sole: true }
    }

    pub(super) fn step(&self, lane: usize) -> Step {
        let (mut guard, now, at) = (self.state(), Instant::now(), lane);
        let state = &mut *guard;
        let (share, depth) = self.shares(state);
        let Some(lane) = state.lanes.get(lane) else { return Step::End };
        let (name, beat) = (|| Arc::clone(&lane.name), lane.beaten + self.handling.lease / 3);
        let at_once = if state.suspect.is_some() { 0 } else { self.handling.at_once };
        match lane.stage {
            Stage::Free if state.is_stopping => Step::End,
            Stage::Free | Stage::Joins => Step::Rest(None),
            Stage::Ends if lane.running == 0 => Step::Leave(name()),
            Stage::Learns(_) | Stage::Ends if beat <= now => Step::Beat(name(), Vec::new()),
            Stage::Learns(after) => Step::Learn(name(), after),
            Stage::Ends => Step::Rest(Some(beat)),
            Stage::Owned => {
                let mut wanted = lane.order.wanted(at_once, now);
                if wanted.is_empty()
                    && state.suspect.is_none()
                    && let Some(id) = lane.order.suspect()
                {
                    (state.suspect, wanted) = (Some((at, id)), vec![id]);
                }
                let room =
                    share.saturating_sub(lane.order.ready()).min(depth.saturating_sub(lane.order.here()));
                if beat <= now || !wanted.is_empty() {
                    Step::Beat(name(), wanted)
                } else if lane.has_news && lane.order.ready() <= share / 2 && room > 0 {
                    Step::Read(name(), room)
                } else {
                    Step::Rest(Some(lane.order.next_due(at_once).map_or(beat, |due| due.min(beat))))
                }
            }
        }
    }

    /// Returns how many events that can begin, and how many at all, a lane has at most.
    pub(super) fn shares(&self, state: &State) -> (usize, usize) {
        let owned = state.lanes.iter().filter(|lane| lane.is_owned()).count().max(1);
        let prefetch = self.handling.prefetch;
        let share = (prefetch / owned).max(1);
        (share, (DEPTH.max(prefetch) / owned).max(share))
    }

    /// Takes in how many lanes each worker may have; gives up those that are too many.
    pub(super) fn may_have(&self, quota: usize) {
        let mut state = self.state();
        state.quota = quota;
        let mut owned: Vec<_> = state
            .lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| lane.is_owned())
            .map(|(at, lane)| (lane.order.here(), at))
            .collect();
        owned.sort_unstable();
        for (_, at) in owned.iter().take(owned.len().saturating_sub(quota)) {
            self.ends(&mut state, *at);
        }
    }

    /// Takes no more, and gives up what there is.
    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.is_stopping = true;
        for at in 0..state.lanes.len() {
            self.ends(&mut state, at);
            self.woken.get(at).inspect(|woken| woken.notify_one());
        }
    }

    /// Returns the lanes that this worker may try to take, and how many of them.
    pub(super) fn takeable(&self) -> (Vec<usize>, usize) {
        let state = self.state();
        let free = |(_, lane): &(usize, &Lane)| matches!(lane.stage, Stage::Free);
        let mut lanes: Vec<usize> = state.lanes.iter().enumerate().filter(free).map(|(at, _)| at).collect();
        fastrand::shuffle(&mut lanes);
        let room = if state.is_stopping { 0 } else { state.quota };
        (lanes.clone(), room.saturating_sub(state.lanes.len() - lanes.len()))
    }

    /// Takes in that a lane is asked for; returns in whose name, `None` when it is not free any more.
    pub(super) fn joins(&self, lane: usize) -> Option<Arc<str>> {
        let mut state = self.state();
        let stopping = state.is_stopping;
        let lane = state.lanes.get_mut(lane).filter(|lane| matches!(lane.stage, Stage::Free) && !stopping)?;
        lane.stage = Stage::Joins;
        Some(Arc::clone(&lane.name))
    }

    /// Takes in what became of that; `None` when it is not known.
    pub(super) fn has_joined(&self, lane: usize, asked: Instant, tended: Option<&Tended>) {
        let mut state = self.state();
        let stopping = state.is_stopping;
        let Some(one) = state.lanes.get_mut(lane) else { return };
        (one.beaten, one.until) = (asked, asked + self.handling.lease);
        one.stage = match tended {
            Some(tended) if tended.is_alive && !stopping => {
                one.read_to = tended.reached.unwrap_or(Id::FIRST);
                Stage::Learns(None)
            }
            Some(tended) if !tended.is_alive => Stage::Free,
            _ => Stage::Ends,
        };
        self.wake(lane);
    }

    /// Takes in a part of what waits in a lane; nothing when that was all.
    pub(super) fn learned(&self, lane: usize, name: &Arc<str>, entries: &[Entry]) {
        let mut state = self.state();
        let Some(one) = state.lanes.get_mut(lane).filter(|one| one.name == *name) else { return };
        let Stage::Learns(after) = &mut one.stage else { return };
        match entries.last() {
            Some(last) => *after = Some(last.id),
            None => (one.stage, one.has_news) = (Stage::Owned, true),
        }
        let now = Instant::now();
        for entry in entries {
            // Its next delivery is one more than it had.
            let is_suspect = entry.orphaned && entry.deliveries + 1 >= SUSPECT;
            one.order.learn(entry.id, (self.key_of)(&entry.payload), now, is_suspect);
        }
    }

    /// Takes in what was read, of so many that were asked for.
    pub(super) fn put(&self, lane: usize, name: &Arc<str>, asked: usize, entries: Vec<Entry>) {
        let mut state = self.state();
        let Some(one) = state.lanes.get_mut(lane).filter(|one| one.name == *name) else { return };
        one.has_news = entries.len() >= asked;
        for entry in entries {
            one.read_to = entry.id;
            let key = (self.key_of)(&entry.payload);
            one.order.put(entry, key);
        }
        if !one.has_news {
            self.watch.notify_one();
        }
        self.changed.notify_one();
    }

    /// Takes in what looking after a lane brought.
    pub(super) fn take_in(
        &self,
        lane: usize,
        name: &Arc<str>,
        asked: Instant,
        wanted: &[Id],
        tended: Tended,
    ) {
        let mut state = self.state();
        state.handled.trimmed += tended.trimmed;
        let Some(one) = state.lanes.get_mut(lane).filter(|one| one.name == *name) else { return };
        if !tended.is_alive {
            self.ends(&mut state, lane);
            return;
        }
        (one.beaten, one.until) = (asked, asked + self.handling.lease);
        let mut gone = Vec::new();
        for id in wanted.iter().filter(|id| !tended.entries.iter().any(|entry| entry.id == **id)) {
            gone.push(*id);
            match tended.due {
                Some(due) => one.order.again(*id, Instant::now() + due.max(Duration::from_millis(1))),
                // It waits no more: it was deleted.
                None => one.order.finish(*id),
            }
        }
        tended.entries.into_iter().for_each(|entry| one.order.arrive(entry));
        gone.iter().for_each(|id| self.is_over(&mut state, lane, Some(*id)));
        self.changed.notify_one();
    }

    /// Takes in that a lane was left.
    pub(super) fn left(&self, lane: usize) {
        let mut state = self.state();
        if let Some(one) = state.lanes.get_mut(lane) {
            *one = Lane::new();
        }
        self.is_over(&mut state, lane, None);
        self.free.notify_one();
    }

    /// Returns whether it is no use to try again to leave a lane: its lease has ended, or this worker is in a hurry.
    pub(super) fn lets_go(&self, lane: usize) -> bool {
        let state = self.state();
        state.is_stopping || state.lanes.get(lane).is_none_or(|lane| lane.until <= Instant::now())
    }

    /// Returns which lanes are to be watched, and from where on.
    pub(super) fn watched(&self) -> Vec<(usize, Id)> {
        let state = self.state();
        let is_quiet = |lane: &Lane| matches!(lane.stage, Stage::Owned) && !lane.has_news;
        let lanes = state.lanes.iter().enumerate().filter(|(_, lane)| is_quiet(lane));
        lanes.map(|(at, lane)| (at, lane.read_to)).collect()
    }

    /// Takes in that there is something to read in a lane.
    pub(super) fn has_news(&self, lane: usize) {
        if let Some(one) = self.state().lanes.get_mut(lane) {
            one.has_news = true;
        }
        self.wake(lane);
    }

    /// Begins no more events of a lane, and leaves it after the last handler.
    pub(super) fn ends(&self, state: &mut State, lane: usize) {
        if let Some(one) = state.lanes.get_mut(lane).filter(|one| one.is_owned()) {
            one.stage = Stage::Ends;
            self.wake(lane);
        }
    }

    /// Takes in that an event of a lane, or all of them, cannot bring anything down any more.
    pub(super) fn is_over(&self, state: &mut State, lane: usize, id: Option<Id>) {
        if state.suspect.is_some_and(|(of, suspect)| of == lane && id.is_none_or(|id| id == suspect)) {
            state.suspect = None;
            self.woken.iter().for_each(Notify::notify_one);
        }
    }

    pub(super) fn wake(&self, lane: usize) {
        self.woken.get(lane).inspect(|woken| woken.notify_one());
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
