//! Somebody who waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::backend::Queued;
use crate::goal::Goal;
use crate::token::Token;
use crate::ttl::reliable;

/// How often the places in queues are kept.
pub(crate) const BEAT: Duration = Duration::from_millis(200);
/// For how long a place is kept: who is not heard of for so long is taken for dead.
pub(crate) const PLACE: Duration = Duration::from_millis(800);

#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) token: Token,
    pub(crate) goal: Arc<Goal>,
    pub(crate) bell: Notify,
    /// Whether it has a place, and looks after it.
    pub(crate) is_queued: AtomicBool,
    pub(crate) is_first: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// When the last request was sent that was answered by: it waits. What is handed over is so after that.
    waited: Instant,
    /// The last fence then. A message with no greater one is of before, on its way for so long that it is over.
    last: u64,
    handed: Option<u64>,
}

impl Waiter {
    pub(crate) fn new(goal: &Arc<Goal>, token: &Token) -> Self {
        let known = Known { waited: Instant::now(), last: u64::MAX, handed: None };
        Self {
            token: token.clone(),
            goal: Arc::clone(goal),
            bell: Notify::new(),
            is_queued: AtomicBool::new(false),
            is_first: AtomicBool::new(false),
            known: Mutex::new(known),
        }
    }

    /// Takes in what a request sent at `asked` brought: a place, or none where there are no queues.
    pub(crate) fn queued(&self, asked: Instant, queued: Option<Queued>) {
        self.is_queued.store(queued.is_some(), Ordering::Release);
        self.is_first.store(queued.is_some_and(|queued| queued.is_first), Ordering::Release);
        if let Some(queued) = queued {
            let mut known = self.known();
            known.waited = asked;
            known.last = queued.last;
        }
    }

    /// Takes in that the place was kept by a request sent at `asked`.
    pub(crate) fn waits(&self, asked: Instant) {
        let mut known = self.known();
        known.waited = known.waited.max(asked);
    }

    /// Takes in that a request brought no answer: it may have brought a place, and a message may be of before that.
    pub(crate) fn unanswered(&self) {
        self.known().last = u64::MAX;
    }

    /// Takes in that it was handed over, with this fence.
    pub(crate) fn hand(&self, fence: u64) {
        self.known().handed = Some(fence);
        self.bell.notify_one();
    }

    /// Takes in that what was handed over was taken away.
    pub(crate) fn rob(&self) {
        self.known().handed = None;
        self.bell.notify_one();
    }

    /// Returns since when at least it holds what was handed to it, and with which fence; `None` when nothing was, or so little of it
    /// may be left that it is better asked for again.
    pub(crate) fn take_handed(&self) -> Option<(Instant, u64)> {
        let mut known = self.known();
        let fence = known.handed.take().filter(|fence| *fence > known.last)?;
        (Instant::now() < known.waited + reliable(self.goal.ttl) / 2).then_some((known.waited, fence))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn waiter() -> Waiter {
        Waiter::new(&Arc::new(Goal::any()), &Token::random())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_handed_counts_from_the_last_answer_that_it_was_waited_for() {
        let waiter = waiter();
        let begun = Instant::now();
        waiter.queued(begun, Some(Queued { ticket: 1, is_first: true, last: 7 }));
        advance(Duration::from_millis(300)).await;
        waiter.hand(8);
        assert_eq!(waiter.take_handed(), Some((begun, 8)));
        assert_eq!(waiter.take_handed(), None, "only once");
        let asked = Instant::now();
        advance(Duration::from_millis(20)).await;
        waiter.waits(asked);
        waiter.waits(begun);
        waiter.hand(9);
        assert_eq!(waiter.take_handed(), Some((asked, 9)));
        advance(reliable(waiter.goal.ttl) / 2).await;
        waiter.hand(10);
        assert_eq!(waiter.take_handed(), None, "half of it may be over");
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_of_before_is_nothing() {
        let waiter = waiter();
        waiter.hand(8);
        assert_eq!(waiter.take_handed(), None, "it has not waited yet");
        for (last, handed) in [(8, 8), (8, 7), (9, 8)] {
            waiter.hand(handed);
            waiter.queued(Instant::now(), Some(Queued { ticket: 1, is_first: false, last }));
            assert_eq!(waiter.take_handed(), None, "{handed} is not after {last}");
        }
        // The answer that would have said so was lost; the beat has come through since.
        waiter.unanswered();
        waiter.waits(Instant::now());
        waiter.hand(99);
        assert_eq!(waiter.take_handed(), None, "nobody knows of when it is");
        waiter.queued(Instant::now(), Some(Queued { ticket: 1, is_first: false, last: 99 }));
        waiter.hand(100);
        waiter.rob();
        assert_eq!(waiter.take_handed(), None, "it was taken away");
    }
}
