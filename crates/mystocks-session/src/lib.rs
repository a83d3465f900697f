//! Sessions of users: ids that stand nowhere but with the user, two ends, rotation, revocation that holds, and no lost update.
//!
//! [`Sessions`] keeps what a service knows of a user between requests. Whoever shows the [`SessionId`] is the user, so the id is
//! drawn from the system's random source, leaves this crate only by [`SessionId::expose`], and is kept by nobody: a store has digests.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mystocks_session::{Rotated, SessionId, Sessions};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Default)]
//! struct Desk { watchlist: Vec<String> }
//!
//! // With Redis: Sessions::new(RedisSessions::new(manager, &keyspace), Policy::from(&settings.session))?
//! let sessions: Sessions<Desk> = Sessions::memory();
//! let (visitor, _) = sessions.create(None, Desk::default()).await?;
//! let cookie = visitor.expose();
//!
//! // A later request. Of two that change it at once, neither is lost.
//! let id = SessionId::parse(&cookie)?;
//! sessions.update(&id, |desk| desk.watchlist.push("600519.SH".into())).await?.ok_or("it is there")?;
//!
//! // At the login the id changes, and the old one is worth nothing.
//! let Rotated::To(ann) = sessions.rotate(&id, Some("ann")).await? else { return Err("it is there".into()) };
//! assert!(sessions.load(&id).await?.is_none());
//! assert_eq!(sessions.load(&ann).await?.ok_or("it is there")?.data.watchlist, ["600519.SH"]);
//!
//! assert_eq!(sessions.list("ann").await?.len(), 1);
//! assert_eq!(sessions.revoke_all("ann").await?, 1);
//! assert!(sessions.load(&ann).await?.is_none());
//! # Ok(()) }
//! ```
//!
//! docs/session.md says what is promised, and what happens in which failure.

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod id;
mod memory;
mod metric;
mod policy;
#[cfg(feature = "redis")]
mod redis;
mod session;
mod sessions;
mod store;
#[cfg(feature = "tower-sessions")]
mod tower;

pub use error::{Error, ErrorKind};
pub use id::{Proof, SessionHandle, SessionId};
pub use memory::MemorySessions;
pub use mystocks_keys::Keyspace;
pub use policy::Policy;
#[cfg(feature = "redis")]
pub use redis::RedisSessions;
pub use session::{Session, SessionInfo};
pub use sessions::{Rotated, Sessions};
pub use store::{
    Claim, Draft, Found, GRAVE, Load, Record, Revoke, Revoked, Save, Saved, SessionStore, Touch, Turn, Turned,
};
#[cfg(feature = "tower-sessions")]
pub use tower::TowerSessions;
