//! The service over all tiers: in memory, with everything that is asked of a tier counted.

mod batch;
mod race;
mod real_data;
mod rig;
mod tiers;
mod trouble;
