//! Indicators of the trade behind a change.

use ta_lib::abstract_api::FuncId;

use crate::indicator::{Category, Indicator, Input, Kernel, Panel};
use crate::parameter::Parameter;

pub(super) const INDICATORS: &[Indicator] = &[
    Indicator {
        abbreviation: "OBV",
        name_en: "On-balance volume",
        name_zh: "能量潮",
        category: Category::Volume,
        panel: Panel::Oscillator,
        inputs: &[Input::Close, Input::Volume],
        parameters: &[],
        outputs: &["obv"],
        reference_lines: &[],
        kernel: Kernel::TaLib(FuncId::OBV),
    },
    Indicator {
        abbreviation: "AD",
        name_en: "Accumulation/distribution line",
        name_zh: "累积/派发线",
        category: Category::Volume,
        panel: Panel::Oscillator,
        inputs: &[Input::High, Input::Low, Input::Close, Input::Volume],
        parameters: &[],
        outputs: &["ad"],
        reference_lines: &[],
        kernel: Kernel::TaLib(FuncId::AD),
    },
    Indicator {
        abbreviation: "ADOSC",
        name_en: "Accumulation/distribution oscillator",
        name_zh: "累积/派发震荡指标",
        category: Category::Volume,
        panel: Panel::Oscillator,
        inputs: &[Input::High, Input::Low, Input::Close, Input::Volume],
        parameters: &[
            Parameter::int("fastperiod", 3, 2, 100),
            Parameter::int("slowperiod", 10, 2, 100).slot(1),
        ],
        outputs: &["adosc"],
        reference_lines: &[0.0],
        kernel: Kernel::TaLib(FuncId::ADOSC),
    },
];
