//! An entry in the list of a user's sessions.

use crate::id::SessionHandle;

/// A member of the list: `handle:created`, or what somebody else has put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    member: Vec<u8>,
    handle: Option<SessionHandle>,
}

impl Entry {
    pub(super) fn of(handle: &SessionHandle, created: u64) -> Self {
        Self { member: format!("{handle}:{created}").into_bytes(), handle: Some(handle.clone()) }
    }

    pub(super) fn read(member: Vec<u8>) -> Self {
        let handle = std::str::from_utf8(&member).ok().and_then(|text| {
            let (handle, created) = text.split_once(':')?;
            created.parse::<u64>().ok()?;
            SessionHandle::parse(handle).ok()
        });
        Self { member, handle }
    }

    /// Returns the session; `None` when the entry is not of ours.
    pub(super) fn handle(&self) -> Option<&SessionHandle> {
        self.handle.as_ref()
    }

    /// Returns it as it stands in Redis.
    pub(super) fn member(&self) -> &[u8] {
        &self.member
    }
}
