//! One parameter of an indicator: its type, default and range.

use serde::Serialize;

use crate::params::{Given, Value};

/// The type of average that TA-Lib reads as "the default of this parameter".
const DEFAULT_AVERAGE: i64 = 11;

/// A parameter of an indicator.
///
/// `matype` and what ends in it is a type of average: 0 SMA, 1 EMA, 2 WMA, 3 DEMA, 4 TEMA, 5 TRIMA, 6 KAMA, 7 MAMA, 8 T3, 9 HMA,
/// 10 none (the values as they are), 11 the default, 12 ZLEMA, 13 RMA, 14 VIDYA, 15 ALMA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Parameter {
    /// The name, as in `timeperiod`.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// The value taken when it is left out.
    pub default: Value,
    /// The smallest value accepted.
    pub min: Value,
    /// The largest value accepted.
    pub max: Value,
    /// Which optional input of the TA-Lib function this is: TA-Lib also counts those that are not offered here.
    #[serde(skip)]
    pub(crate) slot: usize,
}

/// The type of a [`Parameter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An integer; `20.0` is refused.
    Int,
    /// A finite number; `2` is taken as `2.0`.
    Float,
}

impl Parameter {
    pub(crate) const fn int(name: &'static str, default: i64, min: i64, max: i64) -> Self {
        Self {
            name,
            kind: Kind::Int,
            default: Value::Int(default),
            min: Value::Int(min),
            max: Value::Int(max),
            slot: 0,
        }
    }

    pub(crate) const fn float(name: &'static str, default: f64, min: f64, max: f64) -> Self {
        Self {
            name,
            kind: Kind::Float,
            default: Value::Float(default),
            min: Value::Float(min),
            max: Value::Float(max),
            slot: 0,
        }
    }

    pub(crate) const fn slot(self, slot: usize) -> Self {
        Self { slot, ..self }
    }

    /// Returns the canonical value of what was given, or what would be right.
    pub(crate) fn check(&self, given: Given) -> Result<Value, String> {
        let value = match (self.kind, given) {
            (Kind::Int, Given::Int(value)) => Value::Int(value),
            (Kind::Float, Given::Int(value)) => Value::Float(Value::Int(value).to_f64()),
            (Kind::Float, Given::Float(value)) if value.is_finite() => Value::Float(value),
            _ => {
                return Err(format!("expected {}, got {}", self.range(), given.type_name()));
            }
        };
        if (self.min.to_f64()..=self.max.to_f64()).contains(&value.to_f64()) {
            let is_default = self.name.ends_with("matype") && value == Value::Int(DEFAULT_AVERAGE);
            Ok(if is_default { self.default } else { value })
        } else {
            Err(format!("out of range, expected {}", self.range()))
        }
    }

    fn range(&self) -> String {
        let kind = match self.kind {
            Kind::Int => "an integer",
            Kind::Float => "a number",
        };
        format!("{kind} from {} to {}", self.min, self.max)
    }
}
