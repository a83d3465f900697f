//! The stream of a TA-Lib function.

use ta_lib::RetCode;
use ta_lib::abstract_api::{FuncFlags, FuncId, OutputType};

use super::handle::{Arguments, Columns, Handle, Point};
use super::history::History;
use super::table;
use super::values::{MAX_OUTPUTS, Values};
use crate::bars::Bars;
use crate::indicator::Input;
use crate::params::Params;
use crate::talib::{self, CORE, PERIODS};

/// A TA-Lib function under way.
///
/// TA-Lib opens a stream on more bars than the function's lookback; until then bars are collected.
#[derive(Debug)]
pub(super) struct Function {
    function: FuncId,
    arguments: Arguments,
    need: usize,
    periods: f64,
    history: History,
    handle: Option<Box<dyn Handle>>,
}

/// Returns whether TA-Lib has a stream for `function`.
pub(super) fn streams(function: FuncId) -> bool {
    function.info().flags.contains(FuncFlags::STREAM)
}

/// Returns how many bars give the values of the whole history to about 8 digits; `None` if no number of bars does: because the function adds
/// up from the first bar on or follows a path from there, or gives the number of a bar or a level, which has no digits to be near by.
pub(super) fn window(function: FuncId, params: &Params) -> Option<usize> {
    let info = function.info();
    let is_level = info.outputs.iter().any(|output| output.kind == OutputType::Integer);
    let is_pattern = info.flags.contains(FuncFlags::CANDLESTICK);
    if info.flags.contains(FuncFlags::PATH_DEPENDENT) || (is_level && !is_pattern) {
        return None;
    }
    talib::lookback_to_8_digits(function, params).ok().map(|lookback| lookback + 1)
}

impl Function {
    pub(super) fn new(
        function: FuncId,
        params: &Params,
        inputs: &'static [Input],
        most: usize,
    ) -> Result<Self, RetCode> {
        let need = talib::lookback(function, params)? + 1;
        Ok(Self {
            function,
            arguments: Arguments::new(function, params),
            need,
            periods: params.get(PERIODS).map_or(f64::NAN, crate::Value::to_f64),
            history: History::new(inputs, most.max(need)),
            handle: None,
        })
    }

    /// Takes a whole history.
    pub(super) fn extend(&mut self, bars: &Bars) -> Result<Values, RetCode> {
        let mut values = self.head();
        if bars.len() >= self.need {
            let periods = vec![self.periods; bars.len()];
            values = self.open(&Columns {
                open: bars.open(),
                high: bars.high(),
                low: bars.low(),
                close: bars.close(),
                volume: bars.volume(),
                periods: &periods,
            })?;
        }
        self.history.extend(bars);
        Ok(values)
    }

    /// Takes what [`kept`](Self::kept) gave.
    pub(super) fn restore(&mut self, kept: Vec<f64>) -> Result<Values, RetCode> {
        self.history.restore(kept);
        if self.history.len() < self.need {
            return Ok(self.head());
        }
        let history = self.history.clone();
        history.with_columns(self.periods, |columns| self.open(columns))
    }

    pub(super) fn update(&mut self, point: &Point) -> Result<Values, RetCode> {
        let point = Point { periods: self.periods, ..*point };
        if let Some(handle) = &mut self.handle {
            let values = handle.update(&point)?;
            self.history.push(&point);
            return Ok(values);
        }
        self.history.push(&point);
        if self.history.len() < self.need {
            return Ok(self.head());
        }
        let history = self.history.clone();
        let opened = history.with_columns(self.periods, |columns| self.open(columns));
        opened.inspect_err(|_| self.history.pop())
    }

    pub(super) fn peek(&self, point: &Point) -> Result<Values, RetCode> {
        match &self.handle {
            Some(handle) => handle.peek(&Point { periods: self.periods, ..*point }),
            None if self.history.len() + 1 < self.need => Ok(self.head()),
            None => self.clone().update(point),
        }
    }

    /// Returns the bars it keeps.
    pub(super) fn kept(&self) -> &[f64] {
        self.history.kept()
    }

    pub(super) fn kept_bars(&self) -> usize {
        self.history.len()
    }

    fn open(&mut self, columns: &Columns<'_>) -> Result<Values, RetCode> {
        self.arguments.rewind();
        let opened = table::open(self.function, &CORE, columns, &mut self.arguments)?;
        self.handle = Some(opened.handle);
        Ok(opened.values)
    }

    // As in a batch: before their first value integers are 0.
    fn head(&self) -> Values {
        let outputs = self.function.info().outputs;
        let mut head = [f64::NAN; MAX_OUTPUTS];
        for (value, output) in head.iter_mut().zip(outputs) {
            if output.kind == OutputType::Integer {
                *value = 0.0;
            }
        }
        Values::new(head).first(outputs.len())
    }
}

impl Clone for Function {
    fn clone(&self) -> Self {
        Self {
            function: self.function,
            arguments: self.arguments.clone(),
            need: self.need,
            periods: self.periods,
            history: self.history.clone(),
            handle: self.handle.as_ref().map(|handle| handle.fork()),
        }
    }
}
