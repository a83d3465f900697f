//! The front, on memory and on a real server.

#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(clippy::print_stdout, reason = "faults print their seed")]

#[macro_use]
mod world;

mod basics;
mod commands;
mod gate;
mod handing;
mod hygiene;
mod late;
mod loss;
mod metered;
mod polling;
mod quorum;
mod shutdown;
mod stragglers;
mod strangers;
mod tracked;
mod waiting;
