//! What this process holds and who waits in it, and when something is to be done about either.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::goal::Goal;
use crate::hold::{Asked, Hold, LossReason};
use crate::metric;
use crate::token::Token;
use crate::waiter::{BEAT, Waiter};

#[derive(Debug, Default)]
pub(crate) struct Registry {
    inner: Mutex<Inner>,
    /// The keeper has to look before it meant to.
    pub(crate) sooner: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    holds: HashMap<u64, Entry>,
    timeline: BTreeSet<(Instant, u64)>,
    waiters: HashMap<Token, Arc<Waiter>>,
    last: u64,
    beat: Option<Instant>,
    /// When the keeper means to look, or was told to; `None` for never.
    keeper: Option<Instant>,
    is_closed: bool,
}

#[derive(Debug)]
struct Entry {
    hold: Arc<Hold>,
    next: Instant,
    is_renewing: bool,
}

/// What is to be done now.
#[derive(Debug, Default)]
pub(crate) struct Due {
    pub(crate) lost: Vec<Arc<Hold>>,
    pub(crate) renew: Vec<Arc<Hold>>,
    /// What was handed over: the server is to be told who holds it.
    pub(crate) adopt: Vec<Arc<Hold>>,
    pub(crate) wait: Vec<Arc<Waiter>>,
    pub(crate) next: Option<Instant>,
}

impl Registry {
    /// Takes in that `goal` is held, granted or handed over; `None` when the locker was shut down.
    pub(crate) fn hold(
        &self,
        goal: &Arc<Goal>,
        token: Token,
        since: Instant,
        is_handed: bool,
    ) -> Option<Arc<Hold>> {
        let mut inner = self.inner();
        if inner.is_closed {
            return None;
        }
        inner.last += 1;
        let hold = Arc::new(Hold::new(inner.last, Arc::clone(goal), token, since, is_handed));
        let next = planned(&hold);
        inner.holds.insert(hold.id, Entry { hold: Arc::clone(&hold), next, is_renewing: false });
        inner.timeline.insert((next, hold.id));
        let is_sooner = inner.is_sooner(next);
        drop(inner);
        metric::held(goal.class, 1.0);
        if is_sooner {
            self.sooner.notify_one();
        }
        Some(hold)
    }

    /// Takes in that `hold` is no longer held: it is not renewed from now on. Returns whether it was until now.
    pub(crate) fn end(&self, hold: &Hold) -> bool {
        let was_held = self.inner().remove(hold.id);
        if was_held {
            metric::ended(hold.goal.class, hold.begun.elapsed());
        }
        was_held
    }

    pub(crate) fn lose(&self, hold: &Hold, reason: LossReason) -> bool {
        let was_held = self.end(hold);
        if was_held {
            hold.lose(reason);
        }
        was_held
    }

    /// Returns what is held with `token`.
    pub(crate) fn with_token(&self, token: &str) -> Option<Arc<Hold>> {
        let inner = self.inner();
        let mut holds = inner.holds.values();
        holds.find(|entry| entry.hold.token.as_str() == token).map(|entry| Arc::clone(&entry.hold))
    }

    /// Has what is held of `key`, or all, renewed now: that tells whether it still is. What is not renewed is asked for all the
    /// same, for no time at all.
    pub(crate) fn hurry(&self, key: Option<&str>) {
        let mut inner = self.inner();
        let concerns = |entry: &&Entry| key.is_none_or(|key| entry.hold.goal.key.as_str() == key);
        let ids: Vec<u64> = inner.holds.values().filter(concerns).map(|entry| entry.hold.id).collect();
        let now = Instant::now();
        ids.into_iter().for_each(|id| inner.plan(id, now));
        drop(inner);
        self.sooner.notify_one();
    }

    /// Takes in that what a renewal asked for was granted; returns whether that came in time.
    pub(crate) fn renewed(&self, hold: &Hold, asked: &Asked) -> bool {
        let is_held = hold.granted(asked);
        self.replan(hold);
        is_held
    }

    /// Takes in that the end of `hold` has changed.
    pub(crate) fn replan(&self, hold: &Hold) {
        let mut inner = self.inner();
        if !inner.holds.contains_key(&hold.id) {
            return;
        }
        let next = planned(hold);
        inner.plan(hold.id, next);
        let is_sooner = inner.is_sooner(next);
        drop(inner);
        if is_sooner {
            self.sooner.notify_one();
        }
    }

    /// Takes in that a renewal brought no answer: it is tried again soon, as long as there is time.
    pub(crate) fn not_renewed(&self, hold: &Hold, now: Instant) {
        let next = (now + hold.term() / 12).min(hold.valid_until());
        self.inner().plan(hold.id, next);
    }

    /// Adds somebody who waits for `goal`.
    pub(crate) fn wait(&self, goal: &Arc<Goal>, token: &Token) -> Arc<Waiter> {
        let mut inner = self.inner();
        let waiter = Arc::new(Waiter::new(goal, token));
        inner.waiters.insert(token.clone(), Arc::clone(&waiter));
        let begins = inner.beat.is_none();
        if begins {
            inner.beat = Some(Instant::now() + BEAT);
        }
        drop(inner);
        metric::waiting(goal.class, 1.0);
        if begins {
            self.sooner.notify_one();
        }
        waiter
    }

