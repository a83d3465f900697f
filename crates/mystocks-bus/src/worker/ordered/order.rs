//! Which event of a lane comes next.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use crate::log::{Entry, Id};
use crate::worker::desk::is_suspect;

/// The events of a lane that its owner knows of, from when they are given until they are done or dead.
///
/// One can begin when it is the first of its key. Those without a key are each the first.
#[derive(Debug, Default)]
pub(super) struct Order {
    events: BTreeMap<Id, Event>,
    /// Of each key what is not done, the first first.
    keys: HashMap<Arc<str>, VecDeque<Id>>,
    /// The first of their keys that are here.
    ready: BTreeSet<Id>,
    /// The first of their keys that wait at the log, by when each is due.
    due: BTreeSet<(Instant, Id)>,
    /// The first of their keys that wait at the log and are to be handled alone.
    suspects: BTreeSet<Id>,
    /// How many are here and not begun.
    here: usize,
}

#[derive(Debug)]
struct Event {
    key: Option<Arc<str>>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Here(Entry),
    Runs,
    /// At the log, due then.
    Waits(Instant),
    /// At the log, to be handled alone.
    Suspect,
}

impl Order {
    /// Adds an event that was given for the first time; it stands behind all that are known.
    pub(super) fn put(&mut self, entry: Entry, key: Option<String>) {
        self.here += 1;
        self.add(entry.id, key, Place::Here(entry));
    }

    /// Adds an event that waits at the log; it stands behind all that are known.
    pub(super) fn learn(&mut self, id: Id, key: Option<String>, due: Instant, is_suspect: bool) {
        self.add(id, key, if is_suspect { Place::Suspect } else { Place::Waits(due) });
    }

    fn add(&mut self, id: Id, key: Option<String>, place: Place) {
        let key: Option<Arc<str>> = key.map(Into::into);
        let is_first = key.as_ref().is_none_or(|key| {
            let of_key = self.keys.entry(Arc::clone(key)).or_default();
            of_key.push_back(id);
            of_key.len() == 1
        });
        self.events.insert(id, Event { key, place });
        if is_first {
            self.is_first(id);
        }
    }

    fn is_first(&mut self, id: Id) {
        match self.events.get(&id).map(|event| &event.place) {
            Some(Place::Here(_)) => _ = self.ready.insert(id),
            Some(Place::Waits(due)) => _ = self.due.insert((*due, id)),
            Some(Place::Suspect) => _ = self.suspects.insert(id),
            Some(Place::Runs) | None => {}
        }
    }

    /// Takes the first event that can begin.
    pub(super) fn begin(&mut self) -> Option<Entry> {
        let event = self.events.get_mut(&self.ready.pop_first()?)?;
        self.here = self.here.saturating_sub(1);
        match std::mem::replace(&mut event.place, Place::Runs) {
            Place::Here(entry) => Some(entry),
            Place::Runs | Place::Waits(_) | Place::Suspect => None,
        }
    }

    /// Takes in that an event is done or dead, or gone: the next of its key can begin.
    pub(super) fn finish(&mut self, id: Id) {
        let Some(event) = self.events.remove(&id) else { return };
        if let Place::Waits(due) = event.place {
            self.due.remove(&(due, id));
        }
        self.suspects.remove(&id);
        let Some(key) = event.key else { return };
        // Nothing of a key begins or goes before its first.
        let Some(of_key) = self.keys.get_mut(&key).filter(|of_key| of_key.front() == Some(&id)) else {
            return;
        };
        of_key.pop_front();
        match of_key.front().copied() {
            Some(next) => self.is_first(next),
            None => _ = self.keys.remove(&key),
        }
    }

    /// Takes in that an event waits at the log until then; the rest of its key waits behind it.
    pub(super) fn again(&mut self, id: Id, due: Instant) {
        if let Some(event) = self.events.get_mut(&id) {
            if let Place::Waits(before) = std::mem::replace(&mut event.place, Place::Waits(due)) {
                self.due.remove(&(before, id));
            }
            self.suspects.remove(&id);
            self.due.insert((due, id));
        }
    }

    /// Takes in an event that was asked for.
    pub(super) fn arrive(&mut self, entry: Entry) {
        if let Some(event) = self.events.get_mut(&entry.id)
            && match event.place {
                Place::Waits(due) => self.due.remove(&(due, entry.id)),
                Place::Suspect => self.suspects.remove(&entry.id),
                Place::Here(_) | Place::Runs => false,
            }
        {
            self.here += 1;
            self.ready.insert(entry.id);
            event.place = Place::Here(entry);
        }
    }

