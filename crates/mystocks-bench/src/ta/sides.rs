//! One function, three ways: through the registry, the crate directly, the C library from Python.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mystocks_ta::{Bars, Indicator, Params, Value};
use rustix::time::{ClockId, clock_gettime};
use ta_lib::Core;
use ta_lib::abstract_api::{FuncId, InputType, OutputType};

use super::c_library::CLibrary;
use super::series::BARS;

pub(super) struct Sides<'a> {
    indicator: &'static Indicator,
    params: Params,
    function: FuncId,
    bars: &'a Bars,
    core: Core,
    library: Option<&'a CLibrary>,
}

impl<'a> Sides<'a> {
    pub(super) fn new(
        indicator: &'static Indicator,
        function: FuncId,
        bars: &'a Bars,
        library: Option<&'a CLibrary>,
    ) -> Self {
        let params = indicator.defaults();
        let library = library.filter(|library| library.has(function.name()));
        Self { indicator, params, function, bars, core: Core::new(), library }
    }

    pub(super) fn is_in_c_library(&self) -> bool {
        self.library.is_some()
    }

    pub(super) fn ours(&self) -> Result<Duration> {
        let began = worked()?;
        drop(black_box(self.indicator.compute(self.bars, &self.params).context("ours")?));
        per_thousand(began)
    }

    /// Allocates what it fills and nothing else, and gives what the registry does: integers as numbers, a period for every bar to `MAVP`.
    pub(super) fn direct(&self) -> Result<Duration> {
        let began = worked()?;
        let info = self.function.info();
        let periods = vec![14.0; if self.function == FuncId::MAVP { self.bars.len() } else { 0 }];
        let mut call = self.function.new_call(&self.core);
        for (slot, theirs) in info.opt_inputs.iter().enumerate() {
            let name = theirs.param_name.trim_start_matches("optIn").to_lowercase();
            match self.params.get(&name) {
                Some(Value::Int(value)) => drop(call.set_opt_input(slot, i32::try_from(value)?)?),
                Some(Value::Float(value)) => drop(call.set_opt_input(slot, value)?),
                None => {}
            }
        }
        let reals = info.inputs.iter().filter(|input| input.kind == InputType::Real).count();
        let mut columns = match reals {
            _ if self.function == FuncId::MAVP => [self.bars.close(), &periods],
            1 => [self.bars.close(), &[]],
            _ => [self.bars.high(), self.bars.low()],
        }
        .into_iter();
        for (slot, input) in info.inputs.iter().enumerate() {
            if input.kind == InputType::Real {
                call.set_input(slot, columns.next().context("a third series")?)?;
            } else {
                let bars = self.bars;
                let columns = [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()];
                let [open, high, low, close, volume] = columns.map(Some);
                call.set_price_input(slot, open, high, low, close, volume, None)?;
            }
        }
        let of = |kind| info.outputs.iter().filter(move |output| output.kind == kind).count();
        let mut reals = vec![vec![0.0_f64; 0]; of(OutputType::Real)];
        let mut integers = vec![vec![0_i32; 0]; of(OutputType::Integer)];
        reals.iter_mut().for_each(|values| *values = vec![0.0; self.bars.len()]);
        integers.iter_mut().for_each(|values| *values = vec![0; self.bars.len()]);
        let (mut real, mut integer) = (reals.iter_mut(), integers.iter_mut());
        for (slot, output) in info.outputs.iter().enumerate() {
            match output.kind {
                OutputType::Real => drop(call.set_output(slot, real.next().context("no room")?)?),
                OutputType::Integer => drop(call.set_int_output(slot, integer.next().context("no room")?)?),
            }
        }
        let range = call.call(0, self.bars.len() - 1)?;
        ensure!(range.count > 0, "{} gave nothing", self.function.name());
        let of_integers = integers.into_iter().map(|values| values.into_iter().map(f64::from).collect());
        reals.extend(of_integers.collect::<Vec<Vec<f64>>>());
        drop(black_box(reals));
        per_thousand(began)
    }

    pub(super) fn c_library(&self) -> Result<Duration> {
        let library = self.library.context("no C library")?;
        Ok(library.call(self.function.name(), &self.params)? / u32::try_from(BARS / 1_000)?)
    }
}

/// The time this thread has worked: what other programs take from it is none of the function's.
fn worked() -> Result<Duration> {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Ok(Duration::new(time.tv_sec.try_into()?, time.tv_nsec.try_into()?))
}

fn per_thousand(began: Duration) -> Result<Duration> {
    Ok(worked()?.saturating_sub(began) / u32::try_from(BARS / 1_000)?)
}
