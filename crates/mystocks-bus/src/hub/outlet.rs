//! What waits for one client of a hub.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Limits;
use super::source::{Name, Source};
use crate::feed::queue::Queue;
use crate::feed::{Counts, Message, Next, Overflow};
use crate::metric::HubMeters;

pub(super) struct Outlet {
    pub(super) id: u64,
    limits: Limits,
    meters: Arc<HubMeters>,
    state: Mutex<State>,
    reader: AtomicWaker,
    taken: Notify,
}

struct State {
    queue: Queue,
    channels: Wishes,
    patterns: Wishes,
    last: u64,
}

/// By the text of the channel or the pattern.
type Wishes = HashMap<String, Wish>;

struct Wish {
    /// The later the greater.
    number: u64,
    source: Arc<Source>,
}

impl Outlet {
    pub(super) fn new(id: u64, limits: Limits, meters: Arc<HubMeters>) -> Self {
        let mut queue = Queue::new(limits.backlog);
        queue.up(Instant::now());
        let state = State { queue, channels: Wishes::new(), patterns: Wishes::new(), last: 0 };
        meters.clients.increment(1);
        Self {
            id,
            limits,
            meters,
            state: Mutex::new(state),
            reader: AtomicWaker::new(),
            taken: Notify::new(),
        }
    }

    pub(super) fn conflates(&self) -> bool {
        self.limits.backlog.overflow == Overflow::Conflate
    }

    /// Takes in that it wants `source`; returns whether it may.
    pub(super) fn add(&self, source: &Arc<Source>) -> bool {
        let mut state = self.state();
        let count = state.channels.len() + state.patterns.len();
        let text = source.name().text();
        if state.wishes(source.name()).contains_key(text) {
            return true;
        }
        if count >= self.limits.topics {
            return false;
        }
        state.last += 1;
        // What is resumed has no second way.
        let number = if source.is_own() { 0 } else { state.last };
        let wish = Wish { number, source: Arc::clone(source) };
        state.wishes(source.name()).insert(text.to_owned(), wish);
        true
    }

    /// Takes in that it does not want `name` any more, by which all since `owed` was still to come: what came by a later way instead was not taken.
    pub(super) fn remove(&self, name: &Name, owed: Option<Instant>) {
        let mut state = self.state();
        let Some(wish) = state.wishes(name).remove(name.text()) else { return };
        let is_later = |other: &Wish| other.number > wish.number && other.source.name().overlaps(name);
        if let Some(since) = owed
            && state.all().any(is_later)
        {
            state.queue.miss(since, Instant::now());
            drop(state);
            self.reader.wake();
        }
    }

    pub(super) fn source(&self, name: &Name) -> Option<Arc<Source>> {
        self.state().wishes(name).get(name.text()).map(|wish| Arc::clone(&wish.source))
    }

    pub(super) fn sources(&self) -> Vec<Arc<Source>> {
        self.state().all().map(|wish| Arc::clone(&wish.source)).collect()
    }

    /// Returns whether all that it wants comes.
    pub(super) fn is_live(&self) -> bool {
        let state = self.state();
        !state.queue.has_ended() && state.all().all(|wish| wish.source.is_up())
    }

    /// Takes in a message that came by `source`.
    pub(super) fn offer(&self, source: &Source, channel: &str, message: Message) {
        let mut state = self.state();
        if !state.takes(source, channel) {
            return;
        }
        let before = state.queue.counts;
        state.queue.push(message);
        let after = state.queue.counts;
        drop(state);
        self.meters.dropped.increment(after.dropped - before.dropped);
        self.meters.conflated.increment(after.conflated - before.conflated);
        self.reader.wake();
    }

    pub(super) fn miss(&self, since: Instant, until: Instant) {
        self.state().queue.miss(since, until);
        self.reader.wake();
    }

    pub(super) fn close(&self) {
        self.state().queue.close(Instant::now());
        self.reader.wake();
        self.taken.notify_waiters();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().queue.has_ended()
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().queue.counts()
    }

    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Next>> {
        self.reader.register(context.waker());
        let mut state = self.state();
        let next = state.queue.pop();
        match &next {
            Some(Next::Message(_)) => {
                state.queue.count(|counts| counts.delivered += 1);
                self.meters.delivered.increment(1);
            }
            Some(Next::Gap(gap)) => self.meters.gap(gap),
            None if !state.queue.has_ended() => return Poll::Pending,
            None => {}
        }
        drop(state);
        self.taken.notify_waiters();
        Poll::Ready(next)
    }

    /// Waits until one more has room; cancel safe.
    pub(super) async fn room(&self, bytes: usize) {
        loop {
            // From here on a change is noticed.
            let taken = self.taken.notified();
            if self.state().queue.has_room(bytes) {
                return;
            }
            taken.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wishes(&mut self, name: &Name) -> &mut Wishes {
        if name.is_pattern() { &mut self.patterns } else { &mut self.channels }
    }

    fn all(&self) -> impl Iterator<Item = &Wish> {
        self.channels.values().chain(self.patterns.values())
    }

    /// Returns whether what came on `channel` by `source` is to be taken: of several ways the one that was wanted first and is up, so
    /// that it comes once.
    fn takes(&self, source: &Source, channel: &str) -> bool {
        let is_only_way = self.patterns.is_empty() || self.patterns.len() == 1 && self.channels.is_empty();
        if is_only_way {
            return true;
        }
        let patterns = self.patterns.values().filter(|wish| wish.source.name().matches(channel));
        let ways = self.channels.get(channel).into_iter().chain(patterns);
        let first = ways.filter(|wish| wish.source.serves()).min_by_key(|wish| wish.number);
        first.is_some_and(|wish| wish.source.id == source.id)
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.meters.clients.decrement(1);
    }
}
