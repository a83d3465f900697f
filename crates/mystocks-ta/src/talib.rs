//! Calling TA-Lib functions by their metadata.

use std::sync::LazyLock;

use ta_lib::abstract_api::{FuncFlags, FuncId, InputType, OutputType, ParamHolder};
use ta_lib::{Core, FuncUnstId, RetCode};

use crate::bars::Bars;
use crate::params::{Params, Value};

/// The parameter of `MAVP` that stands for a series bars do not have: a period for every bar.
pub(crate) const PERIODS: &str = "periods";

// Default settings: no unstable period, TA-Lib's own candle thresholds. Results depend on them.
pub(crate) static CORE: LazyLock<Core> = LazyLock::new(Core::new);

/// Returns how many bars come before the first value.
pub(crate) fn lookback(function: FuncId, params: &Params) -> Result<usize, RetCode> {
    bind(&CORE, function, params)?.lookback()
}

/// Returns how many bars come before the first value that does not depend, in its first 8 digits, on where the bars begin; by TA-Lib's own
/// figures.
pub(crate) fn lookback_to_8_digits(function: FuncId, params: &Params) -> Result<usize, RetCode> {
    static CORE: LazyLock<Option<Core>> = LazyLock::new(|| {
        Core::builder().unstable_period(FuncUnstId::ALL, Core::UNSTABLE_AUTO_PREC_8).build().ok()
    });
    let core = CORE.as_ref().ok_or(RetCode::InternalError)?;
    bind(core, function, params)?.lookback()
}

/// Returns whether prices and volumes as bars hold them can be outside of what `function` is defined on.
pub(crate) fn is_partial(function: FuncId) -> bool {
    // These are flagged for what prices never are: zero or less.
    let is_of_positives = matches!(function, FuncId::DIV | FuncId::LN | FuncId::LOG10 | FuncId::SQRT);
    function.info().flags.contains(FuncFlags::NAN_INF_OUTPUT) && !is_of_positives
}

/// Computes every output of `function`, each as long as `bars`; the head is NaN, or 0 where TA-Lib gives integers.
pub(crate) fn compute(function: FuncId, params: &Params, bars: &Bars) -> Result<Vec<Vec<f64>>, RetCode> {
    let len = bars.len();
    let last = len.checked_sub(1).ok_or(RetCode::OutOfRangeEndIndex)?;
    let mut call = bind(&CORE, function, params)?;
    let lookback = call.lookback()?;
    let mut info = function.info();
    if function == FuncId::MAVP {
        // With one period for all bars it is this average, begun where MAVP begins, and no average of every period.
        call = bind_average(params)?;
        info = FuncId::MA.info();
    }
    let reals = info.inputs.iter().filter(|input| input.kind == InputType::Real).count();
    let mut columns = if reals == 1 { [bars.close(), &[]] } else { [bars.high(), bars.low()] }.into_iter();
    for (slot, input) in info.inputs.iter().enumerate() {
        match input.kind {
            InputType::Real => call.set_input(slot, columns.next().ok_or(RetCode::BadParam)?)?,
            InputType::Price => call.set_price_input(
                slot,
                Some(bars.open()),
                Some(bars.high()),
                Some(bars.low()),
                Some(bars.close()),
                Some(bars.volume()),
                None,
            )?,
            InputType::Integer => return Err(RetCode::InvalidParamHolderType),
        };
    }
    let mut outputs: Vec<Buffer> = info.outputs.iter().map(|output| Buffer::new(output.kind, len)).collect();
    for (slot, output) in outputs.iter_mut().enumerate() {
        let short = RetCode::OutOfRangeEndIndex;
        match output {
            Buffer::Real(values) => call.set_output(slot, values.get_mut(lookback..).ok_or(short)?)?,
            Buffer::Integer(values) => call.set_int_output(slot, values.get_mut(lookback..).ok_or(short)?)?,
        };
    }
    let range = call.call(if function == FuncId::MAVP { lookback } else { 0 }, last)?;
    if range.beg_idx != lookback || range.beg_idx + range.count != len {
        return Err(RetCode::InternalError);
    }
    Ok(outputs.into_iter().map(|output| output.finish(lookback)).collect())
}

enum Buffer {
    Real(Vec<f64>),
    Integer(Vec<i32>),
}

impl Buffer {
    fn new(kind: OutputType, len: usize) -> Self {
        match kind {
            OutputType::Real => Self::Real(vec![0.0; len]),
            OutputType::Integer => Self::Integer(vec![0; len]),
        }
    }

    fn finish(self, lookback: usize) -> Vec<f64> {
        match self {
            Self::Real(mut values) => {
                values.iter_mut().take(lookback).for_each(|value| *value = f64::NAN);
                values
            }
            Self::Integer(values) => values.into_iter().map(f64::from).collect(),
        }
    }
}

/// The average that MAVP takes where its period is that of `params`.
fn bind_average(params: &Params) -> Result<ParamHolder<'static>, RetCode> {
    let number = |name| match params.get(name) {
        Some(Value::Int(value)) => i32::try_from(value).map_err(|_| RetCode::BadParam),
        _ => Err(RetCode::BadParam),
    };
    let period = number(PERIODS)?.max(number("minperiod")?).min(number("maxperiod")?);
    let mut call = FuncId::MA.new_call(&CORE);
    call.set_opt_input(0, period)?.set_opt_input(1, number("matype")?)?;
    Ok(call)
}

fn bind(core: &'static Core, function: FuncId, params: &Params) -> Result<ParamHolder<'static>, RetCode> {
    let mut call = function.new_call(core);
    for (parameter, value) in params.in_customary_order() {
        if parameter.name == PERIODS {
            continue;
        }
        match value {
            Value::Int(value) => {
                let value = i32::try_from(value).map_err(|_| RetCode::BadParam)?;
                call.set_opt_input(parameter.slot, value)?
            }
            Value::Float(value) => call.set_opt_input(parameter.slot, value)?,
        };
    }
    Ok(call)
}
