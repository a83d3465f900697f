//! Parameter values, as given and as canonicalised.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Serialize, Serializer};

use crate::parameter::Parameter;

/// How many parameters an indicator can have: as many as `KSTEXT`.
pub(crate) const MAX_PARAMETERS: usize = 11;

/// A parameter's value.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    /// An integer.
    Int(i64),
    /// A finite number.
    Float(f64),
}

/// What a caller gives for a parameter, before it is checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Given {
    /// An integer.
    Int(i64),
    /// A floating point number, finite or not.
    Float(f64),
    /// Something that is no number; the text says what, with its article: "a string", "null".
    Other(&'static str),
}

/// The canonical parameters of one indicator: every parameter spelled out, checked, in order of name.
///
/// Requests that mean the same give equal `Params`, so they can be (part of) a cache key. Made by
/// [`Indicator::canonical`](crate::Indicator::canonical); copies without allocating: it holds values only, the names are those of the
/// indicator's table.
#[derive(Clone, Copy)]
pub struct Params {
    indicator: &'static str,
    parameters: &'static [Parameter],
    // In the order of `parameters`; the rest are the same for all.
    values: [Value; MAX_PARAMETERS],
}

impl Params {
    /// Takes the defaults of at most [`MAX_PARAMETERS`] parameters.
    pub(crate) fn new(indicator: &'static str, parameters: &'static [Parameter]) -> Self {
        let mut values = [Value::Int(0); MAX_PARAMETERS];
        for (slot, parameter) in values.iter_mut().zip(parameters) {
            *slot = parameter.default;
        }
        Self { indicator, parameters, values }
    }

    /// Returns the abbreviation of the indicator these belong to.
    pub fn indicator(&self) -> &'static str {
        self.indicator
    }

    /// Returns every parameter's name and value, in order of name.
    pub fn to_pairs(&self) -> impl ExactSizeIterator<Item = (&'static str, Value)> + '_ {
        let mut pairs = [("", Value::Int(0)); MAX_PARAMETERS];
        for (slot, (parameter, value)) in pairs.iter_mut().zip(self.in_customary_order()) {
            *slot = (parameter.name, value);
        }
        let len = self.parameters.len().min(MAX_PARAMETERS);
        if let Some(pairs) = pairs.get_mut(..len) {
            pairs.sort_unstable_by_key(|(name, _)| *name);
        }
        pairs.into_iter().take(len)
    }

    /// Returns the value of the parameter `name`.
    pub fn get(&self, name: &str) -> Option<Value> {
        let mut pairs = self.in_customary_order();
        pairs.find_map(|(known, value)| (known.name == name).then_some(value))
    }

    pub(crate) fn in_customary_order(&self) -> impl Iterator<Item = (&'static Parameter, Value)> + '_ {
        self.parameters.iter().zip(self.values)
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        for (known, slot) in self.parameters.iter().zip(&mut self.values) {
            if known.name == name {
                *slot = value;
            }
        }
    }
}

impl PartialEq for Params {
    fn eq(&self, other: &Self) -> bool {
        self.indicator == other.indicator && self.values == other.values
    }
}

impl Eq for Params {}

impl Hash for Params {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.indicator.hash(state);
        for (_, value) in self.in_customary_order() {
            value.hash(state);
        }
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct(self.indicator);
        for (parameter, value) in self.in_customary_order() {
            fields.field(parameter.name, &value);
        }
        fields.finish()
    }
}

impl Value {
    /// Returns the value as a floating point number.
    pub fn to_f64(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "parameters are far below 2^53")]
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// Returns the value as a number of bars; a negative integer or a float is none.
    pub(crate) fn to_period(self) -> Option<usize> {
        match self {
            Self::Int(value) => usize::try_from(value).ok(),
            Self::Float(_) => None,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Int(value) => (0_u8, *value).hash(state),
            Self::Float(value) => (1_u8, value.to_bits()).hash(state),
        }
    }
}

/// `20` for an integer, `2.0` for a float: the two never look alike.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
        }
    }
}

impl Given {
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Int(_) => "an integer",
            Self::Float(value) if value.is_nan() => "NaN",
            Self::Float(value) if value.is_infinite() => "infinity",
            Self::Float(_) => "a float",
            Self::Other(name) => name,
        }
    }
}

impl From<i64> for Given {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Given {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<f64> for Given {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        match value {
            Value::Int(value) => Self::Int(value),
            Value::Float(value) => Self::Float(value),
        }
    }
}
