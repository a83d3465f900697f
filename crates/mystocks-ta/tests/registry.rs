//! The registry: its table, its minimum bars, and how it stands to TA-Lib's own metadata.

use mystocks_ta::{Category, ErrorKind, Given, Input, Kind, Panel, Value, daily_defaults, registry};
use ta_lib::abstract_api::{FuncId, InputType, OptInputInfo, OptInputType, get_func_handle};

/// What the Python backend knows, and `KDJ` and `TDX_KDJ`: their parameters and outputs are a contract.
const CONTRACT: [&str; 25] = [
    "SMA(timeperiod=20) sma",
    "EMA(timeperiod=20) ema",
    "WMA(timeperiod=20) wma",
    "MACD(fastperiod=12,slowperiod=26,signalperiod=9) macd signal hist",
    "BBANDS(timeperiod=20,nbdevup=2.0,nbdevdn=2.0) upperband middleband lowerband",
    "SAR(acceleration=0.02,maximum=0.2) sar",
    "ADX(timeperiod=14) adx",
    "RSI(timeperiod=14) rsi",
    "STOCH(fastk_period=9,slowk_period=3,slowd_period=3) slowk slowd",
    "KDJ(fastk_period=9,slowk_period=3,slowd_period=3) k d j",
    "TDX_KDJ(n=9,m1=3,m2=3) k d j",
    "CCI(timeperiod=14) cci",
    "MFI(timeperiod=14) mfi",
    "WILLR(timeperiod=14) willr",
    "ROC(timeperiod=10) roc",
    "MOM(timeperiod=10) mom",
    "ATR(timeperiod=14) atr",
    "NATR(timeperiod=14) natr",
    "TRANGE trange",
    "OBV obv",
    "AD ad",
    "ADOSC(fastperiod=3,slowperiod=10) adosc",
    "CDLDOJI pattern",
    "CDLHAMMER pattern",
    "CDLENGULFING pattern",
];

fn is_in_contract(abbreviation: &str) -> bool {
    CONTRACT.iter().any(|one| one.split(['(', ' ']).next() == Some(abbreviation))
}

#[test]
fn the_25_of_the_contract_stand_as_they_are() {
    for line in CONTRACT {
        let indicator = registry().get(line.split(['(', ' ']).next().unwrap_or_default()).unwrap();
        let found = format!("{} {}", indicator.label(&indicator.defaults()), indicator.outputs.join(" "));
        assert_eq!(found, line);
    }
}

#[test]
fn every_indicator_is_there_once_with_both_names() {
    let all: Vec<&str> = registry().iter().map(|indicator| indicator.abbreviation).collect();
    for indicator in registry().iter() {
        let name = indicator.abbreviation;
        assert_eq!(registry().get(name).unwrap().abbreviation, name);
        assert_eq!(all.iter().filter(|one| **one == name).count(), 1, "{name} is there twice");
        assert!(!indicator.name_zh.is_ascii() && indicator.name_en.is_ascii(), "{name}");
    }
    let by_category = Category::ALL.into_iter().flat_map(|category| registry().by_category(category));
    assert!(by_category.map(|indicator| indicator.abbreviation).eq(all.iter().copied()));
    let of_ta_lib = all.iter().filter(|name| get_func_handle(name).is_some()).count();
    assert_eq!((of_ta_lib, FuncId::COUNT), (237, 237));
}

#[test]
fn minimum_bars_are_what_the_first_value_needs() {
    type Case<'a> = (&'a str, &'a [(&'a str, Given)], usize);
    let cases: &[Case<'_>] = &[
        ("SMA", &[], 20),
        ("EMA", &[("timeperiod", Given::Int(200))], 200),
        ("WMA", &[("timeperiod", Given::Int(2))], 2),
        ("MACD", &[], 34),
        ("MACD", &[("fastperiod", Given::Int(50)), ("signalperiod", Given::Int(5))], 54),
        ("BBANDS", &[], 20),
        ("SAR", &[], 2),
        ("ADX", &[], 28),
        ("ADX", &[("timeperiod", Given::Int(100))], 200),
        ("RSI", &[], 15),
        ("STOCH", &[], 13),
        ("STOCH", &[("slowk_period", Given::Int(5)), ("slowd_period", Given::Int(7))], 19),
        ("KDJ", &[], 13),
        ("KDJ", &[("slowk_period", Given::Int(5)), ("slowd_period", Given::Int(7))], 19),
        ("TDX_KDJ", &[], 9),
        ("TDX_KDJ", &[("n", Given::Int(1)), ("m1", Given::Int(100))], 1),
        ("CCI", &[], 14),
        ("MFI", &[], 15),
        ("WILLR", &[], 14),
        ("ROC", &[], 11),
        ("MOM", &[("timeperiod", Given::Int(1))], 2),
        ("ATR", &[], 15),
        ("ATR", &[("timeperiod", Given::Int(1))], 2),
        ("NATR", &[], 15),
        ("TRANGE", &[], 2),
        ("OBV", &[], 1),
        ("AD", &[], 1),
        ("ADOSC", &[], 10),
        ("ADOSC", &[("fastperiod", Given::Int(30))], 30),
        ("CDLDOJI", &[], 11),
        ("CDLHAMMER", &[], 12),
        ("CDLENGULFING", &[], 3),
    ];
    for (name, given, need) in cases {
        let indicator = registry().get(name).unwrap();
        let params = indicator.canonical(given).unwrap();
        assert_eq!(indicator.minimum_bars(&params), *need, "{}", indicator.label(&params));
    }
}

