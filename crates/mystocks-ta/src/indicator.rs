//! One indicator: what it is, what it takes, and how it is computed.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use ta_lib::abstract_api::FuncId;

use crate::bars::Bars;
use crate::error::{Error, ErrorKind};
use crate::nearest::nearest;
use crate::output::{Output, Series};
use crate::parameter::Parameter;
use crate::params::{Given, Params};
use crate::tdx::formula::Formula;
use crate::{canonical, finite, kernels, talib};

/// An indicator of the [registry](crate::registry()).
///
/// Serializes to its metadata, with the minimum bars of the default parameters as `minimum_bars`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Indicator {
    /// The name it is asked for by, as in `MACD`.
    pub abbreviation: &'static str,
    /// The English name.
    pub name_en: &'static str,
    /// The Chinese name.
    pub name_zh: &'static str,
    /// What it measures.
    pub category: Category,
    /// Where a chart draws it.
    pub panel: Panel,
    /// The columns it reads.
    pub inputs: &'static [Input],
    /// The parameters, in the customary order.
    pub parameters: &'static [Parameter],
    /// The names of the series it gives.
    pub outputs: &'static [&'static str],
    /// Values at which a chart draws a line.
    pub reference_lines: &'static [f64],
    pub(crate) kernel: Kernel,
}

/// What an indicator measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Direction.
    Trend,
    /// Speed of change.
    Momentum,
    /// Range of change.
    Volatility,
    /// Trade behind a change.
    Volume,
    /// Shapes of one or a few bars.
    Candlestick,
    /// Length and phase of a wave in the prices.
    Cycle,
    /// One bar as one price, or as other prices.
    Price,
    /// Measures of a distribution or of two series together.
    Statistic,
    /// Arithmetic on columns and windows.
    Math,
}

impl Category {
    /// Every category, in the order of the registry.
    pub const ALL: [Self; 9] = [
        Self::Trend,
        Self::Momentum,
        Self::Volatility,
        Self::Volume,
        Self::Candlestick,
        Self::Cycle,
        Self::Price,
        Self::Statistic,
        Self::Math,
    ];
}

/// Where a chart draws an indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Panel {
    /// Over the prices, on their scale.
    Overlay,
    /// In a panel with a scale of its own.
    Oscillator,
}

/// A column an indicator reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// Opening prices.
    Open,
    /// Highest prices.
    High,
    /// Lowest prices.
    Low,
    /// Closing prices.
    Close,
    /// Volumes.
    Volume,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    TaLib(FuncId),
    Tdx(&'static Formula),
}

impl Indicator {
    /// Returns the canonical form of `given`: checked, with the defaults filled in.
    ///
    /// Requests that compute the same become the same: `[]` and the spelled-out defaults; `2` and `2.0` for a float; a `matype` of 11
    /// (TA-Lib's word for the default) and the default; the fast and slow period in either order where TA-Lib swaps them (APO, MACD,
    /// MACDEXT with its types of average, PPO, PVO, STC); the two or three periods that COPPOCK and ULTOSC treat alike; an
    /// acceleration of SAR and SAREXT beyond its maximum and at its maximum (TA-Lib lowers it).
    ///
    /// # Errors
    /// [`ErrorKind::UnknownParameter`] with the nearest names; [`ErrorKind::BadParameter`] for a value of the wrong type (an integer
    /// must be one: `20.0` is refused), not finite, out of range, or given twice, and for values that do not go together (the
    /// `minperiod` of MAVP above its `maxperiod`, an odd period of FRAMA, the factors of SQZMOM not in their order).
    pub fn canonical(&self, given: &[(&str, Given)]) -> Result<Params, Error> {
        const OPERATION: &str = "read the parameter";
        let mut params = self.defaults();
        for (index, (name, value)) in given.iter().enumerate() {
            let subject = format!("{}.{name}", self.abbreviation);
            let Some(parameter) = self.parameters.iter().find(|known| known.name == *name) else {
                let detail = format!("unknown parameter, {}", self.known_parameters(name));
                return Err(Error::new(ErrorKind::UnknownParameter, OPERATION, &subject, detail));
            };
            let bad = |detail| Error::new(ErrorKind::BadParameter, OPERATION, &subject, detail);
            if given.iter().take(index).any(|(earlier, _)| earlier == name) {
                return Err(bad("given twice, expected once".to_owned()));
            }
            params.set(name, parameter.check(*value).map_err(bad)?);
        }
        if let Kernel::TaLib(function) = self.kernel {
            canonical::reorder(function, &mut params);
            if let Some(detail) = canonical::conflict(function, &params) {
                return Err(Error::new(ErrorKind::BadParameter, OPERATION, self.abbreviation, detail));
            }
        }
        Ok(params)
    }

    /// Returns the canonical parameters with every one at its default.
    pub fn defaults(&self) -> Params {
        Params::new(self.abbreviation, self.parameters)
    }

