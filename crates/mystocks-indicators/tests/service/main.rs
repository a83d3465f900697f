//! The service over all tiers: in memory, with everything that is asked of a tier counted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod announced;
mod announced_trouble;
mod batch;
mod batch_errors;
mod gate;
mod race;
mod real_data;
mod rig;
mod tiers;
mod trouble;
mod ways;
