//! The daily job on parts in memory: what it computes, counts, records, tells, and how it goes on after it was broken off.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod bars;
mod done;
mod failover;
mod fenced;
mod incremental;
mod large;
mod resumed;
mod revised;
mod rig;
mod store;
mod trouble;
mod whole;
