//! What each way was measured to cost, and which is the cheapest for that.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mystocks_ta::registry;

/// How much the latest measurement weighs.
const WEIGHT: f32 = 1.0 / 8.0;
/// A measurement counts for at most so many times what was expected: a thread that had to wait says nothing of the way.
const OUTLIER: f32 = 4.0;
/// Every so many decisions ask for both, to learn what the way not taken would have been.
const EXPLORE: u32 = 64;
/// What asking a store should cost, in microseconds.
const ROUND_TRIP: f32 = 100.0;
/// Every so many decisions between two ways of which one costs at most so many times the other take the dearer one, to learn what it costs by itself.
const PROBE: u32 = 16;
const CLOSE: f32 = 2.0;
/// How much asking for two things at once costs more than asking for the dearer of them, as a part of the other one.
const BESIDE: f32 = 0.3;

/// A running mean that changes slowly; also of a yes or no.
#[derive(Debug)]
pub(crate) struct Mean(AtomicU32);

impl Mean {
    fn new(first: f32) -> Self {
        Self(AtomicU32::new(first.to_bits()))
    }

    fn get(&self) -> f32 {
        f32::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// Two that write at once may lose one of the two measurements, of thousands.
    fn add(&self, value: f32) {
        let held = self.get();
        self.0.store((held + (value - held) * WEIGHT).to_bits(), Ordering::Relaxed);
    }

    fn add_cost(&self, value: f32) {
        self.add(value.min(self.get() * OUTLIER));
    }
}

/// What one way to the store costs, and how often it leads to something.
#[derive(Debug)]
pub(crate) struct Road {
    /// Microseconds for one.
    one: Mean,
    /// Microseconds for each of several asked for together.
    each: Mean,
    /// The share that is found.
    found: Mean,
}

impl Road {
    fn new(one: f32, each: f32) -> Self {
        Self { one: Mean::new(one), each: Mean::new(each), found: Mean::new(0.5) }
    }

    /// Notes that `asked` for were read in `took`, of which `found` were there.
    pub(crate) fn took(&self, asked: usize, found: usize, took: Duration) {
        if asked == 0 {
            return;
        }
        let (micros, count) = (micros(took), small(asked));
        self.found.add(small(found) / count);
        match asked {
            1 => self.one.add_cost(micros),
            _ => self.each.add_cost(micros / count),
        }
    }

    fn cost(&self, count: usize) -> f32 {
        self.one.get().max(self.each.get() * small(count))
    }
}

/// What the ways of one service cost.
#[derive(Debug)]
pub(crate) struct Costs {
    pub(crate) results: Road,
    pub(crate) bars: Road,
    /// Nanoseconds a bar, by indicator.
    kernels: HashMap<&'static str, Mean>,
    /// How many bars a symbol has.
    length: Mean,
    decisions: AtomicU32,
    /// Decisions to compute what is dear.
    dear: AtomicU32,
}

/// What to ask the store for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Nothing,
    Results,
    Bars,
    Both,
}

impl Costs {
    pub(crate) fn new() -> Self {
        // First guesses, which a few reads correct: a round trip, and what kernels cost over a few years of bars.
        let kernels = registry().iter().map(|indicator| (indicator.abbreviation, Mean::new(10.0)));
        Self {
            results: Road::new(ROUND_TRIP, 20.0),
            bars: Road::new(ROUND_TRIP, 25.0),
            kernels: kernels.collect(),
            length: Mean::new(1_000.0),
            decisions: AtomicU32::new(0),
            dear: AtomicU32::new(1),
        }
    }

    /// Notes that a symbol had so many `bars`.
    pub(crate) fn saw_bars(&self, bars: usize) {
        self.length.add(small(bars));
    }

    /// How many bars a symbol usually has.
    pub(crate) fn usual_bars(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a mean of numbers from 0 to 65,535"
        )]
        let bars = self.length.get() as usize;
        bars
    }

    /// Notes that `indicator` was computed over `bars` in `took`.
    pub(crate) fn computed(&self, indicator: &str, bars: usize, took: Duration) {
        if let Some(mean) = self.kernels.get(indicator)
            && bars > 0
        {
            mean.add_cost(micros(took) * 1_000.0 / small(bars));
        }
    }

    /// Microseconds that `indicator` over `bars` should take.
    pub(crate) fn kernel(&self, indicator: &str, bars: usize) -> f32 {
        self.kernels.get(indicator).map_or(f32::MAX, |mean| mean.get() * small(bars) / 1_000.0)
    }

    /// Whether computing for `compute` microseconds costs less than asking the store for `count` results, found or not.
    pub(crate) fn is_cheap(&self, count: usize, compute: f32) -> bool {
        let asking = self.results.cost(count) + (1.0 - self.results.found.get()) * compute;
        if compute > asking {
            return false;
        }
        // A store that was slow or empty once is asked again now and then, where that could save something.
        compute < ROUND_TRIP || !self.dear.fetch_add(1, Ordering::Relaxed).is_multiple_of(EXPLORE)
    }

    /// What to ask the store for first, of `count` results that computing would take `compute` microseconds for; the bars are not at hand.
    pub(crate) fn plan(&self, count: usize, compute: f32) -> Ask {
        let decision = self.decisions.fetch_add(1, Ordering::Relaxed);
        if decision.is_multiple_of(EXPLORE) {
            return Ask::Both;
        }
        let (results, bars) = (self.results.cost(count), self.bars.cost(1));
        let (no_results, no_bars) = (1.0 - self.results.found.get(), 1.0 - self.bars.found.get());
        let results_first = results + no_results * (bars + (1.0 - no_bars) * compute);
        let bars_first = bars + (1.0 - no_bars) * compute + no_bars * results;
        let both = results.max(bars) + BESIDE * results.min(bars) + no_results * (1.0 - no_bars) * compute;
        if both <= results_first && both <= bars_first {
            return Ask::Both;
        }
        let (ask, cost, other, other_cost, not_there) = if bars_first <= results_first {
            (Ask::Bars, bars_first, Ask::Results, results_first, no_results)
        } else {
            (Ask::Results, results_first, Ask::Bars, bars_first, no_bars)
        };
        // Asked beside another it looks dearer than it is; of two that cost about the same the wrong one could be kept for long.
        let is_close = other_cost <= CLOSE * cost && not_there < 0.5;
        if is_close && decision % PROBE == PROBE / 2 { other } else { ask }
    }
}

