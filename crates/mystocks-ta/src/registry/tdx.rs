//! The indicators of the Chinese charting programs, under names that TA-Lib does not use.

mod momentum;
mod trend;
mod volume;

use crate::indicator::Indicator;

pub(super) const TREND: &[Indicator] = trend::INDICATORS;
pub(super) const MOMENTUM: &[Indicator] = momentum::INDICATORS;
pub(super) const VOLUME: &[Indicator] = volume::INDICATORS;
