//! The sessions as services use them.

mod rotating;
mod updating;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::instrument;

pub use rotating::Rotated;

use crate::error::{Error, ErrorKind};
use crate::id::{SessionHandle, SessionId, nonce};
use crate::memory::MemorySessions;
use crate::metric;
use crate::policy::Policy;
use crate::session::{Session, SessionInfo};
use crate::store::{Claim, Draft, Found, Load, Record, Revoke, Save, Saved, SessionStore, Touch};

/// Sessions whose data is a `T`, kept as JSON. Cheap to clone.
///
/// A session that is not there, has ended, was revoked or is not one's own is `None` and no error. Data is what `serde` makes of it:
/// a `T` that has to read what an older program wrote gives new fields a default.
pub struct Sessions<T> {
    store: Arc<dyn SessionStore>,
    policy: Arc<Policy>,
    data: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned + Send + Sync> Sessions<T> {
    /// Makes sessions that `store` keeps.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a policy that contradicts itself.
    pub fn new(store: impl SessionStore, policy: Policy) -> Result<Self, Error> {
        Ok(Self { store: Arc::new(store), policy: Arc::new(policy.check()?), data: PhantomData })
    }

    /// Makes sessions in memory, with the default policy, of which nobody else knows.
    pub fn memory() -> Self {
        let (store, policy) = (Arc::new(MemorySessions::new()), Arc::new(Policy::default()));
        Self { store, policy, data: PhantomData }
    }

    /// Creates a session of `user`, or of nobody yet, and returns its id, which is nowhere else.
    ///
    /// Dropping the future may leave a session whose id nobody knows, until its idle end.
    ///
    /// # Errors
    /// Every [`ErrorKind`] but `Conflict`; [`ErrorKind::Gone`] when the user's sessions were revoked meanwhile.
    #[instrument(name = "session.create", level = "debug", skip_all)]
    pub async fn create(&self, user: Option<&str>, data: T) -> Result<(SessionId, Session<T>), Error> {
        let creating = async {
            check_user(user)?;
            let json = self.write("create", "a session", &data)?;
            self.create_of(user, &json).await
        };
        let (id, record) = self.measured("create", creating).await?;
        let session = Session::new(&id, record, data);
        Ok((id, session))
    }

    /// Returns the session with this id. It counts as a use, unless [`Policy::touch_on_load`] is off.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] when the data is too large or no `T`; `Unavailable`, `Unknown`, `Backend`.
    #[instrument(name = "session.load", level = "debug", skip_all)]
    pub async fn load(&self, id: &SessionId) -> Result<Option<Session<T>>, Error> {
        let touch = self.policy.touch_on_load.then(|| self.touch_due());
        let load = Load { most_bytes: Some(self.policy.most_bytes), touch };
        let loading = async {
            let Some(record) = self.load_record(id, load).await? else { return Ok(None) };
            let data = read(&id.handle(), &record.data)?;
            Ok(Some(Session::new(id, record, data)))
        };
        self.measured("load", loading).await
    }

    /// Writes the data of `session`, unless somebody else has saved it since it was loaded; counts as a use.
    ///
    /// Dropping the future leaves it open whether it was saved; load again then, and after [`ErrorKind::Unknown`].
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when somebody else has: nothing was written; load again, or use [`update`](Self::update).
    /// [`ErrorKind::Gone`] when it has ended or was revoked: it does not come back. [`ErrorKind::Data`] when it is too large;
    /// `Random`, `Unavailable`, `Unknown`, `Backend`.
    #[instrument(name = "session.save", level = "debug", skip_all)]
    pub async fn save(&self, session: &mut Session<T>) -> Result<(), Error> {
        let handle = session.handle().clone();
        let saving = async {
            let data = self.write("save", handle.as_str(), &session.data)?;
            let nonce = nonce()?;
            let version = session.version();
            let save = Save { version, nonce: &nonce, data: &data, idle: self.policy.idle };
            let claim = self.claim(&handle, &session.proof);
            match heard(&handle, self.store.save(&claim, &save).await?) {
                Some(Saved::As(version)) => Ok(version),
                Some(Saved::Conflict(there)) => Err(Error::new(ErrorKind::Conflict, "save", handle.as_str())
                    .with_detail(format!("version {version} was loaded, {there} is there: load it again"))),
                None => Err(Error::new(ErrorKind::Gone, "save", handle.as_str())),
            }
        };
        let version = self.measured("save", saving).await?;
        session.info.version = version;
        Ok(())
    }

    /// Counts as a use of the session with this id, and returns whether it is there.
    ///
    /// It is written only when [`Policy::touch_share`] of the idle time has passed since the last use. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// `Unavailable`, `Unknown`, `Backend`.
    #[instrument(name = "session.touch", level = "debug", skip_all)]
    pub async fn touch(&self, id: &SessionId) -> Result<bool, Error> {
        let load = Load { most_bytes: None, touch: Some(self.touch_due()) };
        let touching = async { Ok(self.load_record(id, load).await?.is_some()) };
        self.measured("touch", touching).await
    }

    /// Revokes the session with this id, and returns whether it was there. No save or touch brings it back.
    ///
    /// Dropping the future leaves it open whether it is revoked.
    ///
    /// # Errors
    /// `Unavailable`, `Unknown`, `Backend`: ask again.
    #[instrument(name = "session.revoke", level = "debug", skip_all)]
    pub async fn revoke(&self, id: &SessionId) -> Result<bool, Error> {
        let revoking = async {
            let (handle, proof) = (id.handle(), id.proof());
            let revoked = self.store.revoke(&Revoke::Claimed(self.claim(&handle, &proof), None)).await?;
            let was_here = heard(&handle, revoked.claimed).is_some();
            metric::revoked("caller", was_here.into());
            Ok(was_here)
        };
        self.measured("revoke", revoking).await
    }

    /// Revokes the session of this name, whoever has its id, and returns whether it was there.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke).
    #[instrument(name = "session.revoke_handle", level = "debug", skip_all)]
    pub async fn revoke_handle(&self, handle: &SessionHandle) -> Result<bool, Error> {
        let revoking = async {
            let revoked = self.store.revoke(&Revoke::Named(handle)).await?;
            metric::revoked("caller", revoked.sessions);
            Ok(revoked.sessions > 0)
        };
        self.measured("revoke", revoking).await
    }

    /// Revokes all sessions of a user, and returns how many there were.
    ///
    /// When it returns, every session whose creation had begun before is gone, or its creation fails. One whose creation began
    /// afterwards may stay.
    ///
    /// Dropping the future, or an error, leaves it open how many are revoked; asked again it goes on.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke); [`ErrorKind::InvalidArgument`] for what is no user.
    #[instrument(name = "session.revoke_all", level = "debug", skip_all)]
    pub async fn revoke_all(&self, user: &str) -> Result<u64, Error> {
        let revoking = async {
            check_user(Some(user))?;
            let revoked = self.store.revoke(&Revoke::OfUser(user)).await?;
            metric::revoked("user", revoked.sessions);
            Ok(revoked.sessions)
        };
        self.measured("revoke_all", revoking).await
    }

    /// Returns the sessions of a user, the newest first.
    ///
    /// # Errors
    /// As [`revoke_all`](Self::revoke_all).
    #[instrument(name = "session.list", level = "debug", skip_all)]
    pub async fn list(&self, user: &str) -> Result<Vec<SessionInfo>, Error> {
        let listing = async {
            check_user(Some(user))?;
            let listed = self.store.list(user).await?;
            let mut infos: Vec<_> =
                listed.into_iter().map(|(handle, record)| SessionInfo::new(handle, &record)).collect();
            infos.sort_by(|a, b| (b.created, &b.handle).cmp(&(a.created, &a.handle)));
            Ok(infos)
        };
        self.measured("list", listing).await
    }
}

impl<T> Sessions<T> {
    /// Returns the policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync> Sessions<T> {
    fn claim<'a>(&self, handle: &'a SessionHandle, proof: &'a crate::Proof) -> Claim<'a> {
        Claim { handle, proof, revoke_replayed: self.policy.revoke_replayed }
    }

