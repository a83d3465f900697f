//! The front, on memory and on a real server.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod world;

mod basics;
mod commands;
