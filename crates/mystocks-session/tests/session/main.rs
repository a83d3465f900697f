//! What sessions promise, and what attackers try.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod attacks;
mod front;
mod hidden;
mod limits;
mod races;
mod times;
mod tower;
mod world;
