//! A session that was loaded.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::id::{Proof, SessionHandle, SessionId};
use crate::store::Record;

/// A session as it was when it was loaded, with the data of its user's type.
///
/// It holds no id, only the digest that proves it. Nothing is written until [`Sessions::save`](crate::Sessions::save). `Debug` leaves user and data
/// out.
pub struct Session<T> {
    /// The data. What is changed here is written by [`Sessions::save`](crate::Sessions::save).
    pub data: T,
    pub(crate) info: SessionInfo,
    pub(crate) user: Option<String>,
    pub(crate) proof: Proof,
}

impl<T> Session<T> {
    pub(crate) fn new(id: &SessionId, record: Record, data: T) -> Self {
        let info = SessionInfo::new(id.handle(), &record);
        Self { data, info, user: record.user, proof: id.proof() }
    }

    /// Returns the name under which it is kept, listed and logged.
    pub fn handle(&self) -> &SessionHandle {
        &self.info.handle
    }

    /// Returns whose it is; `None` before a login.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns the version: 1 when it was created, and one more with each save.
    pub fn version(&self) -> u64 {
        self.info.version
    }

    /// Returns all that is known of it besides its data.
    pub fn info(&self) -> &SessionInfo {
        &self.info
    }
}

impl<T> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("info", &self.info).finish_non_exhaustive()
    }
}

/// What may be shown of a session, to its user among others. Times are of the store's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The name under which it is kept, listed, logged and [revoked](crate::Sessions::revoke_handle).
    pub handle: SessionHandle,
    /// The version.
    pub version: u64,
    /// When it was created, which is when its user logged in.
    pub created: SystemTime,
    /// When it was last used, as far as that was written ([`Policy::touch_share`](crate::Policy::touch_share)).
    pub seen: SystemTime,
    /// When it ends if it is not used.
    pub idle_end: SystemTime,
    /// When it ends in any case.
    pub absolute_end: SystemTime,
}

impl SessionInfo {
    pub(crate) fn new(handle: SessionHandle, record: &Record) -> Self {
        // A time that no clock shows, read from a store that is not ours, is the first of all.
        let time = |ms| {
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(SystemTime::UNIX_EPOCH)
        };
        Self {
            handle,
            version: record.version,
            created: time(record.created),
            seen: time(record.seen),
            idle_end: time(record.idle_end),
            absolute_end: time(record.absolute_end),
        }
    }

    /// Returns when it ends unless it is used.
    #[must_use]
    pub fn end(&self) -> SystemTime {
        self.idle_end.min(self.absolute_end)
    }
}
