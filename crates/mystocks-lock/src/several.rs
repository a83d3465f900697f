//! Several locks at once.

use std::sync::Arc;
use std::time::Duration;

use futures::future::select_all;
use tokio::time::Instant;

use crate::acquiring;
use crate::error::{Error, ErrorKind};
use crate::goal::Goal;
use crate::guard::{LockGuard, Released};
use crate::hold::LossReason;
use crate::locker::Locker;
use crate::resource::Resource;

/// Several locks that are held together.
#[derive(Debug)]
#[must_use = "dropping the guards releases the locks"]
pub struct LockGuards {
    guards: Vec<LockGuard>,
}

impl Locker {
    /// Locks all of `resources`, waiting for at most `limit` in all; `None` when one was busy for so long, and then none is
    /// held.
    ///
    /// They are locked one after the other in the order of their keys, whatever order they are given in. So callers that want
    /// some of the same locks never wait for each other in a circle.
    ///
    /// # Errors
    /// As [`Locker::try_lock`]; [`ErrorKind::InvalidArgument`] when a resource is named twice, and when there is none.
    ///
    /// # Cancel safety
    /// As [`Locker::lock`].
    pub async fn lock_all(
        &self,
        resources: impl IntoIterator<Item = Resource>,
        limit: Duration,
    ) -> Result<Option<LockGuards>, Error> {
        let goals: Result<Vec<Arc<Goal>>, Error> =
            resources.into_iter().map(|resource| self.goal(&resource)).collect();
        let mut goals = goals?;
        goals.sort_by(|one, other| one.key.cmp(&other.key));
        let refused =
            |name: &str, detail| Error::new(ErrorKind::InvalidArgument, "lock", name).with_detail(detail);
        if let Some(twice) = goals.windows(2).find(|pair| pair[0].key == pair[1].key) {
            return Err(refused(&twice[0].name, "it is named twice: name every resource once"));
        }
        if goals.is_empty() {
            return Err(refused("", "no resource is named: name at least one"));
        }
        let begun = Instant::now();
        let mut guards = Vec::with_capacity(goals.len());
        for goal in &goals {
            let left = limit.saturating_sub(begun.elapsed());
            match acquiring::in_time(self.shared(), goal, left, false).await? {
                Some(guard) => guards.push(guard),
                None => return Ok(None),
            }
        }
        let guards = LockGuards { guards };
        if !guards.is_valid() {
            return Err(Error::new(ErrorKind::Lost, "lock", goals[0].name.as_str())
                .with_detail("one was lost while the others were waited for"));
        }
        Ok(Some(guards))
    }
}

impl LockGuards {
    /// Returns the guards, in the order of their keys.
    pub fn guards(&self) -> &[LockGuard] {
        &self.guards
    }

    /// Returns whether all are held as far as this process can know; see [`LockGuard::is_valid`].
    pub fn is_valid(&self) -> bool {
        self.guards.iter().all(LockGuard::is_valid)
    }

    /// Waits until one of them is lost, and returns which and why; see [`LockGuard::lost`].
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn lost(&self) -> (&LockGuard, LossReason) {
        let all = self.guards.iter().map(|guard| Box::pin(async move { (guard, guard.lost().await) }));
        select_all(all).await.0
    }

    /// Releases all, the last one taken first, and says how each stood, in the order of [`guards`](Self::guards).
    ///
    /// # Errors
    /// As [`LockGuard::release`], the first of them; the others are released all the same.
    ///
    /// # Cancel safety
    /// Dropping the future releases the rest in the background.
    pub async fn release(self) -> Result<Vec<Released>, Error> {
        let mut outcome = Ok(Vec::with_capacity(self.guards.len()));
        for guard in self.guards.into_iter().rev() {
            match (guard.release().await, &mut outcome) {
                (Ok(released), Ok(all)) => all.push(released),
                (Err(error), Ok(_)) => outcome = Err(error),
                (_, Err(_)) => {}
            }
        }
        outcome.map(|mut all| {
            all.reverse();
            all
        })
    }
}
