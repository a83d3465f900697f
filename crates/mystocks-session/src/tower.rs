//! The sessions as `tower-sessions` asks for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions_core::session::{Id, Record as TowerRecord};
use tower_sessions_core::session_store::{Error as TowerError, Result as TowerResult};

use crate::error::{Error, ErrorKind};
use crate::id::{SessionId, nonce};
use crate::policy::Policy;
use crate::sessions::heard;
use crate::store::{Claim, Draft, Load, Revoke, Save, Saved, SessionStore};

/// How many ids are tried for one that nobody has.
const TRIES: u32 = 8;

/// A store for `tower-sessions` on a store of ours: `SessionManagerLayer::new(TowerSessions::new(store, policy)?)`.
///
/// What it keeps of an id are the digests of two secrets that are derived from it, so ids do not stand in Redis here either. What differs from
/// [`Sessions`](crate::Sessions) is what `tower-sessions` decides:
///
/// - Its ids have 128 bits, from `rand`'s generator, and no verifier: an id that is cycled (`Session::cycle_id`, which has to be called at
///   every login) is a new session, without a grace, and an old id is unknown, not replayed.
/// - Its sessions belong to no user here, so they cannot be listed or revoked by user.
/// - It knows no versions: of two requests that save, the last wins as a whole. Use [`Sessions`](crate::Sessions) where that matters.
/// - Its own `Debug` of a record, and its own logs, may show an id.
///
/// The idle end is the record's expiry date; [`Policy::absolute`] and [`Policy::most_bytes`] hold besides. What was deleted or has ended
/// is not brought back by a save that comes late: that is an error.
#[derive(Debug, Clone)]
pub struct TowerSessions {
    store: Arc<dyn SessionStore>,
    policy: Arc<Policy>,
}

impl TowerSessions {
    /// Makes a store for `tower-sessions` that keeps its records in `store`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a policy that contradicts itself.
    pub fn new(store: impl SessionStore, policy: Policy) -> Result<Self, Error> {
        Ok(Self { store: Arc::new(store), policy: Arc::new(policy.check()?) })
    }

    fn write(&self, record: &TowerRecord) -> TowerResult<Vec<u8>> {
        // The causes may quote the data.
        let json = serde_json::to_vec(&record.data).map_err(|_| TowerError::Encode("no JSON".to_owned()))?;
        let most = self.policy.most_bytes;
        if json.len() > most {
            let bytes = json.len();
            return Err(TowerError::Encode(format!("{bytes} bytes of JSON, at most {most} are kept")));
        }
        Ok(json)
    }

    /// Writes a new session.
    async fn place(&self, id: Id, data: &[u8], idle: Duration) -> Result<(), Error> {
        let id = secret(id);
        let absolute = self.policy.absolute;
        let (handle, proof) = (id.handle(), id.proof());
        let draft = Draft { handle: &handle, proof: &proof, user: None, data, idle, absolute };
        self.store.create(&draft).await.map(drop)
    }

    /// Writes a session that is there, whatever its version.
    async fn replace(&self, id: Id, data: &[u8], idle: Duration) -> Result<(), Error> {
        let id = secret(id);
        let (handle, proof) = (id.handle(), id.proof());
        let claim = Claim { handle: &handle, proof: &proof, revoke_replayed: false };
        let gone = || Error::new(ErrorKind::Gone, "save", handle.as_str());
        let found = self.store.load(&claim, Load { most_bytes: None, touch: None }).await?;
        let mut version = heard(&handle, found).ok_or_else(gone)?.version;
        loop {
            let save = Save { version, nonce: &nonce()?, data, idle };
            match heard(&handle, self.store.save(&claim, &save).await?).ok_or_else(gone)? {
                Saved::As(_) => return Ok(()),
                // The last wins, as its interface has it; each conflict means that somebody else has saved.
                Saved::Conflict(there) => version = there,
            }
        }
    }
}

#[async_trait]
impl tower_sessions_core::SessionStore for TowerSessions {
    async fn create(&self, record: &mut TowerRecord) -> TowerResult<()> {
        let data = self.write(record)?;
        let idle = until(record.expiry_date).ok_or_else(|| backend(&has_ended("create")))?;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.place(record.id, &data, idle).await {
                // Somebody has, or had, this id: with 128 random bits that is a broken generator, or one that is set for tests.
                Err(error) if error.kind() == ErrorKind::Gone && tries < TRIES => record.id = Id::default(),
                done => return done.map_err(|error| backend(&error)),
            }
        }
    }

    async fn save(&self, record: &TowerRecord) -> TowerResult<()> {
        let data = self.write(record)?;
        let Some(idle) = until(record.expiry_date) else { return self.delete(&record.id).await };
        self.replace(record.id, &data, idle).await.map_err(|error| backend(&error))
    }

    async fn load(&self, id: &Id) -> TowerResult<Option<TowerRecord>> {
        let secret = secret(*id);
        let (handle, proof) = (secret.handle(), secret.proof());
        let claim = Claim { handle: &handle, proof: &proof, revoke_replayed: false };
        let load = Load { most_bytes: Some(self.policy.most_bytes), touch: None };
        let found = self.store.load(&claim, load).await.map_err(|error| backend(&error))?;
        let Some(found) = heard(&handle, found) else { return Ok(None) };
        let data: HashMap<String, Value> = serde_json::from_slice(&found.data)
            .map_err(|_| TowerError::Decode(format!("session {handle} is no JSON object")))?;
        let end = i64::try_from(found.end()).unwrap_or(i64::MAX);
        let expiry_date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(end) * 1_000_000)
            .map_err(|_| TowerError::Decode(format!("session {handle} has no end")))?;
        Ok(Some(TowerRecord { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> TowerResult<()> {
        let handle = secret(*id).handle();
        let revoked = self.store.revoke(&Revoke::Named(&handle)).await;
        revoked.map(drop).map_err(|error| backend(&error))
    }
}

fn secret(id: Id) -> SessionId {
    SessionId::derived(&id.0.to_le_bytes())
}

/// Returns how long it is until then, `None` when it is past.
fn until(date: OffsetDateTime) -> Option<Duration> {
    let left = Duration::try_from(date - OffsetDateTime::now_utc()).ok()?;
    (left >= Duration::from_millis(1)).then_some(left)
}

fn has_ended(operation: &'static str) -> Error {
    Error::new(ErrorKind::InvalidArgument, operation, "a session")
        .with_detail("its expiry date is past; give one that is to come")
}

/// Their error is a text; ours holds no id and no data.
fn backend(error: &Error) -> TowerError {
    TowerError::Backend(error.to_string())
}
