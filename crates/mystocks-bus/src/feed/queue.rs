//! The queue itself: messages in order, and gaps where some are missing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::{Backlog, Counts, Message, Next, Overflow};
use crate::gap::Gap;

#[derive(Debug)]
pub(crate) struct Queue {
    backlog: Backlog,
    waiting: VecDeque<Next>,
    /// The number of what stands first; numbers grow towards the back.
    first: u64,
    /// Where the message of each key waits.
    latest: HashMap<Arc<str>, u64>,
    messages: usize,
    bytes: usize,
    /// How many messages have been taken of which it is not known yet what they are.
    reading: u64,
    stand: Stand,
    pub(crate) counts: Counts,
}

#[derive(Debug, Clone, Copy)]
enum Stand {
    /// Nothing has come yet; since when what is missed is to be told.
    Coming(Option<Instant>),
    Up(Instant),
    /// All comes, but not at once: since when.
    Late(Instant),
    Down(Instant),
    /// There was no room. It ends when the gap that tells of it, which stands last, is taken.
    Full,
    Ended,
}

impl Queue {
    pub(crate) fn new(backlog: Backlog) -> Self {
        Self {
            backlog: Backlog { messages: backlog.messages.max(1), ..backlog },
            waiting: VecDeque::new(),
            first: 0,
            latest: HashMap::new(),
            messages: 0,
            bytes: 0,
            reading: 0,
            stand: Stand::Coming(None),
            counts: Counts::default(),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Next> {
        let next = self.take_first()?;
        match next {
            Next::Message(_) => self.reading += 1,
            Next::Gap(_) => {
                self.counts.gaps += 1;
                if self.waiting.is_empty() && matches!(self.stand, Stand::Full) {
                    self.stand = Stand::Ended;
                }
            }
        }
        Some(next)
    }

    /// Takes in what a message that was taken turned out to be.
    pub(crate) fn count(&mut self, change: impl FnOnce(&mut Counts)) {
        self.reading = self.reading.saturating_sub(1);
        change(&mut self.counts);
    }

    pub(crate) fn push(&mut self, message: Message) {
        match self.stand {
            Stand::Up(_) | Stand::Late(_) => {}
            Stand::Full => {
                self.counts.received += 1;
                self.give_up(message.at);
                return;
            }
            // What comes beside a connection that counts is not promised, and in a gap already.
            Stand::Coming(_) | Stand::Down(_) | Stand::Ended => return,
        }
        self.counts.received += 1;
        let Some(message) = self.replace(message) else {
            // It may be larger than the one before.
            while self.messages > 1 && self.bytes > self.backlog.bytes {
                self.drop_oldest();
            }
            return;
        };
        while !self.fits(message.payload.len()) {
            match self.backlog.overflow {
                Overflow::DropOldest | Overflow::Conflate => self.drop_oldest(),
                Overflow::Disconnect => {
                    self.stand = Stand::Full;
                    self.give_up(message.at);
                    return;
                }
                // Whoever published has waited for room.
                Overflow::Wait => break,
            }
        }
        if let Some(key) = &message.key {
            self.latest.insert(Arc::clone(key), self.first + self.waiting.len() as u64);
        }
        self.messages += 1;
        self.bytes += message.payload.len();
        self.waiting.push_back(Next::Message(message));
    }

    pub(crate) fn up(&mut self, now: Instant) {
        match self.stand {
            Stand::Coming(Some(since)) | Stand::Down(since) => self.tell(Gap::disconnected(since, now)),
            Stand::Coming(None) | Stand::Late(_) => {}
            Stand::Up(_) | Stand::Full | Stand::Ended => return,
        }
        self.stand = Stand::Up(now);
    }

    pub(crate) fn late(&mut self, since: Instant, now: Instant) {
        self.stand = match self.stand {
            Stand::Coming(Some(owed)) | Stand::Down(owed) => {
                self.tell(Gap::disconnected(owed, now));
                Stand::Late(now)
            }
            Stand::Coming(None) => Stand::Late(since),
            Stand::Up(up) => Stand::Late(since.max(up)),
            stand @ (Stand::Late(_) | Stand::Full | Stand::Ended) => stand,
        };
    }

    pub(crate) fn down(&mut self, since: Instant) {
        match self.stand {
            Stand::Up(up) => self.stand = Stand::Down(since.max(up)),
            Stand::Late(since) => self.stand = Stand::Down(since),
            _ => {}
        }
    }

    /// Tells of what may be missing here though messages come.
    pub(crate) fn miss(&mut self, since: Instant, until: Instant) {
        if self.serves() {
            self.tell(Gap::disconnected(since, until));
        }
    }

    pub(crate) fn owe(&mut self, since: Instant) {
        if let Stand::Coming(_) = self.stand {
            self.stand = Stand::Coming(Some(since));
        }
    }

    pub(crate) fn close(&mut self, now: Instant) {
        if let Stand::Coming(Some(since)) | Stand::Down(since) | Stand::Late(since) = self.stand {
            self.tell(Gap::disconnected(since, now));
        }
        self.stand = Stand::Ended;
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.stand, Stand::Up(_))
    }

    /// Returns whether all comes, be it late.
    pub(crate) fn serves(&self) -> bool {
        matches!(self.stand, Stand::Up(_) | Stand::Late(_))
    }

    /// Returns whether nothing comes any more beside what waits.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.stand, Stand::Full | Stand::Ended)
    }

