//! What is held.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::acquiring::{closed, too_late};
use crate::backend::{Grant, Keep, Kept, Standing};
use crate::error::Error;
use crate::hold::{Hold, LossReason};
use crate::locker::Locker;
use crate::metric;
use crate::resource::Resource;
use crate::shared::Debt;
use crate::token::Token;

/// A lock, a permit or a side of a read-write lock that is held until it is released, dropped or lost.
///
/// It is renewed in the background unless its [`Resource`] says otherwise. Dropping it never waits and works anywhere: the
/// locker's task releases it. Whether it is still held nobody can know for sure but the server; [`LockGuard::is_valid`] and
/// [`LockGuard::lost`] err on the safe side, and [`LockGuard::fence`] protects what is written even from a holder that was
/// paused right after it looked.
#[must_use = "dropping the guard releases the lock"]
pub struct LockGuard {
    hold: Arc<Hold>,
    fence: Option<NonZeroU64>,
    debt: Debt,
}

/// How a lock stood when it was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Released {
    /// It was held, and is not any more.
    Released,
    /// It had ended before.
    AlreadyExpired,
    /// Somebody else holds it; that is not changed.
    TakenOver,
}

/// How a lock stood when it was extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extended {
    /// It is held for the time asked for, from before that was asked.
    Extended,
    /// It had ended before.
    AlreadyExpired,
    /// Somebody else holds it; that is not changed.
    TakenOver,
}

impl LockGuard {
    /// Makes a guard of what was granted to `debt`, asked for at `asked`.
    pub(crate) fn take(
        debt: Debt,
        asked: Instant,
        fence: Option<NonZeroU64>,
        outcome: &'static str,
    ) -> Result<Self, Error> {
        if asked + crate::ttl::reliable(debt.goal.ttl) <= Instant::now() {
            metric::attempt(debt.goal.class, "failed");
            return Err(too_late(&debt.goal));
        }
        Self::hold(debt, asked, false, fence, outcome)
    }

    /// Makes a guard of what was handed to `debt` at `since` or later.
    pub(crate) fn handed(debt: Debt, since: Instant, fence: u64) -> Result<Self, Error> {
        let fence = NonZeroU64::new(fence).filter(|_| debt.goal.is_fenced);
        Self::hold(debt, since, true, fence, "granted_after_wait")
    }

    fn hold(
        mut debt: Debt,
        since: Instant,
        is_handed: bool,
        fence: Option<NonZeroU64>,
        outcome: &'static str,
    ) -> Result<Self, Error> {
        let (registry, class) = (&debt.shared.registry, debt.goal.class);
        let Some(hold) = registry.hold(&debt.goal, debt.token.clone(), since, is_handed) else {
            metric::attempt(class, "failed");
            return Err(closed(&debt.goal));
        };
        metric::attempt(class, outcome);
        debt.is_uncertain = false;
        debt.leave();
        debt.rest();
        Ok(Self { hold, fence, debt })
    }

    /// Takes over the lock of `resource` that somebody holds with `token`; `None` when that is not so (any more).
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves the lock as it is, with a new time to live.
    pub async fn from_token(
        locker: &Locker,
        resource: impl Into<Resource>,
        token: Token,
    ) -> Result<Option<Self>, Error> {
        let (shared, goal) = (locker.shared(), locker.goal(&resource.into())?);
        if shared.closed.is_cancelled() {
            return Err(closed(&goal));
        }
        let asked = Instant::now();
        let keep = Keep::Held {
            spot: goal.spot(),
            token: token.as_str(),
            ttl: goal.ttl,
            is_least: false,
            owner: Some(&goal.owner),
        };
        if shared.backend.keep(&[keep]).await?.first() != Some(&Kept::Held) {
            return Ok(None);
        }
        let states = shared.backend.inspect(&[goal.spot()]).await?;
        let mut holders = states.into_iter().flat_map(|state| state.holders);
        let holder = holders.find(|holder| holder.token == token.as_str());
        let Some(holder) = holder else { return Ok(None) };
        let fence = holder.grant.and_then(|Grant { fence, .. }| NonZeroU64::new(fence));
        Self::take(Debt::new(shared, &goal, token), asked, fence, "granted").map(Some)
    }

    /// Returns the token by which the server knows the holder.
    pub fn token(&self) -> &Token {
        &self.hold.token
    }

    /// Returns the fencing token, strictly greater than every one granted before for this resource; `None` when the resource
    /// was asked for without one.
    ///
    /// Whoever writes under the lock hands it along, and the place written to refuses what is smaller than it has seen.
    pub fn fence(&self) -> Option<NonZeroU64> {
        self.fence
    }

    /// Returns the name of what is held.
    pub fn resource(&self) -> &str {
        &self.hold.goal.name
    }

