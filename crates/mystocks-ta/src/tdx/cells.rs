//! The memory of a formula that is computed bar by bar.

use super::smoothing::Smoothing;
use super::window::{Window, count};

/// What a formula remembers from one bar to the next: a cell for every function call in it, in the order of the calls.
///
/// A formula is written as if over whole series, `dif = ema(close, 12) - ema(close, 26)`, and is run once per bar; every run must make
/// the same calls in the same order. A call finds its own cell by counting.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cells {
    cells: Vec<Cell>,
    next: usize,
}

#[derive(Debug, Clone)]
enum Cell {
    Window(Window),
    Smoothing(Smoothing),
    Number(f64),
}

impl Cells {
    /// Begins the next bar.
    pub(crate) fn rewind(&mut self) {
        self.next = 0;
    }

    /// `REF(x, n)`: the value `n` bars ago.
    pub(crate) fn back(&mut self, x: f64, n: usize) -> f64 {
        if n == 1 {
            let Cell::Number(last) = self.cell(|| Cell::Number(f64::NAN)) else { return f64::NAN };
            return std::mem::replace(last, x);
        }
        self.window(x, n.saturating_add(1), |window| window.oldest().unwrap_or(f64::NAN))
    }

    /// `MA(x, n)`.
    pub(crate) fn ma(&mut self, x: f64, n: usize) -> f64 {
        self.window(x, n, Window::mean)
    }

    /// `SUM(x, n)`.
    pub(crate) fn sum(&mut self, x: f64, n: usize) -> f64 {
        self.window(x, n, Window::sum)
    }

    /// `STD(x, n)`.
    pub(crate) fn std(&mut self, x: f64, n: usize) -> f64 {
        self.window(x, n, Window::deviation)
    }

    /// `AVEDEV(x, n)`.
    pub(crate) fn avedev(&mut self, x: f64, n: usize) -> f64 {
        self.window(x, n, Window::mean_distance)
    }

    /// `HHV(x, n)`.
    pub(crate) fn hhv(&mut self, x: f64, n: usize) -> f64 {
        self.window(x, n, Window::highest)
    }

    /// `LLV(x, n)`.
    pub(crate) fn llv(&mut self, x: f64, n: usize) -> f64 {
        self.window(x, n, Window::lowest)
    }

    /// `EMA(x, n)`.
    pub(crate) fn ema(&mut self, x: f64, n: usize) -> f64 {
        self.smooth(x, 2.0 / (count(n) + 1.0))
    }

    /// `SMA(x, n, 1)`.
    pub(crate) fn sma(&mut self, x: f64, n: usize) -> f64 {
        self.smooth(x, 1.0 / count(n))
    }

    /// `DMA(x, weight)`: a missing weight is 1.
    pub(crate) fn dma(&mut self, x: f64, weight: f64) -> f64 {
        let Cell::Number(last) = self.cell(|| Cell::Number(f64::NAN)) else { return f64::NAN };
        *last = dma(*last, x, weight);
        *last
    }

    /// `SUM(x, 0)`: the sum from the first bar on.
    pub(crate) fn total(&mut self, x: f64) -> f64 {
        let Cell::Number(total) = self.cell(|| Cell::Number(0.0)) else { return f64::NAN };
        *total += x;
        *total
    }

    /// The last value that was not missing, and `first` before there was one.
    pub(crate) fn hold(&mut self, x: f64, first: f64) -> f64 {
        let Cell::Number(last) = self.cell(|| Cell::Number(first)) else { return f64::NAN };
        if !x.is_nan() {
            *last = x;
        }
        *last
    }

    /// Appends what the cells hold.
    pub(crate) fn save(&self, words: &mut Vec<u64>) {
        for cell in &self.cells {
            match cell {
                Cell::Window(window) => {
                    let values = window.remembered();
                    words.push(values.len() as u64);
                    words.extend(values.iter().map(|value| value.to_bits()));
                }
                Cell::Smoothing(smoothing) => words.extend(smoothing.parts().map(f64::to_bits)),
                Cell::Number(number) => words.push(number.to_bits()),
            }
        }
    }

    /// Fills cells that were made by a bar with what [`save`](Self::save) gave; `None` if that is of other cells.
    pub(crate) fn restore(&mut self, mut words: &[u64]) -> Option<()> {
        for cell in &mut self.cells {
            match cell {
                Cell::Window(window) => {
                    let (len, rest) = words.split_first()?;
                    let (values, rest) = rest.split_at_checked(usize::try_from(*len).ok()?)?;
                    window.restore(values.iter().copied().map(f64::from_bits))?;
                    words = rest;
                }
                Cell::Smoothing(smoothing) => {
                    let (parts, rest) = words.split_first_chunk()?;
                    smoothing.restore(parts.map(f64::from_bits));
                    words = rest;
                }
                Cell::Number(number) => {
                    let (bits, rest) = words.split_first()?;
                    *number = f64::from_bits(*bits);
                    words = rest;
                }
            }
        }
        words.is_empty().then_some(())
    }

    fn smooth(&mut self, x: f64, weight: f64) -> f64 {
        let Cell::Smoothing(smoothing) = self.cell(|| Cell::Smoothing(Smoothing::new(weight))) else {
            return f64::NAN;
        };
        smoothing.push(x)
    }

    fn window(&mut self, x: f64, n: usize, read: impl Fn(&Window) -> f64) -> f64 {
        let Cell::Window(window) = self.cell(|| Cell::Window(Window::new(n))) else { return f64::NAN };
        window.push(x);
        read(window)
    }

    fn cell(&mut self, first: impl FnOnce() -> Cell) -> &mut Cell {
        let at = self.next;
        self.next += 1;
        if at >= self.cells.len() {
            self.cells.push(first());
        }
        &mut self.cells[at]
    }
}

/// One step of `DMA`: `y = weight * x + (1 - weight) * y`, beginning with the first value; a missing weight is 1.
pub(crate) fn dma(last: f64, x: f64, weight: f64) -> f64 {
    if last.is_nan() || weight.is_nan() {
        return x;
    }
    weight * x + (1.0 - weight) * last
}
