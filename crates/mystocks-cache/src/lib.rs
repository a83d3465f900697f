//! Read-through cache in three tiers: L1 in the process, L2 in Redis, L3 the loader.

mod error;
mod store;

pub use error::{Error, ErrorKind};
pub use store::{Cursor, Lifetime, Page, Put, Store};
