//! An indicator as a formula that is run once per bar.

use super::cells::Cells;
use crate::bars::Bars;
use crate::params::Params;

/// How many parameters and outputs a formula can have.
pub(crate) const MOST: usize = 4;

/// The values of one bar, one per output; what is left over is NaN.
pub(crate) type Lines = [f64; MOST];

/// How many bars come before the first value of each output.
pub(crate) type Heads = [usize; MOST];

/// A formula and how long it takes to begin.
#[derive(Debug)]
pub(crate) struct Formula {
    pub(crate) step: fn(&mut Cells, &Row, &Settings) -> Lines,
    pub(crate) heads: fn(&Settings) -> Heads,
    /// Whether every value after the head is a number, whatever the bars.
    pub(crate) everywhere: bool,
}

/// One bar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) open: f64,
    pub(crate) high: f64,
    pub(crate) low: f64,
    pub(crate) close: f64,
    pub(crate) volume: f64,
}

/// The parameters in the order of the indicator's table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) periods: [usize; MOST],
    pub(crate) numbers: [f64; MOST],
}

/// A formula under way: what it remembers, and what it is run with.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    formula: &'static Formula,
    settings: Settings,
    cells: Cells,
    last: Lines,
}

impl PartialEq for Formula {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Formula {}

impl Formula {
    /// Returns how many bars every output needs for a value at the last of them.
    pub(crate) fn minimum_bars(&self, params: &Params) -> usize {
        let heads = (self.heads)(&Settings::of(params));
        heads.into_iter().max().unwrap_or(0) + 1
    }

    /// Computes `outputs` series over `bars`.
    pub(crate) fn compute(&'static self, params: &Params, bars: &Bars, outputs: usize) -> Vec<Vec<f64>> {
        let mut run = Run::new(self, params);
        let mut series = vec![Vec::new(); outputs];
        for line in &mut series {
            line.reserve_exact(bars.len());
        }
        for row in Row::all(bars) {
            for (line, value) in series.iter_mut().zip(run.push(&row)) {
                line.push(value);
            }
        }
        series
    }
}

impl Settings {
    pub(crate) fn of(params: &Params) -> Self {
        let mut settings = Self { periods: [1; MOST], numbers: [1.0; MOST] };
        let slots = settings.periods.iter_mut().zip(&mut settings.numbers);
        for ((period, number), (_, value)) in slots.zip(params.in_customary_order()) {
            *period = value.to_period().unwrap_or(1).max(1);
            *number = value.to_f64();
        }
        settings
    }
}

impl Run {
    pub(crate) fn new(formula: &'static Formula, params: &Params) -> Self {
        Self { formula, settings: Settings::of(params), cells: Cells::default(), last: [f64::NAN; MOST] }
    }

    pub(crate) fn push(&mut self, row: &Row) -> Lines {
        self.cells.rewind();
        let lines = (self.formula.step)(&mut self.cells, row, &self.settings);
        self.last = lines.map(|value| if value.is_finite() { value } else { f64::NAN });
        self.last
    }

    /// Returns what it remembers, and the values of the last bar.
    pub(crate) fn save(&self) -> Vec<u64> {
        let mut words: Vec<u64> = self.last.iter().map(|value| value.to_bits()).collect();
        self.cells.save(&mut words);
        words
    }

    /// Takes what [`save`](Self::save) gave of a run that had `begun`, and returns the values of its last bar; `None` if it is not of this
    /// formula with these parameters.
    pub(crate) fn restore(&mut self, words: &[u64], begun: bool) -> Option<Lines> {
        let (last, cells) = words.split_first_chunk::<MOST>()?;
        *self = Self { cells: Cells::default(), ..*self };
        if begun {
            // Any bar makes the cells, which are then filled.
            self.push(&Row { open: 1.0, high: 1.0, low: 1.0, close: 1.0, volume: 1.0 });
        }
        self.cells.restore(cells)?;
        self.last = last.map(f64::from_bits);
        Some(self.last)
    }
}

impl Row {
    pub(crate) fn all(bars: &Bars) -> impl Iterator<Item = Self> + '_ {
        let prices = bars.open().iter().zip(bars.high()).zip(bars.low().iter().zip(bars.close()));
        prices.zip(bars.volume()).map(|(((open, high), (low, close)), volume)| Self {
            open: *open,
            high: *high,
            low: *low,
            close: *close,
            volume: *volume,
        })
    }
}
