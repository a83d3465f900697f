//! All indicators, by abbreviation and category.

mod candlestick;
mod described;
mod momentum;
mod names;
mod patterns;
mod tdx;
mod trend;
mod volatility;
mod volume;

use std::sync::LazyLock;

use crate::error::{Error, ErrorKind};
use crate::indicator::{Category, Indicator, Kernel};
use crate::nearest::nearest;
use crate::params::{Given, MAX_PARAMETERS, Params};

/// All indicators this crate computes.
///
/// Those of the contract with the Python backend and of the Chinese market are written down; every other function of TA-Lib comes
/// from its own metadata, where periods are accepted up to 1,000 bars (TA-Lib: 100,000) and unbounded numbers up to 100 times their
/// default or 100, whichever is more (TA-Lib: 3e37), save those that are prices or volumes, which are accepted as far as bars hold them.
#[derive(Debug)]
pub struct Registry {
    by_category: Vec<&'static Indicator>,
    by_name: Vec<&'static Indicator>,
}

const WRITTEN: [&[Indicator]; 8] = [
    trend::INDICATORS,
    momentum::INDICATORS,
    volatility::INDICATORS,
    volume::INDICATORS,
    candlestick::INDICATORS,
    tdx::TREND,
    tdx::MOMENTUM,
    tdx::VOLUME,
];

static DESCRIBED: LazyLock<Vec<Indicator>> = LazyLock::new(|| {
    described::indicators(|function| {
        WRITTEN.iter().copied().flatten().any(|written| written.kernel == Kernel::TaLib(function))
    })
});

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let all = || WRITTEN.iter().copied().flatten().chain(DESCRIBED.iter());
    let of = |category| all().filter(move |indicator| indicator.category == category);
    let by_category = Category::ALL.into_iter().flat_map(of).collect();
    let mut by_name: Vec<&'static Indicator> = all().collect();
    by_name.sort_unstable_by_key(|indicator| indicator.abbreviation);
    Registry { by_category, by_name }
});

/// Returns the registry.
pub fn registry() -> &'static Registry {
    &REGISTRY
}

/// Returns the nine requests of the daily job: SMA over 5, 10, 20 and 60 bars, MACD, RSI, BBANDS, ATR and TDX_KDJ.
pub fn daily_defaults() -> Vec<(&'static Indicator, Params)> {
    let averages = [5, 10, 20, 60].map(|period| ("SMA", Some(period)));
    let others = ["MACD", "RSI", "BBANDS", "ATR", "TDX_KDJ"].map(|name| (name, None));
    averages
        .into_iter()
        .chain(others)
        .filter_map(|(name, period)| {
            let indicator = REGISTRY.find(name)?;
            let given = period.map(|period: i64| ("timeperiod", Given::Int(period)));
            Some((indicator, indicator.canonical(given.as_slice()).ok()?))
        })
        .collect()
}

impl Registry {
    /// Returns the indicator called `abbreviation`; case counts.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownIndicator`] with the nearest abbreviations.
    pub fn get(&self, abbreviation: &str) -> Result<&'static Indicator, Error> {
        self.find(abbreviation).ok_or_else(|| {
            let known = self.iter().map(|indicator| indicator.abbreviation);
            let near = nearest(abbreviation, known);
            let detail = if near.is_empty() {
                "unknown indicator, none is called anything like it".to_owned()
            } else {
                format!("unknown indicator, nearest: {}", near.join(", "))
            };
            let kind = ErrorKind::UnknownIndicator;
            Error::new(kind, "find the indicator", abbreviation, detail)
        })
    }

    /// Returns every indicator, category by category.
    pub fn iter(&self) -> impl Iterator<Item = &'static Indicator> + '_ {
        self.by_category.iter().copied()
    }

    /// Returns the indicators of one category.
    pub fn by_category(&self, category: Category) -> impl Iterator<Item = &'static Indicator> + '_ {
        self.iter().filter(move |indicator| indicator.category == category)
    }

    fn find(&self, abbreviation: &str) -> Option<&'static Indicator> {
        let found = self.by_name.binary_search_by_key(&abbreviation, |indicator| indicator.abbreviation);
        self.by_name.get(found.ok()?).copied()
    }
}

// `Params` holds no more than this, and must never leave one out.
const _: () = {
    let mut table = 0;
    while table < WRITTEN.len() {
        let members = WRITTEN[table];
        let mut member = 0;
        while member < members.len() {
            assert!(members[member].parameters.len() <= MAX_PARAMETERS);
            member += 1;
        }
        table += 1;
    }
};

#[cfg(test)]
mod tests {
    use ta_lib::abstract_api::FUNCS;

    use super::*;
    use crate::talib::PERIODS;

    #[test]
    fn every_parameter_is_bound_to_the_input_of_its_name() {
        for indicator in registry().iter() {
            let Kernel::TaLib(function) = indicator.kernel else { continue };
            for parameter in indicator.parameters.iter().filter(|one| one.name != PERIODS) {
                let bound = function.info().opt_inputs[parameter.slot].param_name.to_lowercase();
                assert_eq!(bound, format!("optin{}", parameter.name), "{}", indicator.abbreviation);
            }
        }
    }

    #[test]
    fn every_function_of_ta_lib_is_there_once() {
        for info in FUNCS {
            let with = |indicator: &&Indicator| indicator.kernel == Kernel::TaLib(info.id);
            assert_eq!(registry().iter().filter(with).count(), 1, "{}", info.name);
            assert_eq!(registry().get(info.name).unwrap().kernel, Kernel::TaLib(info.id));
        }
        assert!(registry().iter().all(|indicator| indicator.parameters.len() <= MAX_PARAMETERS));
    }

    #[test]
    fn every_chinese_name_is_used() {
        let names = names::NAMES.iter().map(|(name, ..)| *name);
        for name in names.chain(patterns::PATTERNS.iter().map(|(name, _)| *name)) {
            assert!(DESCRIBED.iter().any(|indicator| indicator.abbreviation == name), "{name}");
        }
        assert_eq!(DESCRIBED.len(), names::NAMES.len() + patterns::PATTERNS.len());
    }
}