    fn touch_due(&self) -> Touch {
        Touch { idle: self.policy.idle, after: self.policy.touch_after() }
    }

    async fn load_record(&self, id: &SessionId, load: Load) -> Result<Option<Record>, Error> {
        let (handle, proof) = (id.handle(), id.proof());
        let found = self.store.load(&self.claim(&handle, &proof), load).await?;
        Ok(heard(&handle, found))
    }

    /// Creates a session with data that is written already.
    async fn create_of(&self, user: Option<&str>, data: &[u8]) -> Result<(SessionId, Record), Error> {
        let id = SessionId::random()?;
        let (handle, proof) = (id.handle(), id.proof());
        let Policy { idle, absolute, .. } = *self.policy;
        let draft = Draft { handle: &handle, proof: &proof, user, data, idle, absolute };
        let record = self.store.create(&draft).await?;
        if let Err(error) = self.keep_limit(user, &handle).await {
            // Nobody gets its id, so nobody would end it.
            let _ = self.store.revoke(&Revoke::Named(&handle)).await;
            return Err(error);
        }
        Ok((id, record))
    }

    /// Revokes the oldest sessions of a user who has too many. Two that are created at once both see to it, each after its own.
    async fn keep_limit(&self, user: Option<&str>, newest: &SessionHandle) -> Result<(), Error> {
        let (Some(user), Some(most)) = (user, self.policy.most_per_user) else { return Ok(()) };
        let mut listed = self.store.list(user).await?;
        listed.sort_by_key(|(handle, record)| (record.created, handle.clone()));
        let too_many = listed.len().saturating_sub(most);
        for (handle, _) in listed.iter().filter(|(handle, _)| handle != newest).take(too_many) {
            let revoked = self.store.revoke(&Revoke::Named(handle)).await?;
            metric::revoked("limit", revoked.sessions);
        }
        Ok(())
    }

