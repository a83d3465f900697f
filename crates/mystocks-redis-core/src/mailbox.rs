//! What one receiver is handed: messages in order, and marks where some may be missing.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::board::{Inbox, Message};
use crate::core::PATIENCE;
use crate::metric;

/// One thing handed over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Notice<M> {
    /// From here on nothing is missing.
    Up,
    /// From here on something may be missing, of what was sent after that moment.
    Down(Instant),
    Message(M),
}

/// A bounded queue that never makes its sender wait: what does not fit is a gap, marked [`Notice::Down`] and [`Notice::Up`].
pub(crate) struct Mailbox<M> {
    name: &'static str,
    capacity: usize,
    decided_by: Instant,
    queue: Mutex<Queue<M>>,
    wake: Notify,
}

struct Queue<M> {
    waiting: VecDeque<(Notice<M>, usize)>,
    weight: usize,
    /// What the last mark said.
    stands: Option<bool>,
    /// What the last mark said that the receiver has seen.
    told: Option<bool>,
    closed: bool,
}

impl<M> Mailbox<M> {
    /// Makes a mailbox for messages of `capacity` in weight, which says down unless it is up in time.
    pub(crate) fn new(name: &'static str, capacity: usize) -> Self {
        Self {
            name,
            capacity: capacity.max(1),
            decided_by: Instant::now() + PATIENCE,
            queue: Mutex::new(Queue {
                waiting: VecDeque::new(),
                weight: 0,
                stands: None,
                told: None,
                closed: false,
            }),
            wake: Notify::new(),
        }
    }

    /// Waits for the next notice; `None` when closed and everything was taken. Cancel safe, for one receiver at a time.
    pub(crate) async fn next(&self) -> Option<Notice<M>> {
        loop {
            let undecided = {
                let mut queue = self.queue();
                if let Some(notice) = queue.take() {
                    return Some(notice);
                }
                if queue.closed {
                    return None;
                }
                queue.stands.is_none()
            };
            let woken = self.wake.notified();
            if !undecided {
                woken.await;
            } else if timeout_at(self.decided_by, woken).await.is_err() {
                let mut queue = self.queue();
                if queue.stands.is_none() {
                    queue.down(self.decided_by - PATIENCE);
                }
            }
        }
    }

    pub(crate) fn up(&self) {
        self.queue().up();
        self.wake.notify_one();
    }

    pub(crate) fn down(&self, since: Instant) {
        self.queue().down(since);
        self.wake.notify_one();
    }

    /// Hands over a message, unless the receiver has been told that some are missing here anyway.
    pub(crate) fn deliver(&self, message: M, weight: usize) {
        let mut queue = self.queue();
        if queue.closed || queue.stands != Some(true) {
            return;
        }
        if queue.weight < self.capacity {
            queue.weight = queue.weight.saturating_add(weight);
            queue.waiting.push_back((Notice::Message(message), weight));
        } else if !queue.ends_with_up() {
            queue.mark(Notice::Down(Instant::now()));
            queue.mark(Notice::Up);
            metric::lag(self.name);
        }
        drop(queue);
        self.wake.notify_one();
    }

    pub(crate) fn close(&self) {
        self.queue().closed = true;
        self.wake.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, Queue<M>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox for Mailbox<Message> {
    fn up(&self) {
        Self::up(self);
    }

    fn down(&self, since: Instant) {
        Self::down(self, since);
    }

    fn deliver(&self, message: Message) {
        Self::deliver(self, message, 1);
    }

    fn close(&self) {
        Self::close(self);
    }
}

impl<M> Queue<M> {
    fn take(&mut self) -> Option<Notice<M>> {
        let (notice, weight) = self.waiting.pop_front()?;
        self.weight = self.weight.saturating_sub(weight);
        match notice {
            Notice::Up => self.told = Some(true),
            Notice::Down(_) => self.told = Some(false),
            Notice::Message(_) => {}
        }
        Some(notice)
    }

    fn up(&mut self) {
        if self.stands.replace(true) != Some(true) {
            self.mark(Notice::Up);
        }
    }

    fn down(&mut self, since: Instant) {
        if self.stands.replace(false) == Some(false) {
            return;
        }
        // An up that nobody has seen is taken back, so that a connection that flaps cannot fill the queue.
        if self.ends_with_up() {
            self.waiting.pop_back();
        }
        let says_so_already = match self.waiting.back() {
            Some((last, _)) => matches!(last, Notice::Down(_)),
            None => self.told == Some(false),
        };
        if !says_so_already {
            self.mark(Notice::Down(since));
        }
    }

    fn ends_with_up(&self) -> bool {
        matches!(self.waiting.back(), Some((Notice::Up, _)))
    }

    fn mark(&mut self, mark: Notice<M>) {
        if !self.closed {
            self.waiting.push_back((mark, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Notice::{Down, Message, Up};
    use super::*;

    async fn all(mailbox: &Mailbox<u32>) -> Vec<Notice<u32>> {
        mailbox.close();
        let mut taken = Vec::new();
        while let Some(notice) = mailbox.next().await {
            taken.push(notice);
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_is_marked_where_it_is() {
        let (mailbox, now) = (Mailbox::new("test", 2), Instant::now());
        mailbox.deliver(0, 1);
        mailbox.up();
        for message in 1..=5 {
            mailbox.deliver(message, 1);
        }
        assert_eq!(mailbox.next().await, Some(Up));
        assert_eq!(mailbox.next().await, Some(Message(1)));
        mailbox.deliver(6, 1);
        mailbox.deliver(7, 1);
        let rest = [Message(2), Down(now), Up, Message(6), Down(now), Up];
        assert_eq!(all(&mailbox).await, rest);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flapping_connection_is_told_in_few_words() {
        let (mailbox, since) = (Mailbox::<u32>::new("test", 2), Instant::now());
        for round in 0..100 {
            mailbox.up();
            mailbox.down(since + Duration::from_secs(round));
        }
        assert_eq!(mailbox.next().await, Some(Down(since)), "since the first of them");
        mailbox.up();
        mailbox.down(since);
        mailbox.up();
        assert_eq!(mailbox.next().await, Some(Up));
        mailbox.deliver(1, 1);
        for _ in 0..100 {
            mailbox.down(since);
            mailbox.deliver(2, 1);
            mailbox.up();
        }
        assert_eq!(all(&mailbox).await, [Message(1), Down(since), Up]);
    }

    #[tokio::test(start_paused = true)]
    async fn undecided_for_too_long_is_down_and_asking_again_loses_nothing() {
        let mailbox = Mailbox::<u32>::new("test", 2);
        let started = Instant::now();
        let early = timeout_at(started + PATIENCE / 2, mailbox.next()).await;
        assert!(early.is_err());
        assert_eq!(mailbox.next().await, Some(Down(started)));
        assert_eq!(started.elapsed(), PATIENCE);
        mailbox.up();
        assert_eq!(mailbox.next().await, Some(Up));
    }
}
