//! Indicators that take one bar after another.

mod bar;
mod handle;
mod history;
mod state;
mod table;
mod talib;
mod values;

use jiff::civil::Date;

pub use bar::Bar;
use handle::Point;
pub use state::State;
pub use values::Values;

use crate::bars::Bars;
use crate::error::{Error, ErrorKind};
use crate::indicator::{Indicator, Kernel};
use crate::params::Params;
use crate::tdx::formula::{Lines, Row, Run};

/// An indicator under way: a history behind it, and one bar at a time from there.
///
/// Its values are those of [`Indicator::compute`] over all its bars, bit for bit, at every bar; while there are fewer bars than
/// [`Indicator::minimum_bars`], they are what a longer batch has in its head. A bar costs the same however many came before.
///
/// ```
/// use mystocks_ta::{Bar, Bars, State, Stream, registry};
///
/// let macd = registry().get("TDX_MACD")?;
/// let mut stream = macd.open(&Bars::default(), &macd.defaults())?;
/// let bar = |day: i8, close: f64| Bar {
///     date: jiff::civil::date(2024, 1, day),
///     open: close,
///     high: close + 0.5,
///     low: close - 0.5,
///     close,
///     volume: 1e6,
/// };
/// stream.update(&bar(2, 10.0))?;
/// let forming = stream.peek(&bar(3, 10.4))?; // 3 January is not over
/// let [dif, dea, macd] = stream.update(&bar(3, 10.4))?[..] else { unreachable!() };
/// assert_eq!(forming[..], [dif, dea, macd]);
/// assert!(stream.update(&bar(3, 10.4)).is_err(), "that day is over");
///
/// let state: State = stream.save();
/// let mut later = Stream::restore(&state)?;
/// assert!(state.is_exact() && later.len() == 2);
/// assert_eq!(later.update(&bar(4, 10.2))?[..], stream.update(&bar(4, 10.2))?[..]);
/// # Ok::<(), mystocks_ta::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Stream {
    indicator: &'static Indicator,
    params: Params,
    contents: Contents,
    keep: Keep,
    len: usize,
    last: Option<Date>,
    values: Values,
    exact: bool,
}

/// Which bars a stream keeps, so that it can be saved.
///
/// TA-Lib's streams cannot be written down. A stream of a TA-Lib function is saved as bars, of each the columns it reads (8 bytes a number),
/// and restored by opening it on them. The indicators of [`tdx`](crate::tdx) are saved as what they remember: they keep no bars, and are
/// exact in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Keep {
    /// As many of the last bars as give the values of the whole history to 6 digits or more, 8 as a rule: the lookback, and TA-Lib's own figure
    /// for the bars until the beginning is forgotten; with their defaults 281 bars for RSI and 367 for MACD. Patterns that the last digit decides
    /// may then differ. Functions of which no window tells enough keep all bars: those that add up or follow a path from the first bar on (AD,
    /// ASI, CUMSUM, NVI, OBV, PVI, PVT, SAR, SAREXT, SUPERTREND, VWAP, WAD, ZIGZAG) and those that give the number of a bar or a level
    /// (FRACTAL, HT_TRENDMODE, MAXINDEX, MININDEX, MINMAXINDEX, SQZMOM).
    #[default]
    Window,
    /// All bars: what is restored goes on bit for bit.
    All,
}

#[derive(Debug, Clone)]
enum Contents {
    Function(talib::Function),
    Formula(Run),
}

impl Indicator {
    /// Returns whether the indicator has a stream.
    pub fn streams(&self) -> bool {
        match self.kernel {
            Kernel::TaLib(function) => talib::streams(function),
            Kernel::Tdx(_) => true,
        }
    }

    /// Opens a stream on the history `bars`, which may be empty; it keeps a [window](Keep::Window) of bars.
    ///
    /// # Errors
    /// [`ErrorKind::BadParameter`] for parameters of another indicator; [`ErrorKind::Kernel`] if the indicator has no stream.
    pub fn open(&'static self, bars: &Bars, params: &Params) -> Result<Stream, Error> {
        self.open_keeping(bars, params, Keep::Window)
    }

    /// Opens a stream on the history `bars`, which may be empty; it keeps the bars that `keep` says.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn open_keeping(&'static self, bars: &Bars, params: &Params, keep: Keep) -> Result<Stream, Error> {
        if params.indicator() != self.abbreviation {
            let detail = format!("expected its own parameters, got those of {}", params.indicator());
            return Err(Error::new(ErrorKind::BadParameter, OPEN, self.abbreviation, detail));
        }
        let mut stream = Stream::empty(self, *params, keep)?;
        match &mut stream.contents {
            Contents::Function(function) => {
                stream.values = function.extend(bars).map_err(|code| refused(OPEN, self, code))?;
            }
            Contents::Formula(run) => {
                for row in Row::all(bars) {
                    stream.values = values_of(run.push(&row), self.outputs.len());
                }
            }
        }
        stream.len = bars.len();
        stream.last = bars.dates().last().copied();
        Ok(stream)
    }
}

