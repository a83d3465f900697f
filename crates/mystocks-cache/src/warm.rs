//! Loading what will be asked for before it is.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch;
use crate::error::Error;
use crate::inner::Inner;
use crate::key::CacheKey;
use crate::outcome::Tier;

/// How many keys one call of the loader is asked for.
const BATCH: usize = 100;

/// How far a warm-up has got.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Warmed {
    /// Keys that were in L1 already.
    pub l1: u64,
    /// Keys that came from L2.
    pub l2: u64,
    /// Keys that were loaded.
    pub loaded: u64,
    /// Keys of which there is no such thing.
    pub absent: u64,
    /// Keys whose batch failed.
    pub failed: u64,
    /// The last error.
    pub last_error: Option<Error>,
}

impl Warmed {
    /// Returns how many keys are done.
    pub fn done(&self) -> u64 {
        self.l1 + self.l2 + self.loaded + self.absent + self.failed
    }
}

pub(crate) async fn warm<K, V, F, Fut, E>(
    inner: &Arc<Inner<K, V>>,
    keys: impl IntoIterator<Item = K>,
    concurrency: usize,
    load: F,
    mut progress: impl FnMut(&Warmed),
) -> Warmed
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: Fn(Vec<K>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
    E: StdError + Send + Sync + 'static,
{
    let mut warmed = Warmed::default();
    let mut keys = keys.into_iter();
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < concurrency.max(1) {
            let batch: Vec<K> = keys.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            let load = batch::together(load.clone());
            running.push(async move {
                let asked = batch.len() as u64;
                (asked, batch::get_or_compute_each(inner, &batch, load).await)
            });
        }
        let Some((asked, outcome)) = running.next().await else { return warmed };
        match outcome {
            Ok(found) => {
                warmed.absent += asked - found.len() as u64;
                for (_, outcome) in found {
                    match outcome.map(|outcome| outcome.tier) {
                        Ok(Tier::L1) => warmed.l1 += 1,
                        Ok(Tier::L2) => warmed.l2 += 1,
                        Ok(Tier::L3) => warmed.loaded += 1,
                        Err(error) => {
                            warmed.failed += 1;
                            warmed.last_error = Some(error);
                        }
                    }
                }
            }
            Err(error) => {
                warmed.failed += asked;
                warmed.last_error = Some(error);
            }
        }
        progress(&warmed);
    }
}
