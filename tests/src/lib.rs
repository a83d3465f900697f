//! Cross-crate stories live in `tests/`: faults, many processes, interop. The Rust examples of README.md are compiled and run here.

pub mod child;
pub mod program;

use std::future::Future;
use std::str::FromStr;

use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// The examples of README.md as doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// Returns the number that `cargo xtask soak` sets `name` to; `None` without it.
///
/// # Panics
/// When it is no number.
pub fn number<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var_os(name)?;
    Some(text.to_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} is no number")))
}

/// Returns whether this is the soak, with all there is to try.
pub fn is_long() -> bool {
    std::env::var_os("MYSTOCKS_MINUTES").is_some()
}

/// Returns the seed that is given, or draws one.
///
/// # Panics
/// When the one that is given is no number.
pub fn seed() -> u64 {
    number("MYSTOCKS_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32))
}

/// Runs `task` beside the test, until it is dropped.
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(TaskTracker::new().spawn(task))
}
