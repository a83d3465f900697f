//! What the children of these tests are told.

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) use mystocks_tests::child::{Child, order, say};
use serde::{Deserialize, Serialize};

/// What every child has to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) url: String,
    /// Where what is protected lies.
    pub(crate) resource: String,
    pub(crate) name: String,
    pub(crate) seed: u64,
}

/// Microseconds since the epoch: all processes are on one host.
pub(crate) fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}
