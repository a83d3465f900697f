//! Indicators of the range of change.

use ta_lib::abstract_api::FuncId;

use crate::indicator::{Category, Indicator, Input, Kernel, Panel};
use crate::parameter::Parameter;

pub(super) const INDICATORS: &[Indicator] = &[
    Indicator {
        abbreviation: "ATR",
        name_en: "Average true range",
        name_zh: "平均真实波幅",
        category: Category::Volatility,
        panel: Panel::Oscillator,
        inputs: &[Input::High, Input::Low, Input::Close],
        parameters: &[Parameter::int("timeperiod", 14, 1, 100)],
        outputs: &["atr"],
        reference_lines: &[],
        kernel: Kernel::TaLib(FuncId::ATR),
    },
    Indicator {
        abbreviation: "NATR",
        name_en: "Normalized average true range",
        name_zh: "归一化平均真实波幅",
        category: Category::Volatility,
        panel: Panel::Oscillator,
        inputs: &[Input::High, Input::Low, Input::Close],
        parameters: &[Parameter::int("timeperiod", 14, 1, 100)],
        outputs: &["natr"],
        reference_lines: &[],
        kernel: Kernel::TaLib(FuncId::NATR),
    },
    Indicator {
        abbreviation: "TRANGE",
        name_en: "True range",
        name_zh: "真实波幅",
        category: Category::Volatility,
        panel: Panel::Oscillator,
        inputs: &[Input::High, Input::Low, Input::Close],
        parameters: &[],
        outputs: &["trange"],
        reference_lines: &[],
        kernel: Kernel::TaLib(FuncId::TRANGE),
    },
];