/// A default of TA-Lib that differs from ours is stated here; any other difference is a change in the library.
#[test]
fn defaults_that_differ_from_ta_lib_are_these() {
    let mut differ = Vec::new();
    for indicator in registry().iter() {
        let Some(function) = get_func_handle(indicator.abbreviation) else { continue };
        let info = function.info();
        assert_eq!(info.outputs.len(), indicator.outputs.len(), "{}", indicator.abbreviation);
        // The contract fixes the types of average at their defaults.
        let is_list = |theirs: &OptInputInfo| matches!(theirs.kind, OptInputType::IntegerList { .. });
        let offered = info
            .opt_inputs
            .iter()
            .filter(|theirs| !is_list(theirs) || !is_in_contract(indicator.abbreviation));
        let offered: Vec<_> = offered.collect();
        let ours: Vec<_> = indicator.parameters.iter().filter(|ours| ours.name != "periods").collect();
        assert_eq!(offered.len(), ours.len(), "{}", indicator.abbreviation);
        for (ours, theirs) in ours.into_iter().zip(offered) {
            assert_eq!(theirs.param_name.trim_start_matches("optIn").to_lowercase(), ours.name);
            let (default, min, max) = match theirs.kind {
                OptInputType::IntegerRange { default, min, max, .. } => {
                    (f64::from(default), f64::from(min), f64::from(max))
                }
                OptInputType::IntegerList { default, .. } => (Value::Int(default).to_f64(), 0.0, 15.0),
                OptInputType::RealRange { default, min, max, .. } => (default, min, max),
                other => panic!("{other:?}"),
            };
            let (ours_min, ours_max) = (ours.min.to_f64(), ours.max.to_f64());
            let label = format!("{}.{}", indicator.abbreviation, ours.name);
            assert!(min <= ours_min && ours_max <= max, "{label}");
            if !is_in_contract(indicator.abbreviation) {
                // Four years of bars; 100 times the default; prices and volumes as bars hold them.
                let reach = match (ours.kind, ours.name) {
                    (Kind::Int, _) => 1_000.0,
                    (_, "startvalue" | "limitmove") => 1e15,
                    (_, "volumedivisor") => 1e18,
                    _ => default.abs().max(1.0) * 100.0,
                };
                assert_eq!((ours_min, ours_max), (min.max(-reach), max.min(reach)), "{label}");
            }
            if default != ours.default.to_f64() {
                differ.push(format!("{}.{} {default} {}", indicator.abbreviation, ours.name, ours.default));
            }
        }
    }
    assert_eq!(
        differ,
        ["SMA.timeperiod 30 20", "EMA.timeperiod 30 20", "WMA.timeperiod 30 20", "STOCH.fastk_period 5 9"]
    );
}

#[test]
fn inputs_are_those_ta_lib_reads() {
    let flags = [Input::Open, Input::High, Input::Low, Input::Close, Input::Volume];
    let mut two_series = Vec::new();
    for indicator in registry().iter() {
        let Some(function) = get_func_handle(indicator.abbreviation) else { continue };
        let info = function.info();
        // One series is the closing prices, two are the highest and the lowest, as TA-Lib for Python has it.
        let series = match info.inputs.iter().filter(|input| input.kind == InputType::Real).count() {
            _ if indicator.abbreviation == "MAVP" => 0b1000,
            0 => 0,
            1 => 0b1000,
            _ => {
                two_series.push(indicator.abbreviation);
                0b0110
            }
        };
        let read = info.inputs.iter().fold(series, |all, input| all | input.flags.0);
        let expected: Vec<Input> =
            (0..).zip(flags).filter(|(bit, _)| read & (1 << bit) != 0).map(|(_, input)| input).collect();
        assert_eq!(indicator.inputs, expected, "{}", indicator.abbreviation);
    }
    two_series.sort_unstable();
    assert_eq!(two_series, ["ADD", "BETA", "CORREL", "DIV", "MULT", "SUB"]);
}

