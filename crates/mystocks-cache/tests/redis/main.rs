//! What only the store in Redis promises: which commands it sends, on which connections, what it makes of strange answers.
#![cfg(feature = "redis")]
#![expect(clippy::disallowed_methods, reason = "a test ends its own tasks")]

// `cfg(test)` holds here anyway; it tells clippy that what these modules unwrap they unwrap in a test.
#[cfg(test)]
mod commands;
#[cfg(test)]
#[path = "../fixture/mod.rs"]
mod fixture;
#[cfg(test)]
mod gather;
#[cfg(test)]
mod globs;
#[cfg(test)]
mod neighbours;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod repeats;
#[cfg(test)]
#[path = "../fixture/neighbours.rs"]
mod story;
#[cfg(test)]
mod tracking;
#[cfg(test)]
mod wire;