    /// Returns how many bars it takes until every output has a value; for parameters of another indicator, those of the defaults.
    pub fn minimum_bars(&self, params: &Params) -> usize {
        let params = if params.indicator() == self.abbreviation { *params } else { self.defaults() };
        match self.kernel {
            Kernel::TaLib(function) => {
                talib::lookback(function, &params).map_or(usize::MAX, |lookback| lookback + 1)
            }
            Kernel::Tdx(formula) => formula.minimum_bars(&params),
        }
    }

    /// Computes the indicator over `bars`.
    ///
    /// Every series is as long as `bars`. Its first [`minimum_bars`](Self::minimum_bars)` - 1` values are NaN (where TA-Lib gives
    /// integers, as for candlestick patterns: 0); every later one is finite, and NaN where an indicator that
    /// [is not defined everywhere](Self::is_defined_everywhere) has no value.
    ///
    /// Of the indicators whose formulas stand in [`tdx`](crate::tdx) every output begins with a first bar of its own, and is NaN before.
    ///
    /// # Errors
    /// [`ErrorKind::TooFewBars`] with need and have; [`ErrorKind::BadParameter`] for parameters of another indicator;
    /// [`ErrorKind::Kernel`] if a value came out that is no number (before the last 16,384 bars one in 1,024 is looked at).
    pub fn compute(&self, bars: &Bars, params: &Params) -> Result<Output, Error> {
        const OPERATION: &str = "compute";
        if params.indicator() != self.abbreviation {
            let detail = format!("expected its own parameters, got those of {}", params.indicator());
            return Err(Error::new(ErrorKind::BadParameter, OPERATION, self.abbreviation, detail));
        }
        let (need, have) = (self.minimum_bars(params), bars.len());
        if have < need {
            return Err(Error::new(
                ErrorKind::TooFewBars { need, have },
                OPERATION,
                &self.label(params),
                format!("too few bars, need {need}, have {have}"),
            ));
        }
        let failed = |detail| Error::new(ErrorKind::Kernel, OPERATION, self.abbreviation, detail);
        let columns = match self.kernel {
            Kernel::TaLib(function) => kernels::compute(function, params, bars)
                .unwrap_or_else(|| talib::compute(function, params, bars))
                .map_err(|code| failed("the kernel refused".to_owned()).with_source(code))?,
            Kernel::Tdx(formula) => formula.compute(params, bars, self.outputs.len()),
        };
        let names = self.outputs.iter().copied();
        let mut series: Vec<Series> =
            names.zip(columns).map(|(name, values)| Series { name, values }).collect();
        for Series { name, values } in &mut series {
            let settled = values.get_mut(need.saturating_sub(1)..).unwrap_or_default();
            finite::settle(settled, self.is_defined_everywhere()).map_err(|at| {
                failed(format!("{name} is not finite at bar {}", at + need.saturating_sub(1)))
            })?;
        }
        Ok(Output { series })
    }

    /// Returns whether every value after the head is a number, whatever the bars.
    ///
    /// Where it is not, a bar at which the function has no value is NaN: `ACOS` and `ASIN` of prices above 1, `EXP`, `COSH` and `SINH`
    /// beyond the largest number, `VWMA` and `RVOL` over bars without volume, `KURTOSIS` where nothing moves,
    /// `VR`, `BRAR` and `CR` where nothing fell.
    pub fn is_defined_everywhere(&self) -> bool {
        match self.kernel {
            Kernel::TaLib(function) => !talib::is_partial(function),
            Kernel::Tdx(formula) => formula.everywhere,
        }
    }

    /// Returns a short text of the request, with the parameters in the customary order: `BBANDS(timeperiod=20,nbdevup=2.0,nbdevdn=2.0)`.
    pub fn label(&self, params: &Params) -> String {
        if self.parameters.is_empty() {
            return self.abbreviation.to_owned();
        }
        let pairs: Vec<String> = self
            .parameters
            .iter()
            .filter_map(|parameter| {
                let value = params.get(parameter.name)?;
                Some(format!("{}={value}", parameter.name))
            })
            .collect();
        format!("{}({})", self.abbreviation, pairs.join(","))
    }

    fn known_parameters(&self, name: &str) -> String {
        let names: Vec<&str> = self.parameters.iter().map(|known| known.name).collect();
        if names.is_empty() {
            return "it takes none".to_owned();
        }
        let near = nearest(name, names.iter().copied());
        if near.is_empty() {
            format!("it takes {}", names.join(", "))
        } else {
            format!("nearest: {}", near.join(", "))
        }
    }
}

impl Serialize for Indicator {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Indicator", 10)?;
        fields.serialize_field("abbreviation", self.abbreviation)?;
        fields.serialize_field("name_en", self.name_en)?;
        fields.serialize_field("name_zh", self.name_zh)?;
        fields.serialize_field("category", &self.category)?;
        fields.serialize_field("panel", &self.panel)?;
        fields.serialize_field("inputs", self.inputs)?;
        fields.serialize_field("parameters", self.parameters)?;
        fields.serialize_field("outputs", self.outputs)?;
        fields.serialize_field("reference_lines", self.reference_lines)?;
        fields.serialize_field("minimum_bars", &self.minimum_bars(&self.defaults()))?;
        fields.end()
    }
}
