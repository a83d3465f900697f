//! Prices adjusted for dividends and splits.

/// What becomes of prices before dividends and splits, by the column `adj_factor`.
///
/// The factor of a day is that of its row; where it is missing or not positive, that of the row before, and 1 before the first.
/// All four prices of a row are multiplied by one ratio; the volume stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Adjustment {
    /// Prices stay as they were traded.
    #[default]
    None,
    /// price × (factor ÷ factor of the last row): the last prices stay, older ones are made comparable to them. Each new
    /// dividend changes all older prices.
    Forward,
    /// price × factor: the first prices stay as long as factors begin at 1, and a new dividend changes no older price.
    Backward,
}

impl Adjustment {
    /// Returns the name of it in a version.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }

    /// Returns for each row, in the order of the days, what its prices are multiplied by.
    pub(super) fn ratios(self, factors: impl Iterator<Item = f64>) -> Vec<f64> {
        if self == Self::None {
            return factors.map(|_| 1.0).collect();
        }
        let mut carried = 1.0;
        let mut ratios: Vec<f64> = factors
            .map(|factor| {
                if factor > 0.0 {
                    carried = factor;
                }
                carried
            })
            .collect();
        if self == Self::Forward {
            // Divided first: the ratio of the last factor to itself is 1 exactly, and its prices stay bit for bit.
            ratios.iter_mut().for_each(|ratio| *ratio /= carried);
        }
        ratios
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_carried_until_the_next_and_is_1_before_the_first() {
        let factors = [f64::NAN, 2.0, f64::NAN, 0.0, -1.0, 8.0, f64::NAN];
        let ratios = |adjustment: Adjustment| adjustment.ratios(factors.into_iter());
        assert_eq!(ratios(Adjustment::None), [1.0; 7]);
        assert_eq!(ratios(Adjustment::Backward), [1.0, 2.0, 2.0, 2.0, 2.0, 8.0, 8.0]);
        assert_eq!(ratios(Adjustment::Forward), [0.125, 0.25, 0.25, 0.25, 0.25, 1.0, 1.0]);
        assert!(Adjustment::Forward.ratios(std::iter::empty()).is_empty());
        assert_eq!(Adjustment::Forward.ratios([f64::NAN; 2].into_iter()), [1.0; 2]);
    }
}
