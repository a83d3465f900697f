//! Every Redis key and channel name of the platform, and the JSON dialect their digests are made of.
//!
//! A Python process and a Rust process share cache entries, locks and events only if both spell every name the same, byte for
//! byte. So names are spelled nowhere but here. [`Keyspace`] makes them and refuses what does not belong into a key:
//! braces, glob characters, control characters, empty segments. [`Json`] reads and writes what Python's `json` module does.
//!
//! ```
//! use mystocks_keys::{ChannelName, Json, Keyspace};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = Keyspace::default();
//! let params = Json::parse(br#"{"timeperiod": 20}"#)?;
//!
//! // Shared with the Python side: the digest of the parameters is the one Python computes.
//! let key = keys.indicator("600519.SH", "SMA", &params)?;
//! assert_eq!(key.as_str(), "mystocks:indicator:600519.SH:SMA:ecdf2aa9");
//! assert_eq!(key.lease().as_str(), "{mystocks:indicator:600519.SH:SMA:ecdf2aa9}:lease");
//! let lock = keys.lock_indicator("600519.SH", "SMA", &params)?;
//! assert_eq!(lock.as_str(), "mystocks:lock:indicator:calc:600519.SH:SMA:ecdf2aa9");
//! let channel = keys.channel(ChannelName::MarketOf("600519.SH"))?;
//! assert_eq!(channel.as_str(), "mystocks:events:market:600519.SH");
//!
//! // Deleting by pattern must not take locks along, though they share the prefix.
//! assert_eq!(keys.pattern("*")?.as_str(), "mystocks:*");
//! assert!(keys.is_foreign(lock.as_str()) && !keys.is_foreign(key.as_str()));
//!
//! let refused = keys.entry("lock:report").unwrap_err();
//! assert!(refused.to_string().contains("would lie under \"mystocks:lock:\""));
//! # Ok(())
//! # }
//! ```

mod channel;
mod digest;
mod glob;
mod invalid_key;
mod journal;
mod json;
mod key;
mod keyspace;
mod prefixes;
mod rule;
mod stream;

pub use channel::{Channel, ChannelName, ChannelPattern};
pub use digest::digest8;
pub use glob::glob_matches;
pub use invalid_key::{InvalidKey, InvalidKeyKind};
pub use journal::{Journal, Journals};
pub use json::{Integer, Json, JsonError, JsonErrorKind, MAX_DEPTH, MAX_TEXT_BYTES, Utf16};
pub use key::{Key, Pattern, Sidecar};
pub use keyspace::Keyspace;
pub use prefixes::Prefixes;
pub use rule::MAX_KEY_BYTES;
pub use stream::{Stream, StreamGroup};
