//! The promises of the layer that caches HTTP responses.
#![cfg(feature = "http")]
#![expect(clippy::unwrap_used, reason = "what surrounds the tests may panic as they do")]
#![expect(clippy::disallowed_methods, reason = "a test ends its own tasks")]

mod bodies;
mod conditions;
mod flights;
mod invalidation;
mod origin;
mod privacy;
mod requests;
mod staleness;
#[cfg(feature = "redis")]
mod stores;
mod storing;