fn micros(time: Duration) -> f32 {
    time.as_secs_f32() * 1e6
}

fn small(count: usize) -> f32 {
    f32::from(u16::try_from(count).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(road: &Road, asked: usize, found: usize, micros: u64) {
        for _ in 0..300 {
            road.took(asked, found, Duration::from_micros(micros));
        }
    }

    fn plans(costs: &Costs, count: usize, compute: f32) -> Vec<Ask> {
        let mut all: Vec<Ask> = (0..EXPLORE).map(|_| costs.plan(count, compute)).collect();
        all.dedup();
        all
    }

    #[test]
    fn what_is_never_there_is_not_waited_for() {
        let costs = Costs::new();
        learned(&costs.results, 1, 0, 100);
        learned(&costs.bars, 1, 1, 110);
        assert!(plans(&costs, 1, 5.0).contains(&Ask::Bars));
        assert!(!plans(&costs, 1, 5.0).contains(&Ask::Results));
        learned(&costs.results, 1, 1, 100);
        learned(&costs.bars, 1, 0, 110);
        assert!(plans(&costs, 1, 5.0).contains(&Ask::Results));
        assert!(!plans(&costs, 1, 5.0).contains(&Ask::Bars));
    }

    #[test]
    fn when_nobody_knows_both_are_asked_for_at_once() {
        let costs = Costs::new();
        for found in [0, 1].repeat(200) {
            costs.results.took(1, found, Duration::from_micros(100));
            costs.bars.took(1, 1 - found, Duration::from_micros(100));
        }
        assert_eq!(plans(&costs, 1, 5.0), [Ask::Both]);
    }

    #[test]
    fn a_dear_kernel_is_worth_asking_for_its_result() {
        let costs = Costs::new();
        learned(&costs.results, 1, 1, 100);
        learned(&costs.bars, 1, 1, 100);
        assert!(plans(&costs, 1, 5_000.0).contains(&Ask::Results));
        assert!(costs.is_cheap(1, 90.0) && !costs.is_cheap(1, 500.0));
    }

    #[test]
    fn a_store_that_holds_nothing_makes_every_kernel_cheap() {
        let costs = Costs::new();
        learned(&costs.results, 1, 0, 100);
        assert!(costs.is_cheap(1, 5_000.0));
    }

    #[test]
    fn a_store_that_held_nothing_or_was_slow_is_asked_again_about_what_is_dear() {
        for (found, micros) in [(0, 100), (1, 1_000_000)] {
            let costs = Costs::new();
            learned(&costs.results, 1, found, micros);
            let asked = (0..EXPLORE * 10).filter(|_| !costs.is_cheap(1, 5_000.0)).count();
            assert_eq!(asked, 10, "found {found}, {micros} us");
            assert!((0..EXPLORE * 10).all(|_| costs.is_cheap(1, 50.0)), "what is cheap is always computed");
        }
    }

    #[test]
    fn the_dearer_of_two_ways_is_tried_now_and_then_by_itself() {
        let costs = Costs::new();
        learned(&costs.results, 1, 1, 60);
        learned(&costs.bars, 1, 1, 40);
        let of_64 = |ask| {
            let plans: Vec<Ask> = (0..EXPLORE).map(|_| costs.plan(1, 5.0)).collect();
            plans.iter().filter(|plan| **plan == ask).count()
        };
        assert_eq!((of_64(Ask::Bars), of_64(Ask::Results), of_64(Ask::Both)), (59, 4, 1));
        // It turns out to be the cheaper one, as when it was first measured while the machine was busy.
        for _ in 0..32 {
            costs.results.took(1, 1, Duration::from_micros(25));
        }
        assert_eq!((of_64(Ask::Bars), of_64(Ask::Results), of_64(Ask::Both)), (4, 59, 1));
        learned(&costs.bars, 1, 1, 400);
        assert_eq!(of_64(Ask::Bars), 0, "what costs far more is not tried for nothing");
    }

    #[test]
    fn kernels_are_learned_each_by_itself_and_one_slow_run_does_not_count_for_much() {
        let costs = Costs::new();
        for _ in 0..300 {
            costs.computed("SMA", 1_000, Duration::from_micros(2));
            costs.computed("CCI", 1_000, Duration::from_micros(20));
        }
        assert!((costs.kernel("SMA", 250) - 0.5).abs() < 0.01, "{}", costs.kernel("SMA", 250));
        assert!((costs.kernel("CCI", 1_000) - 20.0).abs() < 0.1);
        costs.computed("SMA", 1_000, Duration::from_secs(1));
        assert!(costs.kernel("SMA", 250) < 0.7);
        assert_eq!(costs.kernel("no such", 1), f32::MAX);
    }
}
