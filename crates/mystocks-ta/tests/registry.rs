//! The registry: its table, its minimum bars, and how it stands to TA-Lib's own metadata.

use mystocks_ta::{Category, ErrorKind, Given, Input, Panel, Value, daily_defaults, registry};
use ta_lib::abstract_api::{OptInputType, get_func_handle};

#[test]
fn it_holds_the_25_indicators() {
    let count = |category| registry().by_category(category).count();
    let all =
        [Category::Trend, Category::Momentum, Category::Volatility, Category::Volume, Category::Candlestick];
    assert_eq!(all.map(count), [7, 9, 3, 3, 3]);
    for indicator in registry().iter() {
        let found = registry().get(indicator.abbreviation).unwrap();
        assert!(std::ptr::eq(found, indicator), "{} is there twice", indicator.abbreviation);
        assert!(!indicator.name_zh.is_ascii() && indicator.name_en.is_ascii());
    }
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
    for indicator in registry().iter().filter(|one| one.abbreviation != "TDX_KDJ") {
        let info = get_func_handle(indicator.abbreviation).unwrap().info();
        assert_eq!(info.outputs.len(), indicator.outputs.len(), "{}", indicator.abbreviation);
        let offered =
            info.opt_inputs.iter().filter(|theirs| !matches!(theirs.kind, OptInputType::IntegerList { .. }));
        let offered: Vec<_> = offered.collect();
        assert_eq!(offered.len(), indicator.parameters.len(), "{}", indicator.abbreviation);
        for (ours, theirs) in indicator.parameters.iter().zip(offered) {
            let name = theirs.param_name.trim_start_matches("optIn").replace("TimePeriod", "timeperiod");
            assert_eq!(name.to_lowercase(), ours.name);
            let (default, min, max) = match theirs.kind {
                OptInputType::IntegerRange { default, min, max, .. } => {
                    (f64::from(default), f64::from(min), f64::from(max))
                }
                OptInputType::RealRange { default, min, max, .. } => (default, min, max),
                other => panic!("{other:?}"),
            };
            assert!(
                min <= ours.min.to_f64() && ours.max.to_f64() <= max,
                "{}.{}",
                indicator.abbreviation,
                ours.name
            );
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
    for indicator in registry().iter().filter(|one| one.abbreviation != "TDX_KDJ") {
        let info = get_func_handle(indicator.abbreviation).unwrap().info();
        let read = info.inputs.iter().map(|input| if input.flags.0 == 0 { 0b1000 } else { input.flags.0 });
        let read = read.fold(0, |all, one| all | one);
        let expected: Vec<Input> =
            (0..).zip(flags).filter(|(bit, _)| read & (1 << bit) != 0).map(|(_, input)| input).collect();
        assert_eq!(indicator.inputs, expected, "{}", indicator.abbreviation);
    }
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
    assert_eq!(error.to_string(), "find the indicator \"MCAD\": unknown indicator, nearest: MACD, SMA, EMA");
    assert!(registry().get("sma").unwrap_err().to_string().ends_with("nearest: SMA, EMA, WMA"));
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
