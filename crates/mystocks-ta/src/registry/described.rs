//! The indicators that TA-Lib's own metadata describes.

use ta_lib::abstract_api::{
    FUNCS, FuncFlags, FuncId, FuncInfo, Group, InputType, OptInputInfo, OptInputType,
};

use super::names::NAMES;
use super::patterns::PATTERNS;
use crate::bars::{MAX_PRICE, MAX_VOLUME};
use crate::indicator::{Category, Indicator, Input, Kernel, Panel};
use crate::parameter::Parameter;
use crate::talib::PERIODS;

/// The longest period that is accepted: four years of daily bars.
const LONGEST: i64 = 1_000;

/// Returns an indicator for every function of TA-Lib that `is_written` does not know.
///
/// Their names and the ranges of their parameters are made once and kept for as long as the process lives.
pub(super) fn indicators(is_written: impl Fn(FuncId) -> bool) -> Vec<Indicator> {
    FUNCS.iter().filter(|info| !is_written(info.id)).map(indicator).collect()
}

fn indicator(info: &'static FuncInfo) -> Indicator {
    let is_pattern = info.flags.contains(FuncFlags::CANDLESTICK);
    let (name_zh, reference_lines) = chinese(info.name);
    let outputs: Vec<&'static str> =
        info.outputs.iter().map(|one| output_name(one.param_name, is_pattern)).collect();
    Indicator {
        abbreviation: info.name,
        name_en: info.hint,
        name_zh,
        category: category(info),
        panel: panel(info, is_pattern),
        inputs: inputs(info).leak(),
        parameters: parameters(info).leak(),
        outputs: outputs.leak(),
        reference_lines,
        kernel: Kernel::TaLib(info.id),
    }
}

fn chinese(name: &'static str) -> (&'static str, &'static [f64]) {
    let pattern = PATTERNS.iter().find(|(known, _)| *known == name).map(|(_, zh)| (*zh, &[] as &[f64]));
    let other = || NAMES.iter().find(|(known, ..)| *known == name).map(|(_, zh, lines)| (*zh, *lines));
    pattern.or_else(other).unwrap_or((name, &[]))
}

fn category(info: &FuncInfo) -> Category {
    match (info.id, info.group) {
        // The company of MACD and ADX, which the registry has always filed under trend.
        (
            FuncId::MACDEXT
            | FuncId::MACDFIX
            | FuncId::ADXR
            | FuncId::DX
            | FuncId::PLUS_DI
            | FuncId::MINUS_DI
            | FuncId::PLUS_DM
            | FuncId::MINUS_DM,
            _,
        )
        | (_, Group::OverlapStudies) => Category::Trend,
        (_, Group::VolatilityIndicators) => Category::Volatility,
        (_, Group::VolumeIndicators) => Category::Volume,
        (_, Group::PatternRecognition) => Category::Candlestick,
        (_, Group::CycleIndicators) => Category::Cycle,
        (_, Group::PriceTransform) => Category::Price,
        (_, Group::StatisticFunctions) => Category::Statistic,
        (_, Group::MathOperators | Group::MathTransform) => Category::Math,
        // Momentum, and any group a later TA-Lib may add.
        _ => Category::Momentum,
    }
}

fn panel(info: &FuncInfo, is_pattern: bool) -> Panel {
    // AVGDEV is flagged like a price, but is a distance between prices.
    let is_price = info.flags.contains(FuncFlags::OVERLAP) && info.id != FuncId::AVGDEV;
    if is_price || is_pattern { Panel::Overlay } else { Panel::Oscillator }
}

fn inputs(info: &FuncInfo) -> Vec<Input> {
    const COLUMNS: [Input; 5] = [Input::Open, Input::High, Input::Low, Input::Close, Input::Volume];
    let reals = info.inputs.iter().filter(|input| input.kind == InputType::Real).count();
    let is_two = reals == 2 && info.id != FuncId::MAVP;
    let read = |column: &Input| match column {
        Input::High | Input::Low if is_two => true,
        Input::Close if reals > 0 && !is_two => true,
        _ => false,
    };
    let flags = info.inputs.iter().fold(0, |all, input| all | input.flags.bits());
    let with_flags =
        COLUMNS.into_iter().enumerate().filter(|(bit, column)| flags & (1 << bit) != 0 || read(column));
    with_flags.map(|(_, column)| column).collect()
}

fn parameters(info: &FuncInfo) -> Vec<Parameter> {
    let periods = (info.id == FuncId::MAVP).then(|| Parameter::int(PERIODS, 14, 1, LONGEST));
    let offered = info.opt_inputs.iter().enumerate().map(|(slot, theirs)| parameter(theirs).slot(slot));
    periods.into_iter().chain(offered).collect()
}

fn parameter(theirs: &OptInputInfo) -> Parameter {
    let name: &'static str = theirs.param_name.trim_start_matches("optIn").to_lowercase().leak();
    match theirs.kind {
        OptInputType::IntegerRange { min, max, default, .. } => {
            Parameter::int(name, default.into(), min.into(), LONGEST.min(max.into()))
        }
        OptInputType::IntegerList { values, default } => {
            let (min, max) = values
                .iter()
                .fold((default, default), |(min, max), (value, _)| (min.min(*value), max.max(*value)));
            Parameter::int(name, default, min, max)
        }
        OptInputType::RealRange { min, max, default, .. } => {
            let reach = reach(name, default);
            Parameter::float(name, default, min.max(-reach), max.min(reach))
        }
        OptInputType::RealList { values, default } => {
            let (min, max) = values
                .iter()
                .fold((default, default), |(min, max), (value, _)| (min.min(*value), max.max(*value)));
            Parameter::float(name, default, min, max)
        }
    }
}

/// Returns how far from 0 a number may be where TA-Lib names no better bound than 3e37.
fn reach(name: &str, default: f64) -> f64 {
    match name {
        "startvalue" | "limitmove" => MAX_PRICE,
        "volumedivisor" => MAX_VOLUME,
        _ => 100.0 * default.abs().max(1.0),
    }
}

/// Returns `upperband` of `outRealUpperBand`, and `real` of `outReal`.
fn output_name(theirs: &'static str, is_pattern: bool) -> &'static str {
    if is_pattern {
        return "pattern";
    }
    let name = theirs.trim_start_matches("out").to_lowercase();
    match name.strip_prefix("real") {
        Some(rest) if !rest.is_empty() => rest.to_owned().leak(),
        _ => name.leak(),
    }
}
