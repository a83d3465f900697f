//! Kernels of our own for functions of TA-Lib, where they are at least 1.5 times as fast and give the same bits.
//!
//! The same bits, so that nothing else has to know: TA-Lib's streams serve them, and no stored series becomes another. That rules out
//! what would only be close: one fused chain for each side of `RSI`, or shifted sums for `BBANDS`, whose reseeding is what keeps it
//! exact. `cargo xtask bench ta` measures them.

mod cci;
mod extremes;
mod obv;
mod stochastic;

use ta_lib::abstract_api::FuncId;
use ta_lib::{MAType, RetCode};

use crate::bars::Bars;
use crate::params::Params;

/// Computes `function` where there is a kernel for it; `None` where there is none.
///
/// The series begin with as many NaN as TA-Lib's lookback. `bars` must be longer than that.
pub(crate) fn compute(
    function: FuncId,
    params: &Params,
    bars: &Bars,
) -> Option<Result<Vec<Vec<f64>>, RetCode>> {
    let period = |name| params.get(name).and_then(crate::Value::to_period).unwrap_or(1).max(1);
    let stochastic = |average| {
        let periods = ["fastk_period", "slowk_period", "slowd_period"].map(period);
        stochastic::lines(bars, periods, average)
    };
    match function {
        FuncId::CCI => Some(Ok(vec![cci::cci(bars, period("timeperiod"))])),
        FuncId::OBV => Some(Ok(vec![obv::obv(bars)])),
        FuncId::STOCH => Some(stochastic(MAType::SMA).map(Vec::from)),
        FuncId::KDJ => Some(stochastic(MAType::RMA).map(|[k, d]| {
            let j = k.iter().zip(&d).map(|(k, d)| 3.0 * k - 2.0 * d).collect();
            vec![k, d, j]
        })),
        _ => None,
    }
}
