//! Typed settings of the platform: defaults, file, .env and environment, with provenance and secrets.

mod error;
mod loader;
mod secret;
mod settings;
mod url;

pub use error::{Error, ErrorKind, Problem};
pub use loader::Loader;
pub use secret::Secret;
pub use settings::{
    BusSettings, CacheSettings, Endpoint, FixationSettings, LockSettings, OtherPrograms,
    RedisSettings, SessionSettings, Settings,
};
