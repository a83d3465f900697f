//! Names of symbols for the errors that say that one is unknown.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;
use crate::symbol::Symbol;

/// How long names are kept: who asks for what is not there, again and again, does not have all of them listed each time.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// Names of symbols for the errors that say that one is unknown; some seconds old at most.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    held: Arc<Mutex<Option<Held>>>,
}

#[derive(Debug, Clone)]
struct Held {
    since: Instant,
    symbols: Arc<[Symbol]>,
}

impl Known {
    /// Returns the names that are held, or else what `list` gives.
    pub(super) async fn symbols(
        &self,
        list: impl Future<Output = Result<Vec<Symbol>, Error>>,
    ) -> Result<Arc<[Symbol]>, Error> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(held) = held.filter(|held| held.since.elapsed() < KEPT_FOR) {
            return Ok(held.symbols);
        }
        let symbols: Arc<[Symbol]> = list.await?.into();
        let held = Held { since: Instant::now(), symbols: Arc::clone(&symbols) };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(symbols)
    }
}
