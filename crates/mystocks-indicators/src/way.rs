//! By which way an answer came.

use std::fmt;

use mystocks_cache::Tier;

/// By which way an answer came, from the nearest to the farthest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// The result was in this process.
    ResultL1,
    /// The bars were in this process, and it was computed from them.
    BarsL1,
    /// The result was in the shared store.
    ResultL2,
    /// The bars were in the shared store, and it was computed from them.
    BarsL2,
    /// The bar source was asked for the bars, and it was computed from them; or another caller was doing so, and this one waited.
    Source,
}

impl Way {
    /// Every way, from the nearest to the farthest.
    pub const ALL: [Self; 5] = [Self::ResultL1, Self::BarsL1, Self::ResultL2, Self::BarsL2, Self::Source];

    /// Returns the tier in which the result or the bars were found.
    pub fn tier(self) -> Tier {
        match self {
            Self::ResultL1 | Self::BarsL1 => Tier::L1,
            Self::ResultL2 | Self::BarsL2 => Tier::L2,
            Self::Source => Tier::L3,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ResultL1 => "result_l1",
            Self::BarsL1 => "bars_l1",
            Self::ResultL2 => "result_l2",
            Self::BarsL2 => "bars_l2",
            Self::Source => "source",
        }
    }
}

/// `result_l1`, `bars_l1`, `result_l2`, `bars_l2` or `source`.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which ways a service takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Reading {
    /// The cheapest, by what each was measured to cost in this process.
    ///
    /// Bars are cached as well as results. What is computed from bars at hand, because that costs less than asking the store for the
    /// result, stays in this process: it is not written to the store, and the bus is not told of it.
    #[default]
    Cheapest,
    /// Results only: whatever is computed is written to the store, and bars are remembered in this process only.
    Results,
    /// Only this one where it leads to an answer, else the bar source; for measuring it against the others.
    Only(Way),
}

impl Reading {
    /// Whether bars are read from and written to the shared store.
    pub(crate) fn shares_bars(self) -> bool {
        self != Self::Results
    }

    /// Whether this way may be taken at all.
    pub(crate) fn takes(self, way: Way) -> bool {
        match self {
            Self::Cheapest => true,
            Self::Results => !matches!(way, Way::BarsL1 | Way::BarsL2),
            Self::Only(only) => way == only || way == Way::Source,
        }
    }
}
