//! Calling TA-Lib functions by their metadata.

use std::sync::LazyLock;

use ta_lib::abstract_api::{FuncId, InputType, OutputType, ParamHolder};
use ta_lib::{Core, RetCode};

use crate::bars::Bars;
use crate::parameter::Parameter;
use crate::params::{Params, Value};

// Default settings: no unstable period, TA-Lib's own candle thresholds. Results depend on them.
static CORE: LazyLock<Core> = LazyLock::new(Core::new);

/// Returns how many bars come before the first value.
pub(crate) fn lookback(
    function: FuncId,
    parameters: &[Parameter],
    params: &Params,
) -> Result<usize, RetCode> {
    bind(function, parameters, params)?.lookback()
}

/// Computes every output of `function`, each as long as `bars`; the head is NaN, or 0 where TA-Lib gives integers.
pub(crate) fn compute(
    function: FuncId,
    parameters: &[Parameter],
    params: &Params,
    bars: &Bars,
) -> Result<Vec<Vec<f64>>, RetCode> {
    let mut call = bind(function, parameters, params)?;
    let (info, lookback) = (function.info(), call.lookback()?);
    for (slot, input) in info.inputs.iter().enumerate() {
        match input.kind {
            InputType::Real => call.set_input(slot, bars.close())?,
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
    let len = bars.len();
    let last = len.checked_sub(1).ok_or(RetCode::OutOfRangeEndIndex)?;
    let outputs = info.outputs.len();
    let mut reals = vec![vec![f64::NAN; len]; outputs];
    let mut integers = vec![vec![0_i32; 0]; outputs];
    for (slot, output) in info.outputs.iter().enumerate() {
        if output.kind == OutputType::Integer
            && let Some(integers) = integers.get_mut(slot)
        {
            integers.resize(len, 0);
        }
    }
    let slots = info.outputs.iter().zip(reals.iter_mut().zip(&mut integers));
    for (slot, (output, (reals, integers))) in slots.enumerate() {
        let short = RetCode::OutOfRangeEndIndex;
        match output.kind {
            OutputType::Real => call.set_output(slot, reals.get_mut(lookback..).ok_or(short)?)?,
            OutputType::Integer => call.set_int_output(slot, integers.get_mut(lookback..).ok_or(short)?)?,
        };
    }
    let range = call.call(0, last)?;
    if range.beg_idx != lookback || range.beg_idx + range.count != len {
        return Err(RetCode::InternalError);
    }
    for (reals, integers) in reals.iter_mut().zip(integers) {
        if !integers.is_empty() {
            *reals = integers.into_iter().map(f64::from).collect();
        }
    }
    Ok(reals)
}

fn bind(
    function: FuncId,
    parameters: &[Parameter],
    params: &Params,
) -> Result<ParamHolder<'static>, RetCode> {
    let mut call = function.new_call(&CORE);
    for parameter in parameters {
        let slot = parameter.slot;
        match params.get(parameter.name).unwrap_or(parameter.default) {
            Value::Int(value) => {
                let value = i32::try_from(value).map_err(|_| RetCode::BadParam)?;
                call.set_opt_input(slot, value)?
            }
            Value::Float(value) => call.set_opt_input(slot, value)?,
        };
    }
    Ok(call)
}
