//! Loads: once in the fleet for each result, from bars that are loaded once for all of them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use futures::future::join_all;
use mystocks_cache::{LoadCtx, Outcome, Tier};
use mystocks_ta::Bars;

use crate::announcer::Computation;
use crate::fault::Fault;
use crate::group::{Answer, Group};
use crate::kernel::compute;
use crate::key::{BarsKey, SeriesKey};
use crate::packed_bars::PackedBars;
use crate::read::Tiers;
use crate::series::IndicatorSeries;
use crate::source::LoadedBars;
use crate::symbol::Symbol;
use crate::version::SeriesVersion;
use crate::way::Way;

/// How many symbols' bars are loaded with one request.
const TOGETHER: usize = 64;

impl Tiers {
    /// Answers what is missing, or returns the version that the bars have instead.
    pub(crate) async fn load(self: &Arc<Self>, group: &mut Group) -> Result<(), SeriesVersion> {
        let missing = group.wanted.iter().enumerate().filter(|(_, wanted)| wanted.answer.is_none());
        let missing: Vec<usize> = missing.map(|(at, _)| at).collect();
        let keys =
            missing.iter().filter_map(|at| group.wanted.get(*at)).map(|wanted| group.key(&wanted.call));
        let fetched = join_all(keys.map(|key| self.fetch(key, group.bars.clone()))).await;
        for (at, fetched) in missing.into_iter().zip(fetched) {
            let answer = match fetched {
                Ok(answer) => Ok(answer),
                Err(Fault::Failed(error)) => Err(error),
                Err(Fault::Changed(now)) => return Err(now),
            };
            if let Some(wanted) = group.wanted.get_mut(at) {
                wanted.answer = Some(answer);
            }
        }
        Ok(())
    }

    async fn fetch(
        self: &Arc<Self>,
        key: SeriesKey,
        at_hand: Option<(Arc<Bars>, Way)>,
    ) -> Result<Answer, Fault> {
        let way = Arc::new(OnceLock::new());
        let load = {
            let (tiers, key, way) = (Arc::clone(self), key.clone(), Arc::clone(&way));
            move |context: LoadCtx<IndicatorSeries>| async move {
                let computation =
                    tiers.announcer.as_ref().map(|announcer| Computation::begin(announcer, &key));
                let made = async {
                    let (bars, came) = match at_hand {
                        Some(bars) => bars,
                        None => tiers.bars_of(&key).await?,
                    };
                    way.get_or_init(|| came);
                    compute(&key, &bars, &tiers.costs).map_err(Fault::Failed)
                };
                announce(computation, made.await, &context)
            }
        };
        let outcome = self.results.get_or_compute(&key, load).detail().await?;
        let way = match outcome.tier {
            Tier::L1 => Way::ResultL1,
            Tier::L2 => Way::ResultL2,
            Tier::L3 => way.get().copied().unwrap_or(Way::Source),
        };
        Ok(Answer { outcome, way })
    }

    /// Loads with as few requests as can be the bars of all that lack them; what this leaves out is loaded alone.
    pub(crate) async fn load_bars_together(&self, groups: &mut [Group]) {
        let lacking = groups.iter_mut().filter(|group| group.missing() > 0 && group.bars.is_none());
        let mut lacking: Vec<&mut Group> = lacking.collect();
        if lacking.len() < 2 {
            return;
        }
        for groups in lacking.chunks_mut(TOGETHER) {
            let keys: Vec<BarsKey> = groups.iter().map(|group| group.bars_key()).collect();
            let source = Arc::clone(&self.source);
            let load = move |keys: Vec<BarsKey>| {
                let source = Arc::clone(&source);
                async move {
                    let symbols: Vec<Symbol> = keys.iter().map(|key| key.symbol.clone()).collect();
                    let loaded = source.load_many(&symbols).await;
                    let all = keys.into_iter().zip(loaded).map(|(key, loaded)| {
                        let bars = loaded.map_err(Fault::Failed).and_then(|loaded| of_version(loaded, &key));
                        (key, bars)
                    });
                    all.collect::<HashMap<_, _>>()
                }
            };
            // What failed is loaded alone, and has an error of its own.
            let Ok(mut found) = self.bars.get_or_compute_each(&keys, load).await else { continue };
            for (group, key) in groups.iter_mut().zip(&keys) {
                let Some(Ok(outcome)) = found.remove(key) else { continue };
                group.bars = Some((Arc::clone(&outcome.value.0), way_of_bars(outcome.tier)));
            }
        }
    }

    /// Returns the bars of exactly the version of `key`, however many ask.
    async fn bars_of(self: &Arc<Self>, key: &SeriesKey) -> Result<(Arc<Bars>, Way), Fault> {
        let key = BarsKey { symbol: key.symbol.clone(), version: key.version.clone() };
        let load = {
            let (source, key) = (Arc::clone(&self.source), key.clone());
            move |_: LoadCtx<PackedBars>| async move {
                of_version(source.load(&key.symbol).await.map_err(Fault::Failed)?, &key)
            }
        };
        let Outcome { value, tier, .. } = self.bars.get_or_compute(&key, load).detail().await?;
        self.costs.saw_bars(value.0.len());
        Ok((Arc::clone(&value.0), way_of_bars(tier)))
    }
}

fn way_of_bars(tier: Tier) -> Way {
    match tier {
        Tier::L1 => Way::BarsL1,
        Tier::L2 => Way::BarsL2,
        Tier::L3 => Way::Source,
    }
}

/// The bars, if they are of the version that was asked for.
fn of_version(loaded: LoadedBars, key: &BarsKey) -> Result<PackedBars, Fault> {
    // They may have been revised since the version was asked for; computed from, they would be stored under the key of bars
    // they are not.
    if loaded.version == key.version {
        Ok(PackedBars(loaded.bars))
    } else {
        Err(Fault::Changed(loaded.version))
    }
}

/// Has it told what came of a computation: of a series when it was written, of a failure now.
fn announce(
    computation: Option<Computation>,
    made: Result<IndicatorSeries, Fault>,
    context: &LoadCtx<IndicatorSeries>,
) -> Result<IndicatorSeries, Fault> {
    let Some(computation) = computation else { return made };
    match made {
        Ok(series) => {
            let written = Arc::default();
            context.on_written(computation.succeed(Arc::clone(&written)));
            Ok(series.watched(written))
        }
        Err(fault) => {
            match &fault {
                Fault::Failed(error) => computation.fail(error.to_string()),
                Fault::Changed(_) => computation.void(),
            }
            Err(fault)
        }
    }
}
