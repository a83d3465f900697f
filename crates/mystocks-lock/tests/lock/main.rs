//! The front, on memory and on a real server.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod world;

mod basics;
mod hygiene;
mod loss;
mod quorum;
mod strangers;
mod waiting;
