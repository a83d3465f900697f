//! Versions that are taken for the present ones for a while.

use std::borrow::Cow;
use std::sync::Arc;

use mystocks_cache::{CacheKey, LoadCtx};

use crate::error::{Error, ErrorKind};
use crate::fault::Fault;
use crate::read::Tiers;
use crate::symbol::Symbol;
use crate::version::SeriesVersion;

/// Whose version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct VersionKey(Symbol);

impl CacheKey for VersionKey {
    fn segments(&self) -> Vec<Cow<'_, str>> {
        // A symbol of 32 hexadecimal digits would read like a digest of parameters, were it the last.
        vec![Cow::Borrowed(self.0.as_str()), Cow::Borrowed("version")]
    }
}

impl Tiers {
    /// Returns which content the bars of `symbol` have, or had a moment ago that is short enough.
    pub(crate) async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error> {
        let Some(trusted) = &self.trusted else { return self.source.version(symbol).await };
        let load = {
            let (source, symbol) = (Arc::clone(&self.source), symbol.clone());
            move |_: LoadCtx<SeriesVersion>| async move { source.version(&symbol).await.map_err(Fault::Failed) }
        };
        match trusted.get_or_compute(&VersionKey(symbol.clone()), load).await {
            Ok(version) => Ok((*version).clone()),
            Err(error) => Err(failure(error, symbol)),
        }
    }

    /// Returns for each of `symbols` what [`version`](Self::version) would, with as few questions as can be.
    pub(crate) async fn versions(&self, symbols: &[Symbol]) -> Vec<Result<SeriesVersion, Error>> {
        let Some(trusted) = &self.trusted else { return self.source.versions(symbols).await };
        let keys: Vec<VersionKey> = symbols.iter().cloned().map(VersionKey).collect();
        let known = trusted.get_many(&keys).await.unwrap_or_default();
        let mut known = known.into_iter().map(|found| found.map(|found| Ok((*found.value).clone())));
        let mut versions: Vec<Option<Result<_, Error>>> =
            symbols.iter().map(|_| known.next().flatten()).collect();
        let asked: Vec<usize> =
            versions.iter().enumerate().filter(|(_, known)| known.is_none()).map(|(at, _)| at).collect();
        if !asked.is_empty() {
            let wanted: Vec<VersionKey> = asked.iter().filter_map(|at| keys.get(*at)).cloned().collect();
            let source = Arc::clone(&self.source);
            let load = move |keys: Vec<VersionKey>| {
                let source = Arc::clone(&source);
                async move {
                    let symbols: Vec<Symbol> = keys.iter().map(|key| key.0.clone()).collect();
                    let versions = source.versions(&symbols).await;
                    let all = keys.into_iter().zip(versions);
                    all.map(|(key, version)| (key, version.map_err(Fault::Failed))).collect()
                }
            };
            let found = trusted.get_or_compute_each(&wanted, load).await.unwrap_or_default();
            for at in asked {
                let (Some(key), Some(place)) = (keys.get(at), versions.get_mut(at)) else { continue };
                *place = Some(match found.get(key) {
                    Some(Ok(version)) => Ok((*version.value).clone()),
                    Some(Err(error)) => Err(failure(error.clone(), &key.0)),
                    None => self.version(&key.0).await,
                });
            }
        }
        let unanswered = || Err(Error::new(ErrorKind::Cache, "read", "versions"));
        versions.into_iter().map(|version| version.unwrap_or_else(unanswered)).collect()
    }

    /// Ends the trust in what was told of `symbol`, everywhere.
    pub(crate) async fn distrust(&self, symbol: &Symbol) -> Result<(), Error> {
        let Some(trusted) = &self.trusted else { return Ok(()) };
        let done = trusted.invalidate(&VersionKey(symbol.clone())).await;
        done.map(drop).map_err(|error| {
            Error::new(ErrorKind::Cache, "end the trust in the version of", symbol.as_str())
                .with_source(error)
        })
    }
}

/// What the source said, if it was asked.
fn failure(error: mystocks_cache::Error, symbol: &Symbol) -> Error {
    match Fault::from(error) {
        Fault::Failed(error) => error,
        // Nobody looks at bars here; if somebody did, the next look would tell.
        Fault::Changed(_) => Error::new(ErrorKind::Changing, "read the version of", symbol.as_str()),
    }
}
