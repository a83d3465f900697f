//! The seam between sessions and whoever keeps them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Error;
use crate::id::{Proof, SessionHandle};

/// Keeps sessions for every process that shares it.
///
/// Memory and Redis implement it; `conformance` holds one function per promise. It knows handles, digests and bytes; ids, policies
/// and types are [`Sessions`](crate::Sessions)'. All times are of the store's own clock; lengths of time are at least 1 ms, in
/// whole milliseconds.
///
/// # Behavior
/// - Each method does one step that nobody else comes between; of [`create`](Self::create), [`revoke`](Self::revoke) and
///   [`list`](Self::list) that holds for each session, not for all sessions of a user together.
/// - A session is gone when the time since its last use reaches its idle time, or when its absolute end has come; nothing brings it
///   back.
/// - What was revoked is never there again. For [`GRAVE`] it cannot even be created again, so that a request that comes late does
///   not revive it.
/// - A [`Claim`] is good with the present verifier, and with the one before until its grace has passed. With any other verifier
///   the session is shown a copy of an id that somebody has kept: it is refused, and revoked if the claim says so.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Writes a new session, of version 1, and returns it without its data.
    ///
    /// # Behavior
    /// - A session that is written is among those of its user, from before it is written: whoever revokes those either finds it,
    ///   or makes this fail with [`ErrorKind::Gone`](crate::ErrorKind::Gone).
    /// - Asked again with the same draft it answers as before.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether it was written; nobody else knows its id, and it ends by itself.
    async fn create(&self, draft: &Draft<'_>) -> Result<Record, Error>;

    /// Returns the session. What was asked for by `load` besides, its data and its use, is part of the same step.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: at most the session was used.
    async fn load(&self, claim: &Claim<'_>, load: Load) -> Result<Found<Record>, Error>;

    /// Replaces the data if the session still has the version that the caller knows, and counts as a use.
    ///
    /// Asked again with the same nonce it answers as before, unless somebody else has saved since.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether it was saved; whoever loads sees one or the other, whole.
    async fn save(&self, claim: &Claim<'_>, save: &Save<'_>) -> Result<Found<Saved>, Error>;

    /// Gives the session another verifier, keeps the old one for the grace, and counts as a use. The absolute end stays.
    ///
    /// It does nothing to a session of another user ([`Turned::OtherUser`]), nor when the claim is of the verifier before
    /// ([`Turned::Lately`]).
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether the verifier was replaced; the old one is good for the grace.
    async fn rotate(&self, claim: &Claim<'_>, turn: &Turn<'_>) -> Result<Found<Turned>, Error>;

    /// Revokes sessions, and returns how many there were.
    ///
    /// When it fails for a user, some may be revoked; asked again it goes on.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open what was revoked; what was is never there again.
    async fn revoke(&self, what: &Revoke<'_>) -> Result<Revoked, Error>;

    /// Returns the sessions of a user, without their data, in any order.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    async fn list(&self, user: &str) -> Result<Vec<(SessionHandle, Record)>, Error>;
}

/// A store that several share, such as [`Sessions`](crate::Sessions) of different data.
#[async_trait]
impl<S: SessionStore + ?Sized> SessionStore for Arc<S> {
    async fn create(&self, draft: &Draft<'_>) -> Result<Record, Error> {
        (**self).create(draft).await
    }

    async fn load(&self, claim: &Claim<'_>, load: Load) -> Result<Found<Record>, Error> {
        (**self).load(claim, load).await
    }

    async fn save(&self, claim: &Claim<'_>, save: &Save<'_>) -> Result<Found<Saved>, Error> {
        (**self).save(claim, save).await
    }

    async fn rotate(&self, claim: &Claim<'_>, turn: &Turn<'_>) -> Result<Found<Turned>, Error> {
        (**self).rotate(claim, turn).await
    }

    async fn revoke(&self, what: &Revoke<'_>) -> Result<Revoked, Error> {
        (**self).revoke(what).await
    }

    async fn list(&self, user: &str) -> Result<Vec<(SessionHandle, Record)>, Error> {
        (**self).list(user).await
    }
}

/// For how long nothing can be created under the handle of a revoked session, and after which what no session is there for is
/// forgotten by the list of its user.
pub const GRAVE: Duration = Duration::from_secs(60);

/// What a request shows.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Which session.
    pub handle: &'a SessionHandle,
    /// That it is one's own.
    pub proof: &'a Proof,
    /// Whether the session is revoked when the proof is not good.
    pub revoke_replayed: bool,
}

/// A session that is to be.
#[derive(Clone, Copy)]
pub struct Draft<'a> {
    /// Its name; nobody else's.
    pub handle: &'a SessionHandle,
    /// The digest of its verifier.
    pub proof: &'a Proof,
    /// Whose it is, if anybody's.
    pub user: Option<&'a str>,
    /// Its data.
    pub data: &'a [u8],
    /// For how long it stays without being used.
    pub idle: Duration,
    /// For how long it stays at most.
    pub absolute: Duration,
}

