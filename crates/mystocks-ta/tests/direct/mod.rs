//! Calls TA-Lib itself, around this crate.

use mystocks_ta::{Bars, Given};
use ta_lib::Core;
use ta_lib::abstract_api::{FuncId, InputType, OutputInfo, OutputType};

/// The bits that TA-Lib itself gives for these parameters as they stand; `None` where it refuses them.
pub(crate) fn raw(function: FuncId, bars: &Bars, given: &[(&str, Given)]) -> Option<Vec<Vec<u64>>> {
    let core = Core::new();
    let info = function.info();
    let periods = vec![14.0; bars.len()];
    let mut call = function.new_call(&core);
    for (name, value) in given {
        let is_it = |theirs: &str| theirs.to_lowercase() == format!("optin{name}");
        // The periods of MAVP are no parameter of TA-Lib's.
        let slot = info.opt_inputs.iter().position(|theirs| is_it(theirs.param_name))?;
        match value {
            Given::Int(value) => call.set_opt_input(slot, i32::try_from(*value).unwrap()).unwrap(),
            Given::Float(value) => call.set_opt_input(slot, *value).unwrap(),
            Given::Other(_) => panic!("no number"),
        };
    }
    let reals = info.inputs.iter().filter(|input| input.kind == InputType::Real).count();
    let mut columns = match reals {
        _ if function == FuncId::MAVP => vec![bars.close(), &periods],
        1 => vec![bars.close()],
        _ => vec![bars.high(), bars.low()],
    }
    .into_iter();
    for (slot, input) in info.inputs.iter().enumerate() {
        if input.kind == InputType::Real {
            call.set_input(slot, columns.next().unwrap()).unwrap();
        } else {
            let [open, high, low, close, volume] =
                [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()].map(Some);
            call.set_price_input(slot, open, high, low, close, volume, None).unwrap();
        }
    }
    let mut reals = vec![vec![0.0_f64; bars.len()]; info.outputs.len()];
    let mut integers = vec![vec![0_i32; bars.len()]; info.outputs.len()];
    for (slot, (reals, integers)) in reals.iter_mut().zip(&mut integers).enumerate() {
        match info.outputs[slot].kind {
            OutputType::Real => call.set_output(slot, reals).unwrap(),
            OutputType::Integer => call.set_int_output(slot, integers).unwrap(),
        };
    }
    call.call(0, bars.len() - 1).ok()?;
    let outputs = info.outputs.iter().zip(reals).zip(integers);
    let of = |((output, reals), integers): ((&OutputInfo, Vec<f64>), Vec<i32>)| match output.kind {
        OutputType::Real => reals.into_iter().map(f64::to_bits).collect(),
        OutputType::Integer => integers.into_iter().map(|value| f64::from(value).to_bits()).collect(),
    };
    Some(outputs.map(of).collect())
}