    /// Returns until when it is held for sure, unless somebody takes it by force: counted from before the last confirmed
    /// request was sent, less 1 % and 2 ms for clocks that do not run alike.
    pub fn valid_until(&self) -> Instant {
        self.hold.valid_until()
    }

    /// Returns whether it is held as far as this process can know, without asking anybody.
    pub fn is_valid(&self) -> bool {
        self.hold.is_valid()
    }

    /// Waits until it is lost: at [`valid_until`](Self::valid_until) even if nobody ever answers, and as soon as the server is
    /// found not to know of it, which is at the next renewal, after a third of its time to live.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn lost(&self) -> LossReason {
        self.hold.lost().await
    }

    /// Returns what is cancelled when it is lost.
    pub fn lost_token(&self) -> CancellationToken {
        self.hold.lost_token().clone()
    }

    /// Holds it for `ttl` from now on, also when that is shorter; what is renewed later is renewed for as long.
    ///
    /// What is lost stays lost: then nobody is asked, and the answer is how it was lost.
    ///
    /// # Errors
    /// As [`Locker::extend`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open which time to live it has; from then on the shorter one is relied on.
    pub async fn extend(&self, ttl: Duration) -> Result<Extended, Error> {
        let (hold, shared) = (&self.hold, &self.debt.shared);
        let (registry, goal) = (&shared.registry, &hold.goal);
        let ttl = crate::ttl::checked(ttl, &goal.name)?;
        let _turn = hold.extending.lock().await;
        let Some(asked) = hold.extend(Instant::now(), ttl) else {
            shared.expire(hold);
            return Ok(self.ended());
        };
        registry.replan(hold);
        let owner = hold.owner(asked.at);
        let kept = shared.backend.keep(&[asked.keep(goal.spot(), hold.token.as_str(), owner)]).await?;
        let extended = Extended::of(kept.first());
        match extended {
            Extended::Extended if hold.extended(&asked) => {
                if owner.is_some() {
                    hold.known(asked.at);
                }
                registry.replan(hold);
            }
            Extended::Extended => {
                // Whatever it has now, nobody knew that it was held all the time.
                shared.expire(hold);
                return Ok(self.ended());
            }
            Extended::AlreadyExpired => drop(registry.lose(&self.hold, LossReason::Gone)),
            Extended::TakenOver => drop(registry.lose(&self.hold, LossReason::TakenOver)),
        }
        Ok(extended)
    }

    fn ended(&self) -> Extended {
        match self.hold.reason() {
            Some(LossReason::TakenOver) => Extended::TakenOver,
            _ => Extended::AlreadyExpired,
        }
    }

    /// Releases it and says how it stood.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`](crate::ErrorKind::Unknown) and [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable): whether it
    /// is released is not known; the locker goes on releasing it.
    ///
    /// # Cancel safety
    /// Dropping the future releases it in the background.
    pub async fn release(mut self) -> Result<Released, Error> {
        let goal = Arc::clone(&self.hold.goal);
        self.debt.resume();
        self.debt.shared.registry.end(&self.hold);
        let release = goal.release(self.hold.token.as_str(), false);
        let answer = self.debt.shared.backend.release(&[release]).await;
        match answer {
            Ok(stood) => {
                self.debt.is_due = false;
                let released = Released::of(stood.first());
                metric::release(goal.class, released.name());
                Ok(released)
            }
            Err(error) => {
                self.debt.is_uncertain = true;
                metric::release(goal.class, "failed");
                Err(error)
            }
        }
    }

    /// Stops renewing it without releasing it, and returns the token with which somebody else takes it over; see
    /// [`LockGuard::from_token`].
    ///
    /// Its time to live goes on.
    pub fn into_token(mut self) -> Token {
        self.debt.is_due = false;
        self.hold.token.clone()
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        // From now on it is not renewed; what is left to be done, `debt` does.
        self.debt.longest = self.hold.longest();
        self.debt.resume();
        self.debt.shared.registry.end(&self.hold);
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("resource", &self.resource())
            .field("fence", &self.fence)
            .field("is_valid", &self.is_valid())
            .finish_non_exhaustive()
    }
}

impl Released {
    pub(crate) fn of(stood: Option<&Standing>) -> Self {
        match stood {
            Some(Standing::Held | Standing::Forced(_)) => Self::Released,
            Some(Standing::TakenOver) => Self::TakenOver,
            Some(Standing::Gone) | None => Self::AlreadyExpired,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::AlreadyExpired => "already_expired",
            Self::TakenOver => "taken_over",
        }
    }
}

impl Extended {
    pub(crate) fn of(kept: Option<&Kept>) -> Self {
        match kept {
            Some(Kept::Held) => Self::Extended,
            Some(Kept::TakenOver) => Self::TakenOver,
            _ => Self::AlreadyExpired,
        }
    }
}
