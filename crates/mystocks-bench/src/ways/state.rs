//! What the caches hold when something is read.

use mystocks_indicators::Way;

/// What the caches hold of a stock when an indicator of it is read.
#[derive(Debug)]
pub(super) struct State {
    pub(super) name: &'static str,
    /// The ways that lead to an answer then.
    pub(super) ways: &'static [Way],
    pub(super) l1: Near,
    pub(super) l2: Far,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Near {
    Result,
    Bars,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Far {
    Result,
    Bars,
    Both,
    Nothing,
}

impl Far {
    pub(super) fn has_results(self) -> bool {
        matches!(self, Self::Result | Self::Both)
    }

    pub(super) fn has_bars(self) -> bool {
        matches!(self, Self::Bars | Self::Both)
    }
}

const fn state(name: &'static str, l1: Near, l2: Far, ways: &'static [Way]) -> State {
    State { name, ways, l1, l2 }
}

pub(super) const STATES: [State; 7] = [
    state("result in L1", Near::Result, Far::Nothing, &[Way::ResultL1]),
    state("bars in L1", Near::Bars, Far::Bars, &[Way::BarsL1]),
    state("bars in L1, result in L2", Near::Bars, Far::Both, &[Way::BarsL1, Way::ResultL2]),
    state("result in L2", Near::Nothing, Far::Result, &[Way::ResultL2]),
    state("bars in L2", Near::Nothing, Far::Bars, &[Way::BarsL2]),
    state("result and bars in L2", Near::Nothing, Far::Both, &[Way::ResultL2, Way::BarsL2]),
    state("nothing cached", Near::Nothing, Far::Nothing, &[Way::Source]),
];
