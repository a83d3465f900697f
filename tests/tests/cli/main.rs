//! The commands of the program `mystocks`, run as a person runs them, on real servers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bus;
mod cache;
mod calc;
mod dead_letters;
mod liar;
mod locks;
#[path = "../stories/raw.rs"]
mod raw;
mod run;
mod settings;
mod verify;
mod verify_broken;
mod verify_lied_to;
