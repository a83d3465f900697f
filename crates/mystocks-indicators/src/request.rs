//! What is asked for.

use mystocks_ta::{Given, Params};

use crate::range::DateRange;
use crate::symbol::Symbol;

/// One indicator of one symbol, for [`IndicatorService::get_many`](crate::IndicatorService::get_many).
#[derive(Debug, Clone, PartialEq)]
pub struct IndicatorRequest {
    /// Whose bars.
    pub symbol: Symbol,
    /// The abbreviation: `SMA`.
    pub indicator: String,
    /// Parameters by name; those left out have their default.
    pub parameters: Vec<(String, Given)>,
    /// The wanted days.
    pub range: DateRange,
}

impl IndicatorRequest {
    /// Asks for `indicator` of `symbol` with its default parameters over the whole history.
    pub fn new(symbol: Symbol, indicator: impl Into<String>) -> Self {
        Self { symbol, indicator: indicator.into(), parameters: Vec::new(), range: DateRange::ALL }
    }

    /// Asks for the indicator of `params` with just these over the whole history.
    pub fn of(symbol: Symbol, params: &Params) -> Self {
        let mut request = Self::new(symbol, params.indicator());
        let pairs = params.to_pairs();
        request.parameters = pairs.map(|(name, value)| (name.to_owned(), value.into())).collect();
        request
    }

    /// Sets the parameter `name`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Given>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Sets the wanted days.
    #[must_use]
    pub fn within(self, range: DateRange) -> Self {
        Self { range, ..self }
    }
}