const OPEN: &str = "open the stream";

impl Stream {
    /// Restores a stream that was [saved](Self::save).
    ///
    /// # Errors
    /// [`ErrorKind::UnknownIndicator`], [`ErrorKind::UnknownParameter`] and [`ErrorKind::BadParameter`] if it was saved by a crate that knew
    /// others; [`ErrorKind::BadState`] if it is damaged or of another format. The stream must then be opened anew.
    pub fn restore(state: &State) -> Result<Self, Error> {
        state.restore()
    }

    /// Takes the next bar and returns its values.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidBars`] for a bar that breaks what [`Bar`] must hold (NaN, for one) or whose date is not after the last one, and
    /// [`ErrorKind::Kernel`] if the kernel refuses it. The stream is then as it was.
    pub fn update(&mut self, bar: &Bar) -> Result<Values, Error> {
        bar.check(self.last)?;
        self.values = match &mut self.contents {
            Contents::Function(function) => {
                let result = function.update(&Point::of(bar));
                result.map_err(|code| refused("update the stream", self.indicator, code))?
            }
            Contents::Formula(run) => values_of(run.push(&Row::of(bar)), self.indicator.outputs.len()),
        };
        self.len += 1;
        self.last = Some(bar.date);
        Ok(self.values)
    }

    /// Returns the values that [`update`](Self::update) would, and takes nothing: for the bar of a day that is not over.
    ///
    /// # Errors
    /// Those of [`update`](Self::update).
    pub fn peek(&self, bar: &Bar) -> Result<Values, Error> {
        bar.check(self.last)?;
        match &self.contents {
            Contents::Function(function) => {
                let result = function.peek(&Point::of(bar));
                result.map_err(|code| refused("peek into the stream", self.indicator, code))
            }
            Contents::Formula(run) => {
                Ok(values_of(run.clone().push(&Row::of(bar)), self.indicator.outputs.len()))
            }
        }
    }

    /// Returns the values of the last bar; of no bar at all, NaN.
    pub fn values(&self) -> Values {
        self.values
    }

    /// Returns the number of bars taken, the history included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there was no bar yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the date of the last bar.
    pub fn last_date(&self) -> Option<Date> {
        self.last
    }

    /// Returns the indicator.
    pub fn indicator(&self) -> &'static Indicator {
        self.indicator
    }

    /// Returns the parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Returns whether its values are those of a batch bit for bit; after a restore from a window of bars they are to about 8 digits.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Returns which values it gives, as a part of the version of what is cached of them: `1-exact` or `1-window`.
    pub fn version(&self) -> String {
        state::version(self.exact)
    }

    /// Returns the stream as it stands, to be kept and [restored](Self::restore).
    ///
    /// The state is [exact](State::is_exact) if the indicator is one of [`tdx`](crate::tdx), if all bars are [kept](Keep::All), or if no
    /// more bars came than are kept.
    pub fn save(&self) -> State {
        State::of(self)
    }

    fn empty(indicator: &'static Indicator, params: Params, keep: Keep) -> Result<Self, Error> {
        let outputs = indicator.outputs.len();
        let contents = match indicator.kernel {
            Kernel::TaLib(function) => {
                let window = if keep == Keep::All { None } else { talib::window(function, &params) };
                let most = window.unwrap_or(usize::MAX);
                let new = talib::Function::new(function, &params, indicator.inputs, most);
                Contents::Function(new.map_err(|code| refused(OPEN, indicator, code))?)
            }
            Kernel::Tdx(formula) => Contents::Formula(Run::new(formula, &params)),
        };
        let values = Values::new([f64::NAN; values::MAX_OUTPUTS]).first(outputs);
        Ok(Self { indicator, params, contents, keep, len: 0, last: None, values, exact: true })
    }
}

fn values_of(lines: Lines, outputs: usize) -> Values {
    Values::new(lines).first(outputs)
}

fn refused(operation: &'static str, indicator: &Indicator, code: ta_lib::RetCode) -> Error {
    let detail = "the kernel refused";
    Error::new(ErrorKind::Kernel, operation, indicator.abbreviation, detail).with_source(code)
}

impl Point {
    fn of(bar: &Bar) -> Self {
        let Bar { open, high, low, close, volume, .. } = *bar;
        Self { open, high, low, close, volume, periods: f64::NAN }
    }
}

impl Row {
    fn of(bar: &Bar) -> Self {
        let Bar { open, high, low, close, volume, .. } = *bar;
        Self { open, high, low, close, volume }
    }
}
