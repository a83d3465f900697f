//! Which of this process's knowledge is older than an invalidation, without a lock.

use crate::sync::{AtomicU64, Ordering};

/// Counts the invalidations that this process knows of, and remembers the last one of every key, by buckets of digests.
///
/// Who reads L2 or starts a load takes the [`now`](Self::now) of before; what was read is outdated as soon as its key was
/// invalidated after that. Nothing has to be found and removed for it, so an invalidation costs the same however much it
/// covers, and one that overtakes the answer of a read is no less effective. Two keys that share a bucket outdate each other,
/// which is a read of L2 too many and never one too few.
#[derive(Debug)]
pub(crate) struct Order {
    now: AtomicU64,
    buckets: Box<[AtomicU64]>,
}

/// As many as a bucket's number of 16 bits can name.
pub(crate) const BUCKETS: usize = 1 << 16;

impl Order {
    /// Makes an order with so many buckets, a power of two of at most [`BUCKETS`].
    pub(crate) fn new(buckets: usize) -> Self {
        Self { now: AtomicU64::new(1), buckets: (0..buckets).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Returns the number of the latest invalidation.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::Acquire)
    }

    /// Counts one invalidation and returns its number.
    pub(crate) fn step(&self) -> u64 {
        self.now.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Outdates what is known of the key with this digest.
    pub(crate) fn invalidate(&self, digest: u64) {
        let at = self.step();
        if let Some(bucket) = self.of(bucket(digest)) {
            bucket.fetch_max(at, Ordering::AcqRel);
        }
    }

    /// Returns whether what is in `bucket` was invalidated after `since`.
    pub(crate) fn is_outdated(&self, bucket: u16, since: u64) -> bool {
        self.of(bucket).is_some_and(|latest| latest.load(Ordering::Acquire) > since)
    }

    /// Restores a number of which only the lower half was kept, less than 2^32 steps ago.
    pub(crate) fn restore(&self, low: u32) -> u64 {
        let now = self.now();
        now.saturating_sub(u64::from(lower(now).wrapping_sub(low)))
    }

    fn of(&self, bucket: u16) -> Option<&AtomicU64> {
        self.buckets.get(usize::from(bucket) & self.buckets.len().saturating_sub(1))
    }
}

/// Returns the bucket of a digest.
pub(crate) fn bucket(digest: u64) -> u16 {
    let [low, high, ..] = digest.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// Returns the lower half of a number.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
pub(crate) fn lower(number: u64) -> u32 {
    number as u32
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_is_outdated_and_what_was_read_after_is_not() {
        let order = Order::new(16);
        let before = order.now();
        order.invalidate(5);
        let after = order.now();
        assert!(order.is_outdated(bucket(5), before));
        assert!(!order.is_outdated(bucket(5), after));
        assert!(!order.is_outdated(bucket(6), before));
        // 5 + 16 is in the same bucket of sixteen.
        assert!(order.is_outdated(bucket(21), before));
    }

    #[test]
    fn half_a_number_is_enough() {
        let order = Order::new(1);
        order.now.store((7 << 32) + 3, Ordering::Release);
        assert_eq!(order.restore(3), (7 << 32) + 3);
        assert_eq!(order.restore(0), 7 << 32);
        assert_eq!(order.restore(u32::MAX), (7 << 32) - 1);
    }
}
