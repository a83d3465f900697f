//! The atomics and locks of the L1 state machine: std's, or loom's when its model is checked.

#[cfg(not(feature = "model"))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(feature = "model")]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
