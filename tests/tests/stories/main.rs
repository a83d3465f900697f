//! What the crates promise together: real Redis, real files, many operating-system processes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod announced;
mod bars;
mod binary;
mod connection;
mod demo;
mod demo_refused;
mod indicators;
mod lifetime;
mod outage;
mod processes;
mod raw;
mod shared_keys;
mod worker;
