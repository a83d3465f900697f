//! Shapes of one or a few bars: +-100 where the pattern is met, 0 elsewhere; an engulfing body that shares one end gives +-80.

use ta_lib::abstract_api::FuncId;

use crate::indicator::{Category, Indicator, Input, Kernel, Panel};

pub(super) const INDICATORS: &[Indicator] = &[
    Indicator {
        abbreviation: "CDLDOJI",
        name_en: "Doji",
        name_zh: "十字星",
        category: Category::Candlestick,
        panel: Panel::Overlay,
        inputs: &[Input::Open, Input::High, Input::Low, Input::Close],
        parameters: &[],
        outputs: &["pattern"],
        reference_lines: &[],
        kernel: Kernel::TaLib(FuncId::CDLDOJI),
    },
    Indicator {
        abbreviation: "CDLHAMMER",
        name_en: "Hammer",
        name_zh: "锤子线",
        category: Category::Candlestick,
        panel: Panel::Overlay,
        inputs: &[Input::Open, Input::High, Input::Low, Input::Close],
        parameters: &[],
        outputs: &["pattern"],
        reference_lines: &[],
        kernel: Kernel::TaLib(FuncId::CDLHAMMER),
    },
    Indicator {
        abbreviation: "CDLENGULFING",
        name_en: "Engulfing pattern",
        name_zh: "吞没形态",
        category: Category::Candlestick,
        panel: Panel::Overlay,
        inputs: &[Input::Open, Input::High, Input::Low, Input::Close],
        parameters: &[],
        outputs: &["pattern"],
        reference_lines: &[],
        kernel: Kernel::TaLib(FuncId::CDLENGULFING),
    },
];
