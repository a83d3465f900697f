//! The order of invalidations and L1, in the interleavings of their atomics: after an invalidation returned, L1 serves
//! nothing from before it.
#![expect(clippy::unwrap_used, reason = "what surrounds the tests may panic as they do")]

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use mystocks_cache::model::Order;

const DIGEST: u64 = 7;
const OLD: u64 = 1;
const NEW: u64 = 2;

/// One key in one process: its entry in L1 (the value, and the number from before it was read), in L2 and in the database.
struct Key {
    order: Order,
    l1: Mutex<Option<(u64, u64)>>,
    l2: Mutex<Option<u64>>,
    database: AtomicU64,
}

impl Key {
    fn new() -> Arc<Self> {
        let (order, l1, l2) = (Order::single(), Mutex::new(None), Mutex::new(Some(OLD)));
        Arc::new(Self { order, l1, l2, database: AtomicU64::new(OLD) })
    }

    /// Looks into L1, as a hit does.
    fn look(&self) -> Option<u64> {
        let held = *self.l1.lock().unwrap();
        held.filter(|(_, since)| self.order.serves(DIGEST, *since)).map(|(value, _)| value)
    }

    /// Reads L2 or loads, and fills L1.
    fn read(&self) {
        if self.look().is_some() {
            return;
        }
        let since = self.order.now();
        let found = *self.l2.lock().unwrap();
        let value = found.unwrap_or_else(|| self.database.load(Ordering::Acquire));
        *self.l1.lock().unwrap() = Some((value, since));
    }

    fn forget(&self) {
        self.order.invalidate(DIGEST);
        *self.l1.lock().unwrap() = None;
    }

    /// Changes the database and invalidates, as `Cache::invalidate` does; `again` is its last step.
    fn change(&self, again: bool) {
        self.database.store(NEW, Ordering::Release);
        self.forget();
        *self.l2.lock().unwrap() = None;
        if again {
            self.forget();
        }
        assert_ne!(self.look(), Some(OLD), "served after the invalidation returned");
    }
}

/// With one reader every interleaving is tried; with two, every one in which threads are interrupted three times.
fn against_readers(readers: usize, change: fn(&Key)) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = (readers > 1).then_some(3);
    builder.check(move || {
        let key = Key::new();
        let reading = (0..readers).map(|_| {
            let key = Arc::clone(&key);
            thread::spawn(move || key.read())
        });
        let reading: Vec<_> = reading.collect();
        change(&key);
        reading.into_iter().for_each(|reader| reader.join().unwrap());
        assert_ne!(key.look(), Some(OLD), "served after the invalidation returned");
    });
}

#[test]
fn an_invalidation_of_this_process_wins() {
    against_readers(1, |key| key.change(true));
    against_readers(2, |key| key.change(true));
}

#[test]
#[should_panic(expected = "served after the invalidation returned")]
fn without_its_second_step_it_would_not() {
    against_readers(1, |key| key.change(false));
}

/// Another process removes the entry and then tells this one.
fn from_outside(key: &Key) {
    key.database.store(NEW, Ordering::Release);
    *key.l2.lock().unwrap() = None;
    key.order.invalidate(DIGEST);
}

#[test]
fn an_invalidation_from_outside_wins() {
    against_readers(1, from_outside);
    against_readers(2, from_outside);
}

#[test]
#[should_panic(expected = "served after the invalidation returned")]
fn a_message_that_came_before_its_deed_would_not() {
    against_readers(1, |key| {
        key.order.invalidate(DIGEST);
        *key.l2.lock().unwrap() = None;
    });
}

/// A tag or a clear from outside: the entry stays in L2, and its stamp says whether it is outdated.
fn mark_against_reader(stamp_first: bool) {
    loom::model(move || {
        let key = Key::new();
        let (stamp, step) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let reader = {
            let (key, stamp) = (Arc::clone(&key), Arc::clone(&stamp));
            thread::spawn(move || {
                let since = key.order.now();
                let found = (*key.l2.lock().unwrap()).filter(|found| *found > stamp.load(Ordering::Acquire));
                *key.l1.lock().unwrap() = found.map(|found| (found, since));
            })
        };
        if stamp_first {
            stamp.store(OLD, Ordering::Release);
        }
        let at = key.order.step();
        stamp.store(OLD, Ordering::Release);
        step.fetch_max(at, Ordering::AcqRel);
        reader.join().unwrap();
        let held = *key.l1.lock().unwrap();
        let serves = held.is_some_and(|(_, since)| step.load(Ordering::Acquire) <= since);
        assert!(!serves, "served after its mark was set");
    });
}

#[test]
fn a_mark_from_outside_wins_against_a_reader() {
    mark_against_reader(true);
}

#[test]
#[should_panic(expected = "served after its mark was set")]
fn a_mark_whose_step_came_before_its_stamp_would_not() {
    mark_against_reader(false);
}
