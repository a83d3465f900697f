//! The seam between fixation and durable storage.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::row::HeldRow;
use crate::error::Error;

/// Keeps hot rows for good.
///
/// [`MemoryHotRows`](crate::MemoryHotRows), [`CsvHotRows`](crate::CsvHotRows), with the feature `parquet` `ParquetHotRows` and with the feature
/// `postgres` `PostgresHotRows` implement it; the module `conformance::fixation` (feature `conformance`) holds one function per promise
/// made below and runs against all of them.
#[async_trait]
pub trait FixationTarget: Debug + Send + Sync + 'static {
    /// Has each of `rows` stand there once, by its kind, key and moment, and returns how many are new, other than what stood there or put later.
    ///
    /// # Behavior
    /// - All of them or, with an error, none. A file target keeps that for each kind and day by itself when the process ends in the middle.
    /// - The same call again changes nothing and returns 0.
    /// - Of rows with one identity the one with the greatest [`place`](HeldRow::place) stays, in whatever order and by however many processes they are
    ///   written: the place is kept with the row, also when its fields are those that stand there. Of equal places the last stays.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when a row can never be kept, whatever is done about the target: it is searched for among the
    ///   rows and given up, and the others are asked for again.
    /// - Anything else when the target is in trouble: the same call is made again until it succeeds.
    ///
    /// # Cancel safety
    /// A call that is dropped was made wholly or not at all; which of the two is not known. Making it again is right.
    async fn upsert(&self, rows: &[HeldRow]) -> Result<u64, Error>;
}

#[async_trait]
impl<T: FixationTarget + ?Sized> FixationTarget for Arc<T> {
    async fn upsert(&self, rows: &[HeldRow]) -> Result<u64, Error> {
        (**self).upsert(rows).await
    }
}