#[test]
fn panels_and_categories_of_all_237() {
    let of = |name: &str| {
        let indicator = registry().get(name).unwrap();
        (indicator.category, indicator.panel)
    };
    assert_eq!(of("SUPERTREND"), (Category::Trend, Panel::Overlay));
    assert_eq!(of("CDLMATHOLD"), (Category::Candlestick, Panel::Overlay));
    assert_eq!(of("STOCHRSI"), (Category::Momentum, Panel::Oscillator));
    assert_eq!(of("PLUS_DI"), (Category::Trend, Panel::Oscillator));
    assert_eq!(of("VWAP"), (Category::Volume, Panel::Overlay));
    assert_eq!(of("HT_SINE"), (Category::Cycle, Panel::Oscillator));
    assert_eq!(of("AVGDEV"), (Category::Price, Panel::Oscillator));
    assert_eq!(of("TSF"), (Category::Statistic, Panel::Overlay));
    assert_eq!(of("MAX"), (Category::Math, Panel::Overlay));
    let ta_lib = |category| {
        let members = registry().by_category(category);
        members.filter(|indicator| get_func_handle(indicator.abbreviation).is_some()).count()
    };
    assert_eq!(Category::ALL.map(ta_lib), [44, 53, 11, 14, 61, 8, 6, 13, 27]);
    assert_eq!(registry().get("STC").unwrap().reference_lines, [25.0, 75.0]);
}

#[test]
fn the_daily_job_has_nine_requests() {
    let labels: Vec<String> =
        daily_defaults().iter().map(|(indicator, params)| indicator.label(params)).collect();
    let expected = [
        "SMA(timeperiod=5)",
        "SMA(timeperiod=10)",
        "SMA(timeperiod=20)",
        "SMA(timeperiod=60)",
        "MACD(fastperiod=12,slowperiod=26,signalperiod=9)",
        "RSI(timeperiod=14)",
        "BBANDS(timeperiod=20,nbdevup=2.0,nbdevdn=2.0)",
        "ATR(timeperiod=14)",
        "TDX_KDJ(n=9,m1=3,m2=3)",
    ];
    assert_eq!(labels, expected);
}

#[test]
fn an_unknown_indicator_is_answered_with_the_nearest() {
    let error = registry().get("MCAD").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownIndicator);
    assert_eq!(error.to_string(), "find the indicator \"MCAD\": unknown indicator, nearest: MACD, MCGD, MA");
    for (asked, nearest) in
        [("sma", "SMA, "), ("rsi14", "RSI, "), ("TDXKDJ", "TDX_KDJ, "), ("DOJI", "CDLDOJI")]
    {
        let text = registry().get(asked).unwrap_err().to_string();
        assert!(text.contains(&format!("nearest: {nearest}")), "{text}");
    }
    let far = registry().get("\u{1f4c8}\n").unwrap_err();
    assert_eq!(
        far.to_string(),
        "find the indicator \"\u{1f4c8}\\n\": unknown indicator, none is called anything like it"
    );
    assert_eq!(registry().get(&"X".repeat(100_000)).unwrap_err().subject().chars().count(), 65);
}

#[test]
fn metadata_serializes_for_a_catalogue() {
    let macd = serde_json::to_value(registry().get("MACD").unwrap()).unwrap();
    let expected = serde_json::json!({
        "abbreviation": "MACD",
        "name_en": "Moving average convergence/divergence",
        "name_zh": "指数平滑异同移动平均线",
        "category": "trend",
        "panel": "oscillator",
        "inputs": ["close"],
        "parameters": [
            { "name": "fastperiod", "kind": "int", "default": 12, "min": 2, "max": 100 },
            { "name": "slowperiod", "kind": "int", "default": 26, "min": 2, "max": 100 },
            { "name": "signalperiod", "kind": "int", "default": 9, "min": 2, "max": 100 },
        ],
        "outputs": ["macd", "signal", "hist"],
        "reference_lines": [0.0],
        "minimum_bars": 34,
    });
    assert_eq!(macd, expected);
    let bbands = registry().get("BBANDS").unwrap();
    assert_eq!((bbands.panel, bbands.parameters[1].default), (Panel::Overlay, Value::Float(2.0)));
}
