//! Who holds what, for people and dashboards.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::backend::{Kind, Spot, State};
use crate::error::{Error, ErrorKind};
use crate::shared::Shared;

/// A lock that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockInfo {
    /// The name of what is locked.
    pub resource: String,
    /// Who holds it; `None` when it was taken without a fence, or from another language.
    pub owner: Option<Owner>,
    /// The fencing token it was granted with.
    pub fence: Option<u64>,
    /// When it was granted, by the server's clock.
    pub acquired_at: Option<SystemTime>,
    /// For how long it is held if it is not renewed; `None` for ever, which only other programs do.
    pub ttl: Option<Duration>,
    /// How many wait in its queue.
    pub waiters: u64,
}

/// A process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The host's name.
    pub host: String,
    /// The process id.
    pub pid: u32,
    /// What the locker was told to be called ([`Locker::with_owner`](crate::Locker::with_owner)); else empty.
    #[serde(rename = "owner")]
    pub name: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, pid, name } = self;
        if name.is_empty() {
            return write!(f, "process {pid} on {host}");
        }
        write!(f, "{name} (process {pid} on {host})")
    }
}

/// Returns who this process is, as JSON.
pub(crate) fn owner(name: &str) -> Arc<str> {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let owner = Owner { host, pid: std::process::id(), name: name.to_owned() };
    serde_json::to_string(&owner).unwrap_or_default().into()
}

/// Returns what is known of a lock in `state`; `None` when nobody holds it.
pub(crate) fn of_lock(name: &str, state: State) -> Option<LockInfo> {
    let State { holders, waiters } = state;
    let holder = holders.into_iter().next()?;
    let grant = holder.grant;
    let since = |millis| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis));
    Some(LockInfo {
        resource: name.to_owned(),
        owner: grant.as_ref().and_then(|grant| serde_json::from_str(&grant.owner).ok()),
        fence: grant.as_ref().map(|grant| grant.fence),
        acquired_at: grant.and_then(|grant| since(grant.at)),
        ttl: holder.ttl,
        waiters,
    })
}

/// Returns the locks that are held and begin with `beginning`, ordered by name.
pub(crate) async fn list(shared: &Arc<Shared>, beginning: &str) -> Result<Vec<LockInfo>, Error> {
    let pattern = shared.keyspace.locks(beginning).map_err(|cause| {
        Error::new(ErrorKind::InvalidArgument, "list locks that begin with", beginning).with_source(cause)
    })?;
    let beginning = pattern.as_str().trim_end_matches('*');
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let (keys, next) = shared.backend.scan(beginning, cursor).await?;
        let spots: Vec<Spot<'_>> = keys.iter().map(|key| Spot { key, kind: Kind::Exclusive }).collect();
        let states = shared.backend.inspect(&spots).await?;
        let infos = keys
            .iter()
            .zip(states)
            .filter_map(|(key, state)| of_lock(shared.keyspace.resource_of(key).unwrap_or(key), state));
        found.extend(infos);
        if next.is_none() {
            break;
        }
        cursor = next;
    }
    found.sort_by(|one, other| one.resource.cmp(&other.resource));
    found.dedup_by(|one, other| one.resource == other.resource);
    Ok(found)
}
