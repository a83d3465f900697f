//! What the model of L1 (`tests/model.rs`) sees of the order of invalidations; only with the feature `model`.

use crate::order;

/// The order of one process's invalidations, on loom's atomics.
#[derive(Debug)]
pub struct Order(order::Order);

impl Order {
    /// Makes an order with one bucket: every key outdates every other, which is the harder case.
    pub fn single() -> Self {
        Self(order::Order::new(1))
    }

    /// Returns the number to take before L2 is read.
    pub fn now(&self) -> u64 {
        self.0.now()
    }

    /// Counts one invalidation and returns its number.
    pub fn step(&self) -> u64 {
        self.0.step()
    }

    /// Outdates what is known of the key with this digest.
    pub fn invalidate(&self, digest: u64) {
        self.0.invalidate(digest);
    }

    /// Returns whether L1 serves what was read at `since`: by its quick look or, when that says no, by its close one.
    pub fn serves(&self, digest: u64, since: u64) -> bool {
        let quick = order::lower(since) == order::lower(self.0.now());
        quick || !self.0.is_outdated(order::bucket(digest), self.0.restore(order::lower(since)))
    }
}
