//! The bars a stream keeps, so that it can be opened again.

use super::handle::{Columns, Point};
use crate::bars::Bars;
use crate::indicator::Input;

/// The last bars of a stream, of each the columns that are read.
#[derive(Debug, Clone)]
pub(super) struct History {
    inputs: &'static [Input],
    most: usize,
    // Bar after bar, the columns of each in the order of `inputs`.
    values: Vec<f64>,
    bars: usize,
}

impl History {
    pub(super) fn new(inputs: &'static [Input], most: usize) -> Self {
        Self { inputs, most: most.max(1), values: Vec::new(), bars: 0 }
    }

    /// Returns the number of bars kept.
    pub(super) fn len(&self) -> usize {
        self.bars.min(self.most)
    }

    pub(super) fn push(&mut self, point: &Point) {
        let stride = self.inputs.len();
        let kept = self.most.saturating_sub(1).saturating_mul(stride);
        // A quarter of a window goes by between two moves.
        if self.values.len() >= kept.saturating_add(kept / 4).saturating_add(16 * stride) {
            let from = self.values.len() - kept;
            self.values.copy_within(from.., 0);
            self.values.truncate(kept);
        }
        for input in self.inputs {
            self.values.push(match input {
                Input::Open => point.open,
                Input::High => point.high,
                Input::Low => point.low,
                Input::Close => point.close,
                Input::Volume => point.volume,
            });
        }
        self.bars = self.bars.saturating_add(1).min(self.most.saturating_add(1));
    }

    /// Takes back the bar just pushed.
    pub(super) fn pop(&mut self) {
        self.values.truncate(self.values.len().saturating_sub(self.inputs.len()));
        self.bars = self.bars.saturating_sub(1);
    }

    /// Takes the last bars of `bars` that are kept.
    pub(super) fn extend(&mut self, bars: &Bars) {
        for row in bars.len().saturating_sub(self.most)..bars.len() {
            let at = |column: &[f64]| column.get(row).copied().unwrap_or(f64::NAN);
            self.push(&Point {
                open: at(bars.open()),
                high: at(bars.high()),
                low: at(bars.low()),
                close: at(bars.close()),
                volume: at(bars.volume()),
                periods: f64::NAN,
            });
        }
    }

    /// Returns the values kept, bar after bar.
    pub(super) fn kept(&self) -> &[f64] {
        let from = self.values.len().saturating_sub(self.len() * self.inputs.len());
        self.values.get(from..).unwrap_or_default()
    }

    /// Takes values as [`kept`](Self::kept) gave them.
    pub(super) fn restore(&mut self, values: Vec<f64>) {
        self.bars = values.len() / self.inputs.len().max(1);
        self.values = values;
    }

    /// Calls `with` the bars as columns; those that are not kept are empty.
    pub(super) fn with_columns<T>(&self, periods: f64, with: impl FnOnce(&Columns<'_>) -> T) -> T {
        let column = |input: Input| -> Vec<f64> {
            let at = self.inputs.iter().position(|one| *one == input);
            let stride = self.inputs.len().max(1);
            at.map_or_else(Vec::new, |at| self.kept().iter().skip(at).step_by(stride).copied().collect())
        };
        with(&Columns {
            open: &column(Input::Open),
            high: &column(Input::High),
            low: &column(Input::Low),
            close: &column(Input::Close),
            volume: &column(Input::Volume),
            periods: &vec![periods; self.len()],
        })
    }
}