/// What is asked for when a session is loaded.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// The data, of at most so many bytes; more are an error ([`ErrorKind::Data`](crate::ErrorKind::Data)). `None` for no data.
    pub most_bytes: Option<usize>,
    /// That it counts as a use.
    pub touch: Option<Touch>,
}

/// A use that moves the idle end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    /// For how long the session then stays without being used.
    pub idle: Duration,
    /// Nothing is written when the last use is not as long ago as this.
    pub after: Duration,
}

/// Data that is to replace what a session has.
#[derive(Clone, Copy)]
pub struct Save<'a> {
    /// The version the caller has seen.
    pub version: u64,
    /// What tells this save from all others.
    pub nonce: &'a [u8; 16],
    /// The data.
    pub data: &'a [u8],
    /// For how long the session then stays without being used.
    pub idle: Duration,
}

/// A verifier that is to replace the one of a session.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    /// The digest of the new verifier.
    pub proof: &'a Proof,
    /// Whose session it has to be.
    pub user: Option<&'a str>,
    /// For how long the old one is good.
    pub grace: Duration,
    /// For how long the session then stays without being used.
    pub idle: Duration,
}

/// What is to be revoked.
#[derive(Clone, Copy)]
pub enum Revoke<'a> {
    /// The session that the claim is good for. It is returned, with data of at most so many bytes if asked for.
    Claimed(Claim<'a>, Option<usize>),
    /// The session of this name, whoever asks.
    Named(&'a SessionHandle),
    /// All sessions of this user, whoever asks.
    OfUser(&'a str),
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Found<T> {
    /// It is good.
    Here(T),
    /// There is no such session.
    Gone,
    /// The id has been replaced, or never was one.
    Replayed {
        /// Whether the session was revoked for it.
        is_revoked: bool,
    },
}

/// A session as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose it is.
    pub user: Option<String>,
    /// Its data, empty when it was not asked for.
    pub data: Vec<u8>,
    /// How often it was saved, and 1.
    pub version: u64,
    /// When it was created, in milliseconds since the Unix epoch, on the store's clock; so are the following.
    pub created: u64,
    /// When it was last used, as far as that was written.
    pub seen: u64,
    /// When it ends if it is not used.
    pub idle_end: u64,
    /// When it ends in any case.
    pub absolute_end: u64,
}

/// What became of a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It has this version now.
    As(u64),
    /// Nothing was done: it has this version.
    Conflict(u64),
}

/// What became of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// The new verifier counts.
    Done,
    /// Nothing was done: the verifier was replaced a moment ago by somebody else.
    Lately,
    /// Nothing was done: it is somebody else's session.
    OtherUser,
}

/// What was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// How many sessions.
    pub sessions: u64,
    /// The one that was named or claimed.
    pub claimed: Found<Record>,
}

impl<T> Found<T> {
    /// Changes what is here.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Found<U> {
        match self {
            Self::Here(found) => Found::Here(change(found)),
            Self::Gone => Found::Gone,
            Self::Replayed { is_revoked } => Found::Replayed { is_revoked },
        }
    }
}

impl Record {
    /// Returns when it ends unless it is used.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.idle_end.min(self.absolute_end)
    }
}

impl fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("handle", self.handle)
            .field("bytes", &self.data.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Save<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Save")
            .field("version", &self.version)
            .field("bytes", &self.data.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("grace", &self.grace).finish_non_exhaustive()
    }
}

impl fmt::Debug for Revoke<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claimed(claim, _) => f.debug_tuple("Claimed").field(claim).finish(),
            Self::Named(handle) => f.debug_tuple("Named").field(handle).finish(),
            Self::OfUser(_) => f.write_str("OfUser(***)"),
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("bytes", &self.data.len())
            .field("version", &self.version)
            .field("created", &self.created)
            .field("seen", &self.seen)
            .field("idle_end", &self.idle_end)
            .field("absolute_end", &self.absolute_end)
            .finish_non_exhaustive()
    }
}
