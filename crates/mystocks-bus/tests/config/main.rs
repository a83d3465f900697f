//! Settings that are read anew, in memory and on a real server.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod log;
mod reload;
