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
use crate::{talib, tdx};

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
    TdxKdj,
}

impl Indicator {
    /// Returns the canonical form of `given`: checked, with the defaults filled in.
    ///
    /// Requests that compute the same become the same: `[]` and the spelled-out defaults; `2` and `2.0` for a float; MACD's fast and
    /// slow period in either order (TA-Lib swaps them where fast is the longer, so the canonical form has them swapped); SAR's
    /// acceleration beyond its maximum and at its maximum (TA-Lib lowers it).
    ///
    /// # Errors
    /// [`ErrorKind::UnknownParameter`] with the nearest names; [`ErrorKind::BadParameter`] for a value of the wrong type (an integer
    /// must be one: `20.0` is refused), not finite, out of range, or given twice.
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
        self.reorder(&mut params);
        Ok(params)
    }

    /// Returns the canonical parameters with every one at its default.
    pub fn defaults(&self) -> Params {
        let pairs = self.parameters.iter();
        Params::new(self.abbreviation, pairs.map(|parameter| (parameter.name, parameter.default)))
    }

    /// Returns how many bars the first value needs; for parameters of another indicator, those of the defaults.
    pub fn minimum_bars(&self, params: &Params) -> usize {
        let params = if params.indicator() == self.abbreviation { *params } else { self.defaults() };
        match self.kernel {
            Kernel::TaLib(function) => talib::lookback(function, self.parameters, &params)
                .map_or(usize::MAX, |lookback| lookback + 1),
            Kernel::TdxKdj => tdx::KdjPeriods::of(&params).n,
        }
    }

    /// Computes the indicator over `bars`.
    ///
    /// Every series is as long as `bars`. Its first [`minimum_bars`](Self::minimum_bars)` - 1` values are NaN (candlestick patterns: 0,
    /// no pattern, as in TA-Lib); every later one is finite.
    ///
    /// `TDX_KDJ` is the formula of MyTT (github.com/mpquant/MyTT): RSV = (close - LLV(low, n)) / (HHV(high, n) - LLV(low, n)) * 100;
    /// K is RSV smoothed by 1/m1 and seeded with the first RSV; D is K smoothed by 1/m2 and seeded with the first K; J = 3K - 2D.
    /// A flat window (HHV = LLV) has no RSV, where MyTT divides 0 by 0. As there, K keeps its value and D goes on towards it, and
    /// the older K weighs (1 - 1/m1) a day less when the next RSV comes. Flat windows before the first RSV have no value in MyTT;
    /// here K = D = J = 50.
    ///
    /// # Errors
    /// [`ErrorKind::TooFewBars`] with need and have; [`ErrorKind::BadParameter`] for parameters of another indicator;
    /// [`ErrorKind::Kernel`] if a value came out that is no number.
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
            Kernel::TaLib(function) => talib::compute(function, self.parameters, params, bars)
                .map_err(|code| failed("the kernel refused".to_owned()).with_source(code))?,
            Kernel::TdxKdj => tdx::kdj(bars, tdx::KdjPeriods::of(params)).into(),
        };
        let names = self.outputs.iter().copied();
        let series: Vec<Series> = names.zip(columns).map(|(name, values)| Series { name, values }).collect();
        for one in &series {
            let settled = one.values.iter().skip(need.saturating_sub(1));
            if let Some(at) = settled.clone().position(|value| !value.is_finite()) {
                let bar = at + need.saturating_sub(1);
                return Err(failed(format!("{} is not finite at bar {bar}", one.name)));
            }
        }
        Ok(Output { series })
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

    fn reorder(&self, params: &mut Params) {
        let (low, high, swap) = match self.kernel {
            Kernel::TaLib(FuncId::MACD) => ("fastperiod", "slowperiod", true),
            Kernel::TaLib(FuncId::SAR) => ("acceleration", "maximum", false),
            _ => return,
        };
        if let (Some(lower), Some(higher)) = (params.get(low), params.get(high))
            && lower.to_f64() > higher.to_f64()
        {
            params.set(low, higher);
            if swap {
                params.set(high, lower);
            }
        }
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