    /// Returns what to ask the log for: what is due and first of its key, no more than is begun next.
    ///
    /// A delivery is counted when it is taken.
    pub(super) fn wanted(&self, at_once: usize, now: Instant) -> Vec<Id> {
        let room = self.room_for_again(at_once);
        self.due.iter().take_while(|(due, _)| *due <= now).map(|(_, id)| *id).take(room).collect()
    }

    /// Returns when there is something to ask for; `None` also when there is no room for it.
    pub(super) fn next_due(&self, at_once: usize) -> Option<Instant> {
        let (due, _) = self.due.first()?;
        Some(*due).filter(|_| self.room_for_again(at_once) > 0)
    }

    fn room_for_again(&self, at_once: usize) -> usize {
        if self.due.is_empty() {
            return 0;
        }
        let is_again = |id: &&Id| match self.events.get(id).map(|event| &event.place) {
            Some(Place::Here(entry)) => entry.deliveries > 1,
            _ => false,
        };
        at_once.saturating_sub(self.ready.iter().filter(is_again).count())
    }

    /// Returns what is to be asked for and handled alone.
    pub(super) fn suspect(&self) -> Option<Id> {
        self.suspects.first().copied()
    }

    /// Returns whether the first that can begin is to be handled alone.
    pub(super) fn is_next_alone(&self) -> bool {
        let next = self.ready.first().and_then(|id| self.events.get(id));
        matches!(next.map(|event| &event.place), Some(Place::Here(entry)) if is_suspect(entry))
    }

    /// Returns how many can begin.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Returns how many are here, those included that wait behind another of their key.
    pub(super) fn here(&self) -> usize {
        self.here
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(sequence: u64) -> Id {
        Id { millis: 1, sequence }
    }

    fn entry(sequence: u64, deliveries: u64) -> Entry {
        Entry { deliveries, ..Entry::nothing(id(sequence)) }
    }

    fn begin(order: &mut Order) -> Option<u64> {
        order.begin().map(|entry| entry.id.sequence)
    }

    #[test]
    fn an_event_begins_when_those_before_it_of_its_key_are_done() {
        let mut order = Order::default();
        for (sequence, key) in [(0, Some("a")), (1, Some("a")), (2, Some("b")), (3, None), (4, None)] {
            order.put(entry(sequence, 1), key.map(str::to_owned));
        }
        assert_eq!((order.ready(), order.here()), (4, 5));
        assert_eq!([0; 5].map(|_| begin(&mut order)), [Some(0), Some(2), Some(3), Some(4), None]);
        order.finish(id(2));
        assert_eq!((begin(&mut order), order.here()), (None, 1));
        order.finish(id(0));
        assert_eq!((begin(&mut order), begin(&mut order)), (Some(1), None));
        order.finish(id(1));
        assert!(order.keys.is_empty() && order.here() == 0);
    }

    #[test]
    fn what_waits_blocks_its_key_and_no_other() {
        let (mut order, now) = (Order::default(), Instant::now());
        let second = Duration::from_secs(1);
        order.learn(id(9), Some("a".to_owned()), now, false);
        order.learn(id(10), Some("a".to_owned()), now, false);
        order.put(entry(11, 1), Some("a".to_owned()));
        order.put(entry(12, 1), Some("b".to_owned()));
        assert_eq!((begin(&mut order), begin(&mut order)), (Some(12), None));
        assert_eq!(order.wanted(4, now), [id(9)]);
        order.arrive(entry(9, 2));
        assert_eq!((order.wanted(4, now), begin(&mut order)), (vec![], Some(9)));
        order.again(id(9), now + second);
        order.again(id(12), now + second);
        assert_eq!((order.wanted(4, now), order.next_due(4)), (vec![], Some(now + second)));
        assert_eq!(
            (order.wanted(4, now + second), order.wanted(1, now + second)),
            (vec![id(9), id(12)], vec![id(9)])
        );
        order.arrive(entry(12, 2));
        assert_eq!((order.wanted(1, now + second), order.next_due(1)), (vec![], None));
        order.finish(id(9));
        assert_eq!((order.wanted(4, now), begin(&mut order)), (vec![id(10)], Some(12)));
        order.finish(id(10));
        assert_eq!((begin(&mut order), begin(&mut order)), (Some(11), None));
    }
}