    /// Returns whether one more has room; when it has ended nobody needs any.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        // What publishers waited for may reach beyond.
        let bytes = if self.backlog.overflow == Overflow::Wait { 1 } else { bytes };
        self.has_ended() || self.fits(bytes)
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts { waiting: self.messages as u64 + self.reading, ..self.counts }
    }

    fn fits(&self, len: usize) -> bool {
        self.messages == 0
            || self.messages < self.backlog.messages && self.bytes.saturating_add(len) <= self.backlog.bytes
    }

    /// Puts a message in the place of the one with the same key, if one waits; else gives it back.
    fn replace(&mut self, message: Message) -> Option<Message> {
        let number = message.key.as_ref().and_then(|key| self.latest.get(key));
        let at = number.and_then(|number| usize::try_from(number - self.first).ok());
        match at.and_then(|at| self.waiting.get_mut(at)) {
            Some(Next::Message(earlier)) => {
                self.bytes = self.bytes - earlier.payload.len() + message.payload.len();
                self.counts.conflated += 1;
                *earlier = message;
                None
            }
            _ => Some(message),
        }
    }

    /// Gives up the oldest message; a gap in its place tells of it.
    fn drop_oldest(&mut self) {
        let mut gap: Option<Gap> = None;
        let mut join = |next: Gap| match &mut gap {
            Some(gap) => gap.join(&next),
            None => gap = Some(next),
        };
        loop {
            match self.take_first() {
                Some(Next::Gap(earlier)) => join(earlier),
                Some(Next::Message(message)) => {
                    self.counts.dropped += 1;
                    join(Gap::dropped(message.at));
                    break;
                }
                None => break,
            }
        }
        while let Some(Next::Gap(later)) = self.waiting.front() {
            join(later.clone());
            self.take_first();
        }
        if let Some(gap) = gap {
            self.first -= 1;
            self.waiting.push_front(Next::Gap(gap));
        }
    }

    /// Counts a message that finds no room, and tells of it at the end.
    fn give_up(&mut self, at: Instant) {
        self.counts.dropped += 1;
        self.tell(Gap::dropped(at));
    }

    /// Puts a gap at the end.
    fn tell(&mut self, gap: Gap) {
        // What comes later has to come after it: nothing before it can be replaced.
        self.latest.clear();
        match self.waiting.back_mut() {
            Some(Next::Gap(last)) => last.join(&gap),
            _ => self.waiting.push_back(Next::Gap(gap)),
        }
    }

    fn take_first(&mut self) -> Option<Next> {
        let next = self.waiting.pop_front()?;
        if let Next::Message(message) = &next {
            self.messages -= 1;
            self.bytes -= message.payload.len();
            if let Some(key) = &message.key
                && self.latest.get(key) == Some(&self.first)
            {
                self.latest.remove(key);
            }
        }
        self.first += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests;
