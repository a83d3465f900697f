//! The bars and results of a real PostgreSQL: `cargo xtask integration --only postgres`.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod adjusted;
mod batch;
mod conformance;
mod data;
mod hot_rows;
mod revised;
mod rig;
mod server;
mod settings;
mod trouble;
mod written;
