//! All indicators, by abbreviation and category.

mod candlestick;
mod momentum;
mod trend;
mod volatility;
mod volume;

use crate::error::{Error, ErrorKind};
use crate::indicator::{Category, Indicator};
use crate::nearest::nearest;
use crate::params::{Given, MAX_PARAMETERS, Params};

/// All indicators this crate computes.
#[derive(Debug)]
pub struct Registry {
    categories: [(Category, &'static [Indicator]); 5],
}

static REGISTRY: Registry = Registry {
    categories: [
        (Category::Trend, trend::INDICATORS),
        (Category::Momentum, momentum::INDICATORS),
        (Category::Volatility, volatility::INDICATORS),
        (Category::Volume, volume::INDICATORS),
        (Category::Candlestick, candlestick::INDICATORS),
    ],
};

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
        self.categories.iter().flat_map(|(_, members)| *members)
    }

    /// Returns the indicators of one category.
    pub fn by_category(&self, category: Category) -> impl Iterator<Item = &'static Indicator> + '_ {
        self.iter().filter(move |indicator| indicator.category == category)
    }

    fn find(&self, abbreviation: &str) -> Option<&'static Indicator> {
        self.iter().find(|indicator| indicator.abbreviation == abbreviation)
    }
}

// `Params` holds no more than this, and must never leave one out.
const _: () = {
    let mut category = 0;
    while category < REGISTRY.categories.len() {
        let members = REGISTRY.categories[category].1;
        let mut member = 0;
        while member < members.len() {
            assert!(members[member].parameters.len() <= MAX_PARAMETERS);
            member += 1;
        }
        category += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indicator::Kernel;

    #[test]
    fn every_parameter_is_bound_to_the_input_of_its_name() {
        for indicator in registry().iter() {
            let Kernel::TaLib(function) = indicator.kernel else { continue };
            for parameter in indicator.parameters {
                let bound = function.info().opt_inputs[parameter.slot].param_name.to_lowercase();
                assert_eq!(bound, format!("optin{}", parameter.name), "{}", indicator.abbreviation);
            }
        }
    }
}
