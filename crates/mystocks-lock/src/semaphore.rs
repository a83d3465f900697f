//! Permits, of which there are a few.

use std::time::Duration;

use crate::acquiring;
use crate::backend::{Kind, Share};
use crate::error::{Error, ErrorKind};
use crate::goal::Goal;
use crate::guard::LockGuard;
use crate::locker::Locker;
use crate::resource::Resource;
use std::sync::Arc;

/// A number of permits that all processes share: at most that many are held at any time, by the server's clock.
///
/// A permit whose holder has died is free again after its time to live. Who waits is served in order, and nobody overtakes
/// who waits. A semaphore and a lock of one name know nothing of each other.
///
/// It is for one server: [`QuorumLocks`](crate::QuorumLocks) refuse one of more than one permit.
#[derive(Debug, Clone)]
pub struct Semaphore {
    locker: Locker,
    goal: Arc<Goal>,
}

/// How a semaphore stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SemaphoreInfo {
    /// How many permits there are.
    pub permits: u32,
    /// How many are held.
    pub held: u32,
    /// How many wait.
    pub waiters: u64,
}

impl Locker {
    /// Makes the semaphore `resource` of so many permits; all processes have to name the same number.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a name or a time to live that cannot be, and for no permits.
    pub fn semaphore(&self, resource: impl Into<Resource>, permits: u32) -> Result<Semaphore, Error> {
        let resource = resource.into();
        if permits == 0 {
            return Err(Error::new(ErrorKind::InvalidArgument, "make the semaphore", resource.name())
                .with_detail("0 permits: at least 1 is expected"));
        }
        let goal = self.goal_of(&resource, Kind::Permits(Share { weight: 1, of: permits }))?;
        Ok(Semaphore { locker: self.clone(), goal })
    }
}

impl Semaphore {
    /// Takes a permit if one is free and nobody waits for it; `None` otherwise.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// As [`Locker::try_lock`].
    pub async fn try_acquire(&self) -> Result<Option<LockGuard>, Error> {
        acquiring::at_once(self.locker.shared(), &self.goal).await
    }

    /// Takes a permit, waiting for at most `limit`; `None` when there was none.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// As [`Locker::lock`].
    pub async fn acquire(&self, limit: Duration) -> Result<Option<LockGuard>, Error> {
        acquiring::in_time(self.locker.shared(), &self.goal, limit, true).await
    }

    /// Returns how many permits are held and how many wait for one.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    pub async fn info(&self) -> Result<SemaphoreInfo, Error> {
        let states = self.locker.shared().backend.inspect(&[self.goal.spot()]).await?;
        let state = states.into_iter().next().unwrap_or_default();
        let held = state.holders.iter().map(|holder| holder.weight).sum();
        Ok(SemaphoreInfo { permits: self.goal.kind.share().of, held, waiters: state.waiters })
    }
}
