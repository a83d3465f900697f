//! All that a memory store holds, under one lock: so a key, its lease and what is told of it change in one step.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::book::Book;
use super::deadline;
use super::plane::Plane;
use super::shelf::Shelf;
use crate::backplane::{Invalidation, Signal, digest};
use crate::lease::{Take, Want, Write};

/// How long a mark is kept: as in Redis.
const MARK_MS: u64 = 31 * 24 * 60 * 60 * 1000;

#[derive(Default)]
pub(super) struct State {
    pub(super) shelf: Shelf,
    pub(super) book: Book,
    pub(super) plane: Plane,
    last_stamp: u64,
}

/// When something is done: on tokio's clock, and since the Unix epoch.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) at: Instant,
    pub(super) wall: Duration,
}

impl State {
    pub(super) fn take(&mut self, want: &Want<'_>, millis: u64, now: Now) -> Take {
        if !want.by_force {
            let entry = self.shelf.value(want.key, now.at).unwrap_or_default();
            if !entry.is_empty() && !want.seen.is(&entry) {
                return Take::Changed(entry);
            }
            if let Some(left) = self.book.time_left(want.key, now.at) {
                return Take::Busy(left);
            }
        }
        self.book.lend(want.key, want.token, deadline(now.at, millis), now.at);
        Take::Taken { stamp: self.draw(now) }
    }

    /// Writes an entry whose lease is held and which is still the one that was seen, on behalf of `node`; returns whether it
    /// was written.
    pub(super) fn commit(&mut self, node: u64, write: &Write<'_>, millis: u64, now: Now) -> bool {
        if !self.book.give_back(&write.held, now.at) {
            return false;
        }
        let key = write.held.key;
        if let Some(seen) = write.seen {
            let entry = self.shelf.value(key, now.at).unwrap_or_default();
            if !seen.is(&entry) {
                return false;
            }
        }
        self.shelf.insert(key, write.value.clone(), deadline(now.at, millis));
        self.shelf.evict_some(now.at);
        if write.announce {
            let stamp = self.draw(now);
            self.plane.tell(node, &Signal::Keys { digests: vec![digest(key)], stamp });
        }
        true
    }

    pub(super) fn invalidate(&mut self, node: u64, what: Invalidation<'_>, now: Now) -> u64 {
        let stamp = self.draw(now);
        let signal = match what {
            Invalidation::Keys([]) => return stamp,
            Invalidation::Keys(keys) => {
                for key in keys {
                    self.shelf.remove(key, now.at);
                    self.book.void(key);
                }
                Signal::Keys { digests: keys.iter().map(|key| digest(key)).collect(), stamp }
            }
            Invalidation::Mark(mark) => {
                let text = Bytes::from(stamp.to_string());
                self.shelf.insert(mark, text, deadline(now.at, MARK_MS));
                self.shelf.evict_some(now.at);
                Signal::Mark { mark: mark.to_owned(), stamp }
            }
            Invalidation::Recheck(cache) => Signal::Recheck { cache: cache.to_owned() },
        };
        self.plane.tell(node, &signal);
        stamp
    }

    pub(super) fn mark(&mut self, mark: &str, now: Instant) -> u64 {
        let text = self.shelf.value(mark, now);
        text.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok()).unwrap_or(0)
    }

    fn draw(&mut self, now: Now) -> u64 {
        let micros = u64::try_from(now.wall.as_micros()).unwrap_or(u64::MAX);
        self.last_stamp = micros.max(self.last_stamp.saturating_add(1));
        self.last_stamp
    }
}
