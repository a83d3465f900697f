//! What TA-Lib does to parameters in silence, done in the open before a request becomes a key.

use ta_lib::abstract_api::FuncId;

use crate::params::Params;

/// Brings `params` into the form TA-Lib computes with, so that requests for the same series are the same.
pub(crate) fn reorder(function: FuncId, params: &mut Params) {
    match function {
        FuncId::APO | FuncId::MACD | FuncId::PPO | FuncId::PVO | FuncId::STC => {
            ascend(params, "fastperiod", "slowperiod");
        }
        FuncId::MACDEXT if is_above(params, "fastperiod", "slowperiod") => {
            exchange(params, "fastperiod", "slowperiod");
            exchange(params, "fastmatype", "slowmatype");
        }
        FuncId::COPPOCK => ascend(params, "roc1period", "roc2period"),
        FuncId::ULTOSC => {
            ascend(params, "timeperiod1", "timeperiod2");
            ascend(params, "timeperiod2", "timeperiod3");
            ascend(params, "timeperiod1", "timeperiod2");
        }
        FuncId::SAR => cap(params, "acceleration", "maximum"),
        FuncId::SAREXT => {
            cap(params, "accelerationinitlong", "accelerationmaxlong");
            cap(params, "accelerationlong", "accelerationmaxlong");
            cap(params, "accelerationinitshort", "accelerationmaxshort");
            cap(params, "accelerationshort", "accelerationmaxshort");
        }
        _ => {}
    }
}

/// Returns what is wrong with values that are each in range but that TA-Lib refuses together.
pub(crate) fn conflict(function: FuncId, params: &Params) -> Option<&'static str> {
    let above = |lower, higher| is_above(params, lower, higher);
    match function {
        FuncId::FRAMA
            if params.get("timeperiod").and_then(crate::Value::to_period).is_some_and(|n| n % 2 == 1) =>
        {
            Some("expected an even timeperiod")
        }
        FuncId::MAVP if above("minperiod", "maxperiod") => Some("expected minperiod <= maxperiod"),
        FuncId::SQZMOM if above("factornormal", "factorwide") || above("factornarrow", "factornormal") => {
            Some("expected factornarrow <= factornormal <= factorwide")
        }
        _ => None,
    }
}

fn is_above(params: &Params, lower: &str, higher: &str) -> bool {
    match (params.get(lower), params.get(higher)) {
        (Some(lower), Some(higher)) => lower.to_f64() > higher.to_f64(),
        _ => false,
    }
}

fn ascend(params: &mut Params, lower: &str, higher: &str) {
    if is_above(params, lower, higher) {
        exchange(params, lower, higher);
    }
}

fn exchange(params: &mut Params, one: &str, other: &str) {
    if let (Some(a), Some(b)) = (params.get(one), params.get(other)) {
        params.set(one, b);
        params.set(other, a);
    }
}

fn cap(params: &mut Params, name: &str, highest: &str) {
    if let Some(value) = params.get(highest)
        && is_above(params, name, highest)
    {
        params.set(name, value);
    }
}
