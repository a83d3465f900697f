//! Cross-crate stories live in `tests/`: faults, many processes, interop. The Rust examples of README.md are compiled and run here.

/// The examples of README.md as doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
