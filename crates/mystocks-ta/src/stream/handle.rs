//! One shape for the streams of TA-Lib, each of which is a type of its own.

use std::fmt::{self, Debug};

use ta_lib::abstract_api::{FuncId, OptInputType};
use ta_lib::{MAType, RetCode};

use super::values::Values;
use crate::params::{Params, Value};
use crate::talib::PERIODS;

/// A history of bars as columns; those the function does not read may be empty.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Columns<'a> {
    pub(super) open: &'a [f64],
    pub(super) high: &'a [f64],
    pub(super) low: &'a [f64],
    pub(super) close: &'a [f64],
    pub(super) volume: &'a [f64],
    pub(super) periods: &'a [f64],
}

/// One bar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) open: f64,
    pub(super) high: f64,
    pub(super) low: f64,
    pub(super) close: f64,
    pub(super) volume: f64,
    pub(super) periods: f64,
}

/// A stream of TA-Lib, whichever function's.
pub(super) trait Handle: Debug + Send + Sync {
    /// Takes a bar; on an error nothing is taken.
    fn update(&mut self, point: &Point) -> Result<Values, RetCode>;
    /// Answers what an update would, and takes nothing.
    fn peek(&self, point: &Point) -> Result<Values, RetCode>;
    /// Returns a stream that goes on from the same bar.
    fn fork(&self) -> Box<dyn Handle>;
}

/// A stream just opened, and the values of the last bar of its history.
pub(super) struct Opened {
    pub(super) handle: Box<dyn Handle>,
    pub(super) values: Values,
}

/// Wraps a stream of TA-Lib.
pub(super) fn opened<S, O>(
    stream: S,
    first: O,
    update: fn(&mut S, &Point) -> Result<O, RetCode>,
    peek: fn(&S, &Point) -> Result<O, RetCode>,
) -> Opened
where
    S: Debug + Clone + Send + Sync + 'static,
    O: Outputs + 'static,
{
    let values = first.to_values();
    Opened { handle: Box::new(Typed { stream, update, peek }), values }
}

struct Typed<S, O> {
    stream: S,
    update: fn(&mut S, &Point) -> Result<O, RetCode>,
    peek: fn(&S, &Point) -> Result<O, RetCode>,
}

impl<S: Debug, O> Debug for Typed<S, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt(f)
    }
}

impl<S, O> Handle for Typed<S, O>
where
    S: Debug + Clone + Send + Sync + 'static,
    O: Outputs + 'static,
{
    fn update(&mut self, point: &Point) -> Result<Values, RetCode> {
        (self.update)(&mut self.stream, point).map(Outputs::to_values)
    }

    fn peek(&self, point: &Point) -> Result<Values, RetCode> {
        (self.peek)(&self.stream, point).map(Outputs::to_values)
    }

    fn fork(&self) -> Box<dyn Handle> {
        Box::new(Self { stream: self.stream.clone(), update: self.update, peek: self.peek })
    }
}

/// The optional inputs of a function, in the order of its signature.
#[derive(Debug, Clone)]
pub(super) struct Arguments {
    values: Vec<Value>,
    next: usize,
}

impl Arguments {
    pub(super) fn new(function: FuncId, params: &Params) -> Self {
        let defaults = function.info().opt_inputs.iter().map(|input| match input.kind {
            OptInputType::IntegerRange { default, .. } => Value::Int(default.into()),
            OptInputType::IntegerList { default, .. } => Value::Int(default),
            OptInputType::RealRange { default, .. } | OptInputType::RealList { default, .. } => {
                Value::Float(default)
            }
        });
        let mut values: Vec<Value> = defaults.collect();
        for (parameter, value) in params.in_customary_order().filter(|(one, _)| one.name != PERIODS) {
            if let Some(slot) = values.get_mut(parameter.slot) {
                *slot = value;
            }
        }
        Self { values, next: 0 }
    }

    pub(super) fn next<T: Argument>(&mut self) -> Result<T, RetCode> {
        let value = self.values.get(self.next).copied().and_then(T::of).ok_or(RetCode::BadParam);
        self.next += 1;
        value
    }

    pub(super) fn rewind(&mut self) {
        self.next = 0;
    }
}

/// The type of an optional input.
pub(super) trait Argument: Sized {
    fn of(value: Value) -> Option<Self>;
}

impl Argument for i32 {
    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Int(value) => Self::try_from(value).ok(),
            Value::Float(_) => None,
        }
    }
}

impl Argument for f64 {
    fn of(value: Value) -> Option<Self> {
        Some(value.to_f64())
    }
}

impl Argument for MAType {
    fn of(value: Value) -> Option<Self> {
        Self::try_from(i32::of(value)?).ok()
    }
}

/// What a function gives for one bar.
pub(super) trait Outputs {
    fn to_values(self) -> Values;
}

impl Outputs for f64 {
    fn to_values(self) -> Values {
        Values::new([self])
    }
}

impl Outputs for i32 {
    fn to_values(self) -> Values {
        Values::new([self.into()])
    }
}

macro_rules! outputs_of_tuples {
    ($(($($name:ident: $type:ident),*))*) => {
        $(impl<$($type: Into<f64>),*> Outputs for ($($type,)*) {
            fn to_values(self) -> Values {
                let ($($name,)*) = self;
                Values::new([$($name.into()),*])
            }
        })*
    };
}

outputs_of_tuples! { (a: A, b: B) (a: A, b: B, c: C) (a: A, b: B, c: C, d: D) }
