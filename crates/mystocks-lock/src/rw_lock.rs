//! Many readers or one writer.

use std::sync::Arc;
use std::time::Duration;

use crate::acquiring;
use crate::backend::{Kind, Share};
use crate::error::Error;
use crate::goal::Goal;
use crate::guard::LockGuard;
use crate::locker::Locker;
use crate::resource::Resource;

/// So many readers at most hold one read-write lock.
const READERS: u32 = 1 << 20;

/// A lock that many hold to read, or one to write.
///
/// Who waits is served in order: readers that come after a waiting writer wait for it, so a writer is not starved. A read-write
/// lock and a lock of one name know nothing of each other.
///
/// It is for one server: [`QuorumLocks`](crate::QuorumLocks) refuse it.
#[derive(Debug, Clone)]
pub struct RwLock {
    locker: Locker,
    read: Arc<Goal>,
    write: Arc<Goal>,
}

impl Locker {
    /// Makes the read-write lock `resource`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a name or a time to live that cannot be.
    pub fn rw_lock(&self, resource: impl Into<Resource>) -> Result<RwLock, Error> {
        let resource = resource.into();
        let side = |weight| self.goal_of(&resource, Kind::ReadWrite(Share { weight, of: READERS }));
        Ok(RwLock { locker: self.clone(), read: side(1)?, write: side(READERS)? })
    }
}

impl RwLock {
    /// Locks it to read if nobody writes or waits for it; `None` otherwise.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// As [`Locker::try_lock`].
    pub async fn try_read(&self) -> Result<Option<LockGuard>, Error> {
        acquiring::at_once(self.locker.shared(), &self.read).await
    }

    /// Locks it to write if nobody holds it or waits for it; `None` otherwise.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// As [`Locker::try_lock`].
    pub async fn try_write(&self) -> Result<Option<LockGuard>, Error> {
        acquiring::at_once(self.locker.shared(), &self.write).await
    }

    /// Locks it to read, waiting for at most `limit`; `None` when it was busy all the time.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// As [`Locker::lock`].
    pub async fn read(&self, limit: Duration) -> Result<Option<LockGuard>, Error> {
        acquiring::in_time(self.locker.shared(), &self.read, limit, true).await
    }

    /// Locks it to write, waiting for at most `limit`; `None` when it was busy all the time.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// As [`Locker::lock`].
    pub async fn write(&self, limit: Duration) -> Result<Option<LockGuard>, Error> {
        acquiring::in_time(self.locker.shared(), &self.write, limit, true).await
    }
}
