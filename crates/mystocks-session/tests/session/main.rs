//! What sessions promise, and what attackers try.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod attacks;
mod faults;
mod front;
mod hidden;
mod limits;
mod metered;
mod races;
mod times;
mod tower;
mod world;
