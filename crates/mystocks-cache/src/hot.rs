//! Which keys are read most: a small sketch of what was sampled.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::key::CacheKey;

/// How many keys a half of the sketch counts; more and the least read ones are overwritten (Space-Saving).
const KEYS: usize = 512;
/// How long a half counts before it is the older one.
const HALF: Duration = Duration::from_secs(30 * 60);
/// One of so many reads is counted.
const SAMPLED: u32 = 16;

/// Counts the reads of the last half to whole hour.
#[derive(Debug)]
pub(crate) struct Hot<K>(Option<Mutex<Halves<K>>>);

#[derive(Debug)]
struct Halves<K> {
    newer: HashMap<K, u64>,
    older: HashMap<K, u64>,
    since: Instant,
}

impl<K: CacheKey> Hot<K> {
    pub(crate) fn new(is_on: bool) -> Self {
        let halves = || Halves { newer: HashMap::new(), older: HashMap::new(), since: Instant::now() };
        Self(is_on.then(|| Mutex::new(halves())))
    }

    /// Counts a read, or does not: it is sampled.
    #[inline]
    pub(crate) fn read(&self, key: &K) {
        if let Some(halves) = &self.0 {
            Self::sample(halves, key);
        }
    }

    #[cold]
    fn sample(halves: &Mutex<Halves<K>>, key: &K) {
        if fastrand::u32(..SAMPLED) == 0 {
            lock(halves).count(key);
        }
    }

    /// Returns the most read keys, the most read one first.
    pub(crate) fn hottest(&self, most: usize) -> Vec<K> {
        let Some(halves) = &self.0 else { return Vec::new() };
        let halves = lock(halves);
        let mut sums: HashMap<&K, u64> = HashMap::new();
        for (key, count) in halves.newer.iter().chain(&halves.older) {
            *sums.entry(key).or_default() += count;
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by(|(_, one), (_, other)| other.cmp(one));
        sums.into_iter().take(most).map(|(key, _)| key.clone()).collect()
    }
}

impl<K: CacheKey> Halves<K> {
    fn count(&mut self, key: &K) {
        if self.since.elapsed() >= HALF {
            self.older = std::mem::take(&mut self.newer);
            self.since = Instant::now();
        }
        if let Some(count) = self.newer.get_mut(key) {
            *count += 1;
            return;
        }
        let mut count = 1;
        if self.newer.len() >= KEYS {
            let least = self.newer.iter().min_by_key(|(_, count)| **count).map(|(key, _)| key.clone());
            // The newcomer inherits what it replaces: counts are never too low for a key that matters.
            count += least.and_then(|least| self.newer.remove(&least)).unwrap_or(0);
        }
        self.newer.insert(key.clone(), count);
    }
}

fn lock<K>(halves: &Mutex<Halves<K>>) -> MutexGuard<'_, Halves<K>> {
    halves.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_most_read_keys_are_found_among_many() {
        let hot = Hot::new(true);
        for round in 0..200_000_u32 {
            hot.read(&format!("cold:{round}"));
            hot.read(&format!("hot:{}", round % 3));
        }
        let mut hottest = hot.hottest(3);
        hottest.sort();
        assert_eq!(hottest, ["hot:0", "hot:1", "hot:2"]);
        tokio::time::advance(HALF).await;
        (0..100_000).for_each(|_| hot.read(&"new".to_owned()));
        tokio::time::advance(HALF).await;
        (0..1_000).for_each(|_| hot.read(&"new".to_owned()));
        assert_eq!(hot.hottest(9), ["new"]);
        assert!(Hot::<String>::new(false).hottest(3).is_empty());
    }
}