    fn write(&self, operation: &'static str, subject: &str, data: &T) -> Result<Vec<u8>, Error> {
        // serde's own error may quote the data.
        let json = serde_json::to_vec(data)
            .map_err(|_| Error::new(ErrorKind::Data, operation, subject).with_detail("it is no JSON"))?;
        let most = self.policy.most_bytes;
        if json.len() > most {
            let detail =
                format!("it has {} bytes of JSON, at most {most} are kept (Policy::most_bytes)", json.len());
            return Err(Error::new(ErrorKind::Data, operation, subject).with_detail(detail));
        }
        Ok(json)
    }

    /// Does `work` and counts it.
    async fn measured<U: Outcome>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<U, Error>>,
    ) -> Result<U, Error> {
        let since = Instant::now();
        let done = work.await;
        let outcome = match &done {
            Ok(done) if done.is_there() => "ok",
            Ok(_) => "absent",
            Err(error) => match error.kind() {
                ErrorKind::Conflict => "conflict",
                ErrorKind::Gone => "absent",
                _ => "failed",
            },
        };
        metric::done(operation, outcome, since);
        done
    }
}

/// Returns what was found, and says so when the id was one that has been replaced.
pub(crate) fn heard<U>(handle: &SessionHandle, found: Found<U>) -> Option<U> {
    match found {
        Found::Here(found) => Some(found),
        Found::Gone => None,
        Found::Replayed { is_revoked } => {
            metric::replayed(is_revoked);
            tracing::warn!(
                target: "mystocks_session::audit",
                %handle,
                is_revoked,
                "an id of a session was shown that has been replaced: somebody keeps copies"
            );
            None
        }
    }
}

/// Whether there was what was asked for.
trait Outcome {
    fn is_there(&self) -> bool;
}

impl<U> Outcome for Option<U> {
    fn is_there(&self) -> bool {
        self.is_some()
    }
}

impl Outcome for bool {
    fn is_there(&self) -> bool {
        *self
    }
}

impl Outcome for u64 {
    fn is_there(&self) -> bool {
        true
    }
}

impl Outcome for Vec<SessionInfo> {
    fn is_there(&self) -> bool {
        true
    }
}

impl Outcome for (SessionId, Record) {
    fn is_there(&self) -> bool {
        true
    }
}

fn check_user(user: Option<&str>) -> Result<(), Error> {
    const MOST: usize = 512;
    let Some(user) = user else { return Ok(()) };
    if user.is_empty() || user.len() > MOST {
        let detail = format!("it has {} bytes; give 1 to {MOST}", user.len());
        return Err(Error::new(ErrorKind::InvalidArgument, "use", "a user").with_detail(detail));
    }
    Ok(())
}

fn read<T: DeserializeOwned>(handle: &SessionHandle, data: &[u8]) -> Result<T, Error> {
    // serde's own error quotes the data.
    serde_json::from_slice(data).map_err(|cause| {
        let detail = format!(
            "it is not of the type that is asked for, at line {} column {}",
            cause.line(),
            cause.column()
        );
        Error::new(ErrorKind::Data, "read", handle.as_str()).with_detail(detail)
    })
}

impl<T> Clone for Sessions<T> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), policy: Arc::clone(&self.policy), data: PhantomData }
    }
}

impl<T> fmt::Debug for Sessions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("store", &self.store)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