    pub(crate) fn leave(&self, token: &Token) {
        if let Some(waiter) = self.inner().waiters.remove(token) {
            metric::waiting(waiter.goal.class, -1.0);
        }
    }

    pub(crate) fn waiter(&self, token: &str) -> Option<Arc<Waiter>> {
        self.inner().waiters.get(token).cloned()
    }

    /// Returns what is to be done now, and when to ask again.
    pub(crate) fn due(&self, now: Instant) -> Due {
        let mut due = Due::default();
        let mut guard = self.inner();
        let inner = &mut *guard;
        while let Some(&(at, id)) = inner.timeline.first()
            && at <= now
        {
            inner.take(id, now, &mut due);
        }
        // Who is due soon comes along: one request then renews them all from now on.
        if let Some(slack) = due.renew.first().map(|hold| slack(hold)) {
            let soon: Vec<u64> = inner
                .timeline
                .range(..=(now + slack, u64::MAX))
                .filter(|(at, id)| {
                    inner.holds.get(id).is_some_and(|entry| {
                        let hold = &entry.hold;
                        hold.goal.is_renewed && !entry.is_renewing && *at - now <= self::slack(hold)
                    })
                })
                .map(|(_, id)| *id)
                .collect();
            soon.into_iter().for_each(|id| inner.take(id, now, &mut due));
        }
        if inner.waiters.is_empty() {
            inner.beat = None;
        } else if inner.beat.is_some_and(|beat| beat <= now) {
            let queued = inner.waiters.values().filter(|waiter| waiter.is_queued.load(Ordering::Acquire));
            due.wait = queued.cloned().collect();
            inner.beat = Some(now + BEAT);
        }
        let first = inner.timeline.first().map(|(at, _)| *at);
        // What it meant to look for may be over by now. It looks all the same: else every lock that is held for a moment would
        // wake it, to look for the next one.
        let meant = inner.keeper.filter(|keeper| *keeper > now);
        due.next = [first, inner.beat, meant].into_iter().flatten().min();
        inner.keeper = due.next;
        due
    }

    /// Takes in nothing any more; returns all that is held.
    pub(crate) fn close(&self) -> Vec<Arc<Hold>> {
        let mut inner = self.inner();
        inner.is_closed = true;
        inner.waiters.values().for_each(|waiter| waiter.bell.notify_one());
        inner.holds.values().map(|entry| Arc::clone(&entry.hold)).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Returns whether the keeper has to be told that it has to look at `next`; from then on it means to.
    fn is_sooner(&mut self, next: Instant) -> bool {
        let is_sooner = self.keeper.is_none_or(|keeper| next < keeper);
        if is_sooner {
            self.keeper = Some(next);
        }
        is_sooner
    }

    fn remove(&mut self, id: u64) -> bool {
        let Some(entry) = self.holds.remove(&id) else { return false };
        self.timeline.remove(&(entry.next, id));
        true
    }

    fn plan(&mut self, id: u64, next: Instant) {
        if let Some(entry) = self.holds.get_mut(&id) {
            self.timeline.remove(&(entry.next, id));
            entry.next = next;
            entry.is_renewing = false;
            self.timeline.insert((next, id));
        }
    }

    /// Takes what is due off the timeline: to be renewed, or lost when there is no time left for that.
    fn take(&mut self, id: u64, now: Instant, due: &mut Due) {
        let Some(entry) = self.holds.get_mut(&id) else { return };
        self.timeline.remove(&(entry.next, id));
        let until = entry.hold.valid_until();
        if until <= now {
            due.lost.push(Arc::clone(&entry.hold));
            // Whoever calls ends it; until then it is not due again.
            entry.next = now + Duration::from_secs(3600);
        } else {
            entry.next = until;
            // What is not renewed is due before its end only when somebody hurries.
            if !entry.is_renewing {
                entry.is_renewing = true;
                let list = if entry.hold.is_handed() { &mut due.adopt } else { &mut due.renew };
                list.push(Arc::clone(&entry.hold));
            }
        }
        self.timeline.insert((entry.next, id));
    }
}

/// When a hold has to be seen to.
fn planned(hold: &Hold) -> Instant {
    let until = hold.valid_until();
    if hold.is_handed() {
        hold.since
    } else if hold.goal.is_renewed {
        until.min(hold.renewal_due())
    } else {
        until
    }
}

/// How much earlier than planned a renewal may come.
fn slack(hold: &Hold) -> Duration {
    hold.term() / 12
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_keeper_is_woken_once_for_what_is_held_for_a_moment() {
        let (registry, ttl) = (Registry::default(), Duration::from_secs(30));
        let is_woken_for = |ttl| {
            let goal = Arc::new(Goal { ttl, ..Goal::any() });
            let hold = registry.hold(&goal, Token::random(), Instant::now(), false).unwrap();
            assert!(registry.end(&hold));
            let is_woken = registry.sooner.notified().now_or_never().is_some();
            let looks = registry.due(Instant::now()).next.unwrap();
            assert!(looks <= Instant::now() + ttl / 3, "in time for what may still be held");
            is_woken
        };
        assert_eq!([(); 3].map(|()| is_woken_for(ttl)), [true, false, false]);
        assert!(is_woken_for(ttl / 2), "it has to look sooner than it meant to");
        tokio::time::advance(ttl).await;
        assert_eq!(registry.due(Instant::now()).next, None, "it does not look for ever");
    }
}
