//! How something is come to be held: at once, or after waiting for it.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::backend::{Acquire, Acquired, Place};
use crate::error::{Error, ErrorKind};
use crate::goal::Goal;
use crate::guard::LockGuard;
use crate::metric;
use crate::shared::{Debt, Shared};
use crate::token::Token;
use crate::waiter::{PLACE, Waiter};

/// How long to wait before looking again where there are no queues, or no answers: between half of it and all.
const UNTOLD: Duration = Duration::from_millis(100);
/// Nobody waits longer.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Takes what is free; `None` when it is busy.
pub(crate) async fn at_once(shared: &Arc<Shared>, goal: &Arc<Goal>) -> Result<Option<LockGuard>, Error> {
    match ask(shared, goal).await? {
        Some((debt, asked, fence)) => LockGuard::take(debt, asked, fence, "granted").map(Some),
        None => Ok(None),
    }
}

/// Takes what is free for whoever carries the token: nothing in this process holds it.
pub(crate) async fn for_token(shared: &Arc<Shared>, goal: &Arc<Goal>) -> Result<Option<Token>, Error> {
    let Some((mut debt, asked, _)) = ask(shared, goal).await? else { return Ok(None) };
    if asked + crate::ttl::reliable(goal.ttl) <= Instant::now() {
        return Err(failed(debt, too_late(goal)));
    }
    if shared.closed.is_cancelled() {
        return Err(failed(debt, closed(goal)));
    }
    metric::attempt(goal.class, "granted");
    debt.is_due = false;
    Ok(Some(debt.token.clone()))
}

async fn ask(
    shared: &Arc<Shared>,
    goal: &Arc<Goal>,
) -> Result<Option<(Debt, Instant, Option<NonZeroU64>)>, Error> {
    let mut debt = begin(shared, goal)?;
    let asked = Instant::now();
    debt.is_uncertain = true;
    match shared.backend.acquire(&want(&debt, None, goal.is_shared())).await {
        Ok(Acquired::Granted { fence }) => Ok(Some((debt, asked, fence))),
        Ok(Acquired::Busy { .. }) => {
            debt.settle();
            metric::attempt(goal.class, "busy");
            Ok(None)
        }
        Err(error) => Err(failed(debt, error)),
    }
}

/// Waits for at most `limit`; `None` when it was busy all the time.
pub(crate) async fn in_time(
    shared: &Arc<Shared>,
    goal: &Arc<Goal>,
    limit: Duration,
    is_fair: bool,
) -> Result<Option<LockGuard>, Error> {
    if limit.is_zero() {
        return at_once(shared, goal).await;
    }
    let mut debt = begin(shared, goal)?;
    let begun = Instant::now();
    let deadline = begun + limit.min(LONGEST);
    let waiter = shared.registry.wait(goal, &debt.token);
    debt.is_waiting = true;
    let is_fair = is_fair || goal.is_shared();
    let (mut ticket, mut outcome, mut trouble) = (0, "granted", None);
    loop {
        if shared.closed.is_cancelled() {
            return Err(failed(debt, closed(goal)));
        }
        let asked = Instant::now();
        let place = Place { ticket, lease: PLACE };
        // Until it is answered: who drops this future leaves it under way.
        debt.is_uncertain = true;
        let answer = timeout_at(deadline, shared.backend.acquire(&want(&debt, Some(place), is_fair))).await;
        let look_again = match answer {
            Ok(Ok(Acquired::Granted { fence })) => {
                let guard = LockGuard::take(debt, asked, fence, outcome)?;
                metric::waited(goal.class, begun.elapsed());
                return Ok(Some(guard));
            }
            Ok(Ok(Acquired::Busy { retry_after, queued })) => {
                trouble = None;
                debt.is_uncertain = false;
                outcome = "granted_after_wait";
                waiter.queued(asked, queued);
                ticket = queued.map_or(ticket, |queued| queued.ticket);
                match (queued, retry_after) {
                    (None, _) => Some(soon()),
                    // Who is not the first is told when that changes.
                    (Some(_), after) => after.map(|after| Instant::now() + after),
                }
            }
            Ok(Err(error)) if error.is_retryable() => {
                waiter.unanswered();
                trouble = Some(error);
                Some(soon())
            }
            Ok(Err(error)) => return Err(failed(debt, error)),
            Err(_) => break,
        };
        wait(&waiter, look_again, deadline).await;
        if let Some((since, fence)) = waiter.take_handed() {
            let guard = LockGuard::handed(debt, since, fence)?;
            metric::waited(goal.class, begun.elapsed());
            return Ok(Some(guard));
        }
        if Instant::now() >= deadline {
            break;
        }
    }
    match trouble {
        Some(error) => Err(failed(debt, error)),
        None if outcome == "granted" => Err(failed(debt, no_answer("lock", &goal.name))),
        None => {
            metric::attempt(goal.class, "busy");
            Ok(None)
        }
    }
}

/// Makes the error of a request that nobody answered in time.
pub(crate) fn no_answer(operation: &'static str, subject: &str) -> Error {
    Error::new(ErrorKind::Unknown, operation, subject).with_detail("no answer in time")
}

/// Makes the error of an answer that came when its time to live was over.
pub(crate) fn too_late(goal: &Goal) -> Error {
    no_answer("lock", &goal.name).with_detail("it was granted too late to be held")
}

pub(crate) fn closed(goal: &Goal) -> Error {
    Error::new(ErrorKind::Closed, "lock", goal.name.as_str())
}

async fn wait(waiter: &Waiter, look_again: Option<Instant>, deadline: Instant) {
    let until = look_again.map_or(deadline, |at| at.min(deadline));
    tokio::select! {
        () = waiter.bell.notified() => {}
        () = sleep_until(until) => {}
    }
}

fn begin(shared: &Arc<Shared>, goal: &Arc<Goal>) -> Result<Debt, Error> {
    if shared.closed.is_cancelled() {
        return Err(closed(goal));
    }
    Ok(Debt::new(shared, goal, Token::random()))
}

fn want(debt: &Debt, place: Option<Place>, fair: bool) -> Acquire<'_> {
    let goal = &debt.goal;
    Acquire {
        spot: goal.spot(),
        token: debt.token.as_str(),
        ttl: goal.ttl,
        fence: goal.is_fenced.then_some(0),
        owner: &goal.owner,
        fair,
        place,
    }
}

/// Takes in that nothing is held for sure: dropping `debt` gives back what may be.
fn failed(mut debt: Debt, error: Error) -> Error {
    debt.is_uncertain = true;
    metric::attempt(debt.goal.class, "failed");
    error
}

fn soon() -> Instant {
    Instant::now() + UNTOLD.mul_f64(0.5 + 0.5 * fastrand::f64())
}
