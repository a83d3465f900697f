//! `mystocks serve`: the real program, real Redis, real connections.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod calculated;
mod client;
mod degraded;
mod documented;
mod drained;
mod guarded;
mod kept;
mod limited;
#[cfg(feature = "integration")]
mod postgres;
mod service;
