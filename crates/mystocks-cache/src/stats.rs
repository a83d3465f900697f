//! What a cache counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::metric;

/// What a [`Cache`](crate::Cache) did since it was built.
///
/// Every finished request is in exactly one of `l1_hits`, `l2_hits`, `loaded`, `joined`, `stale`, `negative` and `errors`;
/// a request whose caller went away is in none. In a batch every key is a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheStats {
    /// Requests answered with a value from L1.
    pub l1_hits: u64,
    /// Requests answered with a value that they read from L2.
    pub l2_hits: u64,
    /// Requests answered with a value that their own loader made.
    pub loaded: u64,
    /// Requests answered with what another request of the same key fetched meanwhile.
    pub joined: u64,
    /// Requests answered with a value whose time is up, in want of a better one.
    pub stale: u64,
    /// Requests answered with "there is no such thing", or, in a batch read, found in no tier.
    pub negative: u64,
    /// Requests answered with an error.
    pub errors: u64,
    /// Loaders started, refreshes included.
    pub loads: u64,
    /// Loads started to replace an entry before its end.
    pub refreshes: u64,
    /// Loads whose value was not stored because the lease was lost, the key invalidated or a shared entry changed by another
    /// program meanwhile.
    pub overtaken: u64,
    /// Invalidations that this process heard from others.
    pub heard: u64,
    /// Reads and writes of L2 that failed; the requests went on without it.
    pub store_errors: u64,
    /// Entries found in L2 that were damaged, another key's, of another schema or version, or too large: each a miss.
    pub unreadable: u64,
    /// Values not stored because they were larger than the limit or did not encode.
    pub not_stored: u64,
    /// Entries in L1.
    pub l1_entries: u64,
    /// The weight of L1 in bytes.
    pub l1_bytes: u64,
    /// Fetches under way.
    pub in_flight: u64,
}

impl CacheStats {
    /// Hands the figures to the metrics recorder: a hit itself stays free of that.
    pub(crate) fn publish(&self, cache: &str) {
        for (outcome, count) in [
            ("l1_hit", self.l1_hits),
            ("l2_hit", self.l2_hits),
            ("loaded", self.loaded),
            ("joined", self.joined),
            ("stale", self.stale),
            ("negative", self.negative),
            ("error", self.errors),
        ] {
            metrics::counter!(metric::REQUESTS, "cache" => cache.to_owned(), "outcome" => outcome)
                .absolute(count);
        }
        for (name, value) in [
            (metric::L1_ENTRIES, self.l1_entries),
            (metric::L1_BYTES, self.l1_bytes),
            (metric::IN_FLIGHT, self.in_flight),
        ] {
            metrics::gauge!(name, "cache" => cache.to_owned()).set(value as f64);
        }
    }
}

macro_rules! counters {
    (striped $($striped:ident),*; $($name:ident),*) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($striped: Striped,)*
            $($name: AtomicU64,)*
        }

        impl Counters {
            $(pub(crate) fn $striped(&self) {
                self.$striped.add();
            })*

            $(pub(crate) fn $name(&self) {
                self.$name.fetch_add(1, Ordering::Relaxed);
            })*

            pub(crate) fn snapshot(&self) -> CacheStats {
                CacheStats {
                    $($striped: self.$striped.sum(),)*
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    ..CacheStats::default()
                }
            }
        }
    };
}

counters!(striped l1_hits, l2_hits; loaded, joined, stale, negative, errors, loads, refreshes, overtaken, heard, store_errors, unreadable, not_stored);

const STRIPES: usize = 64;

/// A counter for what is counted on every hit: each of the first threads of the process has a stripe of its own, on which
/// adding is a plain load and store; later threads share the last.
#[derive(Debug)]
struct Striped([Stripe; STRIPES]);

#[derive(Debug, Default)]
#[repr(align(64))]
struct Stripe(AtomicU64);

impl Default for Striped {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Stripe::default()))
    }
}

impl Striped {
    #[inline]
    fn add(&self) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static MINE: usize = THREADS.fetch_add(1, Ordering::Relaxed).min(STRIPES - 1);
        }
        let mine = MINE.try_with(|mine| *mine).unwrap_or(STRIPES - 1);
        let Some(Stripe(count)) = self.0.get(mine) else { return };
        if mine < STRIPES - 1 {
            count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        } else {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|Stripe(count)| count.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hit_is_lost_however_many_threads_count() {
        let counters = Counters::default();
        for _ in 0..4 {
            std::thread::scope(|scope| {
                for _ in 0..40 {
                    scope.spawn(|| (0..1000).for_each(|_| counters.l1_hits()));
                }
            });
        }
        assert_eq!(counters.snapshot().l1_hits, 160_000);
    }
}
