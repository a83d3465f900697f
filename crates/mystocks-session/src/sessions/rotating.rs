//! A new id for a session.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::instrument;

use super::{Outcome, Sessions, check_user, heard};
use crate::error::{Error, ErrorKind};
use crate::id::SessionId;
use crate::metric;
use crate::store::{Record, Revoke, Turn, Turned};

/// What became of a rotation.
#[derive(Debug)]
#[must_use]
pub enum Rotated {
    /// The session has this id now: set the cookie.
    To(SessionId),
    /// Nothing was done: a request at the same time has rotated it already, and sets the cookie. The id that was shown is good for the
    /// grace.
    Lately,
    /// There is no such session.
    Gone,
}

impl Outcome for Rotated {
    fn is_there(&self) -> bool {
        !matches!(self, Self::Gone)
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync> Sessions<T> {
    /// Gives the session another id, and `user`. Do so at every login, logout that keeps the data, and change of what the user may do.
    ///
    /// When the user stays the same, the handle, the version and the absolute end stay too, and the old id is good for
    /// [`Policy::grace`](crate::Policy::grace). After that it is refused, and showing it revokes the session
    /// ([`Policy::revoke_replayed`](crate::Policy::revoke_replayed)).
    ///
    /// When the user changes, which is a login, nothing of the old id leads to the new session: the old one is revoked, without any
    /// grace, and its data goes on in a new one with another handle, version 1 and a new absolute end. A save that was under way
    /// is either in it, or fails with [`ErrorKind::Gone`].
    ///
    /// Dropping the future leaves it open whether it was rotated. At a login the session may then be gone altogether: nobody has the
    /// id of the new one. The same holds after an error other than `InvalidArgument` and `Data`: log in again, with a new session.
    ///
    /// # Errors
    /// Every [`ErrorKind`] but `Conflict`; [`ErrorKind::Gone`] when the user's sessions were revoked meanwhile.
    #[instrument(name = "session.rotate", level = "debug", skip_all)]
    pub async fn rotate(&self, id: &SessionId, user: Option<&str>) -> Result<Rotated, Error> {
        self.measured("rotate", self.turn(id, user)).await
    }

    async fn turn(&self, id: &SessionId, user: Option<&str>) -> Result<Rotated, Error> {
        check_user(user)?;
        let next = id.turned()?;
        let (handle, proof, next_proof) = (id.handle(), id.proof(), next.proof());
        let claim = self.claim(&handle, &proof);
        let turn = Turn { proof: &next_proof, user, grace: self.policy.grace, idle: self.policy.idle };
        match heard(&handle, self.store.rotate(&claim, &turn).await?) {
            None => return Ok(Rotated::Gone),
            Some(Turned::Done) => return Ok(Rotated::To(next)),
            Some(Turned::Lately) => return Ok(Rotated::Lately),
            Some(Turned::OtherUser) => {}
        }
        // The old one first: were it last, both would be good in between, and for ever if this process died then.
        let revoke = Revoke::Claimed(claim, Some(self.policy.most_bytes));
        let Some(old) = heard(&handle, self.store.revoke(&revoke).await?.claimed) else {
            return Ok(Rotated::Gone);
        };
        metric::revoked("login", 1);
        let Record { data, .. } = old;
        let created = self.create_of(user, &data).await;
        let (id, _) = created.map_err(|cause| {
            let kind = cause.kind();
            // The same call cannot succeed later: the session it is about is gone.
            let kind = if cause.is_retryable() { ErrorKind::Backend } else { kind };
            Error::new(kind, "rotate", handle.as_str())
                .with_detail("the session is gone, begin a new one")
                .with_source(cause)
        })?;
        Ok(Rotated::To(id))
    }
}
