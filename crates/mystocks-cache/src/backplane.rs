//! The seam between the cache and whoever tells its processes of each other's invalidations.

use std::fmt::Debug;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::error::Error;

/// Invalidates entries for every process that shares a store, and tells this process what the others invalidated.
///
/// Memory and Redis implement it; `conformance` holds one function per promise.
#[async_trait]
pub trait Backplane: Debug + Send + Sync + 'static {
    /// Carries an invalidation out and tells the other processes; returns its stamp.
    ///
    /// # Behavior
    /// - One round trip and one message, however many entries it covers.
    /// - [`Invalidation::Keys`]: the entries are removed and their leases taken away in one step a key, before anybody is
    ///   told; who waits for such a lease is woken.
    /// - [`Invalidation::Mark`]: the mark's stamp becomes this invalidation's.
    /// - The stamp is drawn from the clock that [`Leases::take`](crate::Leases::take) draws from.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether it was carried out.
    async fn invalidate(&self, what: Invalidation<'_>) -> Result<u64, Error>;

    /// Returns the stamps of `marks`, 0 for one that was never set.
    async fn marks(&self, marks: &[&str]) -> Result<Vec<u64>, Error>;

    /// Starts to listen; the signals come in the order in which they happened.
    ///
    /// # Behavior
    /// - [`Signal::Up`] says that from now on nothing is missed, [`Signal::Down`] that something may have been since some
    ///   time before. The first signal is one of the two. A link that is silent but dead is found to be down within a second.
    /// - What this very backplane invalidated is not among the signals.
    /// - The listener that does not keep up is told so by `Down` and `Up`, and never slows anybody.
    /// - The stream ends when the receiver is dropped.
    fn listen(&self) -> mpsc::Receiver<Signal>;
}

/// What is to be invalidated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalidation<'a> {
    /// These entries, by their whole keys.
    Keys(&'a [&'a str]),
    /// Whatever is subject to this mark (a tag, or all of a cache) and has an older stamp; the whole key of the mark.
    Mark(&'a str),
    /// Nothing in the store (it was changed by other means): what the processes hold of the cache of this name is to be
    /// compared with the store before it is used again.
    Recheck(&'a str),
}

/// What a listener is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// The link stands: nothing that happens from now on is missed.
    Up,
    /// The link is lost.
    Down,
    /// Entries were invalidated or replaced, by the digests of their keys (see [`digest`]).
    Keys {
        /// The digests.
        digests: Vec<u64>,
        /// The stamp of the invalidation.
        stamp: u64,
    },
    /// A mark was set.
    Mark {
        /// The whole key of the mark.
        mark: String,
        /// The stamp of the invalidation.
        stamp: u64,
    },
    /// What is held of this cache is to be compared with the store, and not to be used before.
    Recheck {
        /// The name of the cache.
        cache: String,
    },
}

/// Returns the digest by which messages name the key `key`: the same in every process and on every machine.
pub fn digest(key: &str) -> u64 {
    rapidhash::v3::rapidhash_v3(key.as_bytes())
}
