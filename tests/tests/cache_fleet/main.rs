//! The cache of several operating-system processes on a real Redis, with real kills and cuts.
//!
//! Every story prints its figures (`--nocapture`); `MYSTOCKS_FULL=1` tells it at full length.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a story prints its figures")]

mod ask;
mod desk;
mod fleet;
mod herd;
mod hot;
mod links;
mod node;
mod outages;
mod source;
mod steady;
mod tags;
mod touched;
mod watch;
