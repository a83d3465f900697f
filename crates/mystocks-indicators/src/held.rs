//! Bars that were loaded once for all indicators that are missing at the same time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::fault::Fault;
use crate::source::{BarSource, LoadedBars};
use crate::symbol::Symbol;
use crate::version::SeriesVersion;

/// The bars of one version of one symbol, loaded by whoever needs them first.
#[derive(Debug)]
pub(crate) struct Held {
    symbol: Symbol,
    version: SeriesVersion,
    bars: OnceCell<LoadedBars>,
}

impl Held {
    /// Returns the bars, which are of exactly this version.
    pub(crate) async fn bars(&self, source: &dyn BarSource) -> Result<&LoadedBars, Fault> {
        self.bars
            .get_or_try_init(|| async {
                let loaded = source.load(&self.symbol).await.map_err(Fault::Failed)?;
                // The bars may have been revised since the version was asked for; computed from, they would be stored
                // under the key of bars they are not.
                if loaded.version == self.version { Ok(loaded) } else { Err(Fault::Changed(loaded.version)) }
            })
            .await
    }
}

/// The last few of them, the latest asked for first.
#[derive(Debug)]
pub(crate) struct HeldBars {
    most: usize,
    held: Mutex<VecDeque<Arc<Held>>>,
}

impl HeldBars {
    /// Keeps `most` series when nobody is using them any more.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, held: Mutex::default() }
    }

    pub(crate) fn of(&self, symbol: &Symbol, version: &SeriesVersion) -> Arc<Held> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let place = held.iter().position(|held| held.symbol == *symbol && held.version == *version);
        let found = place.and_then(|place| held.remove(place)).unwrap_or_else(|| {
            // Bars of an older version will not be asked for again.
            held.retain(|held| held.symbol != *symbol);
            Arc::new(Held { symbol: symbol.clone(), version: version.clone(), bars: OnceCell::new() })
        });
        held.push_front(Arc::clone(&found));
        held.truncate(self.most);
        found
    }
}
