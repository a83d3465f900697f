//! The read path: the ways to an answer, tried in the order of what they cost, all under one version of the bars.

use std::sync::Arc;

use futures::{StreamExt, stream};
use mystocks_cache::Cache;

use crate::announcer::Announcer;
use crate::costs::Costs;
use crate::counts::Counts;
use crate::error::{Error, ErrorKind};
use crate::group::{Group, Placed};
use crate::key::{BarsKey, SeriesKey};
use crate::near::Near;
use crate::packed_bars::PackedBars;
use crate::series::IndicatorSeries;
use crate::source::BarSource;
use crate::trusted::VersionKey;
use crate::version::SeriesVersion;
use crate::way::Reading;

/// How often bars that change while they are read are begun again.
const ATTEMPTS: usize = 3;
/// How many symbols are loaded at a time.
const CONCURRENT_SYMBOLS: usize = 8;

/// What a service is made of.
#[derive(Debug)]
pub(crate) struct Tiers {
    pub(crate) source: Arc<dyn BarSource>,
    pub(crate) reading: Reading,
    pub(crate) results: Cache<SeriesKey, IndicatorSeries>,
    pub(crate) bars: Cache<BarsKey, PackedBars>,
    /// Where versions are trusted for a while.
    pub(crate) trusted: Option<Cache<VersionKey, SeriesVersion>>,
    pub(crate) near: Near,
    pub(crate) costs: Costs,
    pub(crate) counts: Counts,
    pub(crate) announcer: Option<Announcer>,
    /// Whether there is a store to ask.
    pub(crate) has_store: bool,
}

impl Tiers {
    /// Reads all that is wanted; the answers for one symbol are of one version. `batch` has the end of each symbol told.
    pub(crate) async fn read(self: &Arc<Self>, mut groups: Vec<Group>, batch: bool) -> Vec<Placed> {
        self.look_around(&mut groups).await;
        self.load_bars_together(&mut groups).await;
        let finished = stream::iter(groups).map(|group| self.finish(group, batch));
        let mut finished = finished.buffer_unordered(CONCURRENT_SYMBOLS);
        let mut answers = Vec::new();
        while let Some(placed) = finished.next().await {
            answers.extend(placed);
        }
        answers
    }

    async fn finish(self: &Arc<Self>, mut group: Group, batch: bool) -> Vec<Placed> {
        let told = match (&self.announcer, batch) {
            (Some(announcer), true) => {
                Some((announcer, group.symbol.clone(), group.indicators(), group.began))
            }
            _ => None,
        };
        if let Err(error) = self.load_until_settled(&mut group).await {
            group.fail(&error);
        }
        let answers = group.answers();
        for (_, answer) in &answers {
            self.counts.answered(answer.as_ref().ok().map(|result| result.detail().way));
        }
        if let Some((announcer, symbol, indicators, began)) = told {
            announcer.batch(&symbol, &answers, indicators, began.elapsed());
        }
        answers
    }

    async fn load_until_settled(self: &Arc<Self>, group: &mut Group) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let Err(now) = self.load(group).await else { return Ok(()) };
            tracing::debug!(symbol = %group.symbol, %now, "the bars changed while they were read");
            // Others would go on asking for what is not there any more.
            let _ = self.distrust(&group.symbol).await;
            group.restart(now);
            self.look_around(std::slice::from_mut(group)).await;
        }
        let detail = format!("they had another version {ATTEMPTS} times in a row");
        Err(Error::new(ErrorKind::Changing, "read the bars of", group.symbol.as_str()).with_detail(detail))
    }
}
