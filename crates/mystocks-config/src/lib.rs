//! Typed settings of the platform: defaults, file, .env and environment, with provenance and secrets.
//!
//! A [`Loader`] lays the sources over each other, defaults < `mystocks.toml` < `.env` < environment, and returns plain
//! [`Settings`] or an [`Error`] that lists every mistake with its key, its place and what was expected. The environment is an argument:
//! nothing here reads process-global state. Passwords are [`Secret`]s, and no message shows a value.
//!
//! ```
//! use std::time::Duration;
//!
//! use mystocks_config::Loader;
//!
//! let folder = tempfile::tempdir()?;
//! let dotenv = "\
//! REDIS_URL=rediss://app@${CACHE_HOST}:6380/3
//! REDIS_PASSWORD='open # sesame'
//! REDIS_CACHE_TTL=15m            # quotes move fast
//! ";
//! std::fs::write(folder.path().join(".env"), dotenv)?;
//!
//! // A program passes `std::env::vars_os()`.
//! let environment = [("CACHE_HOST", "cache.internal"), ("REDIS_LOCK_DEFAULT_TIMEOUT", "45s")];
//! let settings = Loader::in_folder(folder.path()).environment(environment).load()?;
//! assert_eq!(settings.redis.display_url(), "rediss://app:***@cache.internal:6380/3");
//! assert_eq!(settings.cache.ttl, Duration::from_secs(900));
//! assert_eq!(settings.lock.default_timeout, Duration::from_secs(45));
//! assert_eq!(settings.cache.prefix, "mystocks:");
//!
//! let error = Loader::new().environment([("REDIS_PROT", "6380")]).load().unwrap_err();
//! let expected = "load settings: REDIS_PROT in the environment: unknown key, \
//!                 expected a key of docs/configuration.md, the nearest is REDIS_PORT";
//! assert_eq!(error.to_string(), expected);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The keys themselves are listed in [`KEYS`].

mod assemble;
mod dotenv;
mod error;
mod file;
mod interpolate;
mod keys;
mod layer;
mod loader;
mod merged;
mod secret;
mod settings;
mod shown;
mod toml;
mod url;
mod value;

pub use error::{Error, ErrorKind, Problem};
pub use keys::{KEYS, KeyInfo};
pub use loader::Loader;
pub use secret::Secret;
pub use settings::{
    BusSettings, CacheSettings, Endpoint, FixationSettings, LockSettings, OtherPrograms, RedisSettings,
    SessionSettings, Settings,
};
pub use shown::ShownSetting;
