//! The seam between the cache and whoever holds the leases of its loads.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Error;

/// Lends out, for every process that shares a store, the right to load a key, and writes what was loaded.
///
/// A lease is a token beside the entry with a time to live of its own. Only who still holds it can write the entry, so an
/// invalidation that takes the lease away keeps everything out that began before it. Stamps are drawn from one clock of
/// the store: each is greater than every one drawn before, whatever any host's clock says.
///
/// Memory and Redis implement it; `conformance` holds one function per promise.
///
/// # Cancel safety
/// Dropping a future leaves it open whether the request was carried out; a lease that was taken that way ends by its time
/// to live.
#[async_trait]
pub trait Leases: Debug + Send + Sync + 'static {
    /// Takes, for `ttl`, the lease of every wanted key that nobody holds and whose entry is still the one that was seen.
    ///
    /// # Behavior
    /// - The answer is as long as `wanted`, in that order; one round trip.
    /// - A key is looked at in one step: of many processes that want it, one takes it.
    /// - With [`Want::by_force`] the lease is taken from whoever holds it, whatever stands in the entry.
    async fn take(&self, wanted: &[Want<'_>], ttl: Duration) -> Result<Vec<Take>, Error>;

    /// Waits until the lease of `key` is free, or for `at_most`.
    ///
    /// # Behavior
    /// - Returns at once when nobody holds the lease.
    /// - Returns soon after the holder gave it back or lost it to an invalidation, and shortly after it expired.
    /// - May return early; who waits looks again.
    async fn wait(&self, key: &str, at_most: Duration) -> Result<(), Error>;

    /// Gives every lease that is still held a new time to live, and returns which are.
    async fn renew(&self, held: &[Held<'_>], ttl: Duration) -> Result<Vec<bool>, Error>;

    /// Writes every entry whose lease is still held, gives those leases back, and returns which were written.
    ///
    /// # Behavior
    /// - The answer is as long as `writes`; all in one round trip; each key in one step.
    /// - A write whose lease is not held changes nothing.
    /// - With [`Write::seen`] the entry is written only if it is still the one that was seen; if another stands there now, or
    ///   none, the entry stays as it is and nobody is told, but the lease is given back and who waits is woken. The answer is
    ///   `false`, as for a lease that was lost: either way somebody else's change came later than the load, and counts.
    /// - Who waits for a lease that is given back is woken; where nobody waits, nothing is announced.
    /// - With [`Write::announce`] every other process is told, in the same step, that the entry was replaced.
    async fn commit(&self, writes: &[Write<'_>]) -> Result<Vec<bool>, Error>;

    /// Gives the leases back that are still held, and wakes who waits for them.
    async fn release(&self, held: &[Held<'_>]) -> Result<(), Error>;
}

/// A lease that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Want<'a> {
    /// The whole key of the entry.
    pub key: &'a str,
    /// Who asks: unique for every load.
    pub token: &'a str,
    /// The entry as it was seen; another that stands there now is answered instead of the lease, none is not.
    pub seen: Seen<'a>,
    /// Take it, whoever holds it.
    pub by_force: bool,
}

/// What was seen of an entry, to find out whether it is still the same one.
///
/// No bytes are no entry, and an entry without bytes is as good as none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Its first [`SEEN`] bytes, or all if there are fewer.
    ///
    /// Enough where an envelope stands before every value: its stamp is no other entry's.
    Head(&'a [u8]),
    /// All its bytes.
    ///
    /// For entries without an envelope, that other programs write too: two values may begin alike and be of one length. An
    /// implementation may compare a cryptographic digest in their place.
    Whole(&'a [u8]),
}

impl Seen<'_> {
    /// No entry.
    pub const NOTHING: Self = Self::Head(&[]);

    /// Returns whether `entry` (empty for none) is what was seen.
    pub fn is(&self, entry: &[u8]) -> bool {
        match *self {
            Self::Head(seen) => entry.get(..SEEN).unwrap_or(entry) == seen,
            Self::Whole(seen) => entry == seen,
        }
    }
}

/// How many bytes of an entry tell it from its successor: those of the envelope's head.
pub const SEEN: usize = 64;

/// What became of a wanted lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// The caller holds it now.
    Taken {
        /// The stamp of what will be written under it: microseconds since the Unix epoch, or one more than the last.
        stamp: u64,
    },
    /// The entry is another than the one that was seen: here it is.
    Changed(Bytes),
    /// Somebody else holds it, for so long unless it is renewed.
    Busy(Duration),
}

/// A lease that the caller believes to hold.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// The whole key of the entry.
    pub key: &'a str,
    /// The token it was taken with.
    pub token: &'a str,
}

/// An entry to write under a lease.
#[derive(Debug, Clone)]
pub struct Write<'a> {
    /// The lease.
    pub held: Held<'a>,
    /// The bytes.
    pub value: Bytes,
    /// How long the entry lives; at least one millisecond.
    pub ttl: Duration,
    /// What stood there when the lease was taken, where others write who take no lease; `None` where nobody does, or where
    /// the value replaces whatever stands there.
    pub seen: Option<Seen<'a>>,
    /// Tell the other processes, as [`Backplane::invalidate`](crate::Backplane::invalidate) of this key does.
    pub announce: bool,
}
