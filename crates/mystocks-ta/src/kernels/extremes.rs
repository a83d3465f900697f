//! The highest or lowest of every window of a tile, by doubling.

/// How many windows are done at once: three tiles of this length stay in the nearest cache.
pub(super) const TILE: usize = 256;

/// Two buffers for the windows of a tile.
#[derive(Debug, Default)]
pub(super) struct Extremes {
    current: Vec<f64>,
    next: Vec<f64>,
}

impl Extremes {
    /// Returns what `better` keeps of every window of `period` values, one for each window in `values`.
    ///
    /// After every step an element is the best of twice as many as before; two windows that overlap make the last.
    pub(super) fn of(
        &mut self,
        values: &[f64],
        period: usize,
        better: impl Fn(f64, f64) -> f64,
    ) -> impl Iterator<Item = f64> {
        self.current.clear();
        self.current.extend_from_slice(values);
        let mut width = 1;
        while width * 2 <= period {
            let ahead = self.current.get(width..).unwrap_or_default();
            self.next.clear();
            self.next.extend(self.current.iter().zip(ahead).map(|(one, other)| better(*one, *other)));
            std::mem::swap(&mut self.current, &mut self.next);
            width *= 2;
        }
        let ahead = self.current.get(period - width..).unwrap_or_default();
        self.current.iter().zip(ahead).map(move |(one, other)| better(*one, *other))
    }
}
