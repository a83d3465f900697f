//! What can be answered without a load: from this process, then from the store, each asked for what is cheapest.

use std::sync::Arc;

use mystocks_cache::{Cache, CacheKey, Outcome, Tier};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::costs::{Ask, Road};
use crate::group::{Answer, Group};
use crate::kernel::compute;
use crate::key::{BarsKey, SeriesKey};
use crate::read::Tiers;
use crate::way::{Reading, Way};

impl Tiers {
    /// Answers what can be answered without a load: from this process, then from the store.
    pub(crate) async fn look_around(&self, groups: &mut [Group]) {
        groups.iter_mut().for_each(|group| self.look_here(group));
        let alone = groups.iter().map(Group::missing).sum::<usize>() <= 1;
        let asks: Vec<Ask> = groups.iter().map(|group| self.ask(group, alone)).collect();
        self.ask_store(groups, &asks).await;
        let second: Vec<Ask> =
            groups.iter().zip(&asks).map(|(group, asked)| self.ask_again(group, *asked)).collect();
        self.ask_store(groups, &second).await;
    }

    fn look_here(&self, group: &mut Group) {
        let answer = |outcome| Some(Ok(Answer { outcome, way: Way::ResultL1 }));
        for at in 0..group.wanted.len() {
            let Some(wanted) = group.wanted.get(at).filter(|wanted| wanted.answer.is_none()) else {
                continue;
            };
            let key = group.key(&wanted.call);
            let found = match self.reading.takes(Way::ResultL1) {
                true => self.near.get(&key).or_else(|| self.results.get_from_l1(&key)),
                false => None,
            };
            if let (Some(outcome), Some(wanted)) = (found, group.wanted.get_mut(at)) {
                wanted.answer = answer(outcome);
            }
        }
        if group.missing() > 0 && self.reading.takes(Way::BarsL1) {
            let held = self.bars.get_from_l1(&group.bars_key());
            group.bars = held.map(|held| (Arc::clone(&held.value.0), Way::BarsL1));
            self.compute_here(group);
        }
    }

    /// What to ask the store for about `group`; `alone` when nothing else is wanted.
    fn ask(&self, group: &Group, alone: bool) -> Ask {
        let missing = group.missing();
        if missing == 0 || !self.has_store {
            return Ask::Nothing;
        }
        match self.reading {
            // One alone is asked for when it is loaded.
            Reading::Results if alone => Ask::Nothing,
            Reading::Results | Reading::Only(Way::ResultL2) => Ask::Results,
            Reading::Only(Way::BarsL2) => Ask::Bars,
            Reading::Only(_) => Ask::Nothing,
            // What is not cheap to compute from bars at hand is still missing here.
            Reading::Cheapest if group.bars.is_some() => Ask::Results,
            Reading::Cheapest => self.costs.plan(missing, self.estimate(group)),
        }
    }

    /// What was not asked for in the first place and may still help.
    fn ask_again(&self, group: &Group, asked: Ask) -> Ask {
        match asked {
            _ if self.reading != Reading::Cheapest || group.missing() == 0 || group.bars.is_some() => {
                Ask::Nothing
            }
            Ask::Results => Ask::Bars,
            Ask::Bars => Ask::Results,
            Ask::Nothing | Ask::Both => Ask::Nothing,
        }
    }

    async fn ask_store(&self, groups: &mut [Group], asks: &[Ask]) {
        let asked = |wanted: [Ask; 2]| {
            let groups = groups.iter().enumerate().zip(asks);
            groups.filter(move |(_, ask)| wanted.contains(ask)).map(|((at, group), _)| (at, group))
        };
        let results: Vec<(usize, usize, SeriesKey)> = asked([Ask::Results, Ask::Both])
            .flat_map(|(at, group)| {
                let missing = group.wanted.iter().enumerate().filter(|(_, wanted)| wanted.answer.is_none());
                missing.map(move |(which, wanted)| (at, which, group.key(&wanted.call)))
            })
            .collect();
        let bars: Vec<(usize, BarsKey)> =
            asked([Ask::Bars, Ask::Both]).map(|(at, group)| (at, group.bars_key())).collect();
        let (result_keys, bars_keys): (Vec<_>, Vec<_>) = (
            results.iter().map(|(.., key)| key.clone()).collect(),
            bars.iter().map(|(_, key)| key.clone()).collect(),
        );
        let (found_results, found_bars) = tokio::join!(
            find(&self.results, &self.costs.results, &result_keys),
            find(&self.bars, &self.costs.bars, &bars_keys)
        );
        for ((at, which, _), found) in results.iter().zip(found_results) {
            let wanted = groups.get_mut(*at).and_then(|group| group.wanted.get_mut(*which));
            if let (Some(outcome), Some(wanted)) = (found, wanted) {
                let way = if outcome.tier == Tier::L1 { Way::ResultL1 } else { Way::ResultL2 };
                wanted.answer = Some(Ok(Answer { outcome, way }));
            }
        }
        for ((at, _), found) in bars.iter().zip(found_bars) {
            if let (Some(found), Some(group)) = (found, groups.get_mut(*at)) {
                let way = if found.tier == Tier::L1 { Way::BarsL1 } else { Way::BarsL2 };
                group.bars = Some((Arc::clone(&found.value.0), way));
                self.compute_here(group);
            }
        }
    }

    /// Computes what is missing from bars at hand, where that costs less than asking for it.
    fn compute_here(&self, group: &mut Group) {
        let Some((bars, way)) = group.bars.clone() else { return };
        let only = matches!(self.reading, Reading::Only(_));
        if !self.reading.takes(way) || !only && !self.costs.is_cheap(group.missing(), self.estimate(group)) {
            return;
        }
        for at in 0..group.wanted.len() {
            let Some(wanted) = group.wanted.get(at).filter(|wanted| wanted.answer.is_none()) else {
                continue;
            };
            let key = group.key(&wanted.call);
            let made = compute(&key, &bars, &self.costs);
            let answer = made.map(|series| Answer { outcome: self.near.put(key, series), way });
            if let Some(wanted) = group.wanted.get_mut(at) {
                wanted.answer = Some(answer);
            }
        }
    }

    /// Microseconds that computing what is missing should take.
    fn estimate(&self, group: &Group) -> f32 {
        let bars = group.bars.as_ref().map_or_else(|| self.costs.usual_bars(), |(bars, _)| bars.len());
        let missing = group.wanted.iter().filter(|wanted| wanted.answer.is_none());
        missing.map(|wanted| self.costs.kernel(wanted.call.indicator.abbreviation, bars)).sum()
    }
}

/// Reads `keys`, and notes what that cost.
async fn find<K, V>(cache: &Cache<K, V>, road: &Road, keys: &[K]) -> Vec<Option<Outcome<V>>>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    if keys.is_empty() {
        return Vec::new();
    }
    let began = Instant::now();
    // What cannot be read together is loaded one by one, each with its own error.
    let found = cache.get_many(keys).await.unwrap_or_default();
    road.took(keys.len(), found.iter().flatten().count(), began.elapsed());
    found
}
