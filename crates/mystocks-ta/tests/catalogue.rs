//! docs/indicators.md lists every indicator as the registry has it.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::fmt::Write;
use std::path::Path;

use mystocks_ta::{Category, Indicator, Input, Kind, Panel, registry};

const BEGIN: &str = "<!-- table of the registry: begin -->\n";
const END: &str = "<!-- table of the registry: end -->\n";
const COMMAND: &str = "MYSTOCKS_REWRITE=1 cargo test -p mystocks-ta --test catalogue";

#[test]
fn the_page_lists_the_registry() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/indicators.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (above, rest) = page.split_once(BEGIN).unwrap();
    let (_, below) = rest.split_once(END).unwrap();
    let current = format!("{above}{BEGIN}{}{END}{below}", table());
    if page != current && std::env::var_os("MYSTOCKS_REWRITE").is_some() {
        std::fs::write(&path, &current).unwrap();
        return;
    }
    assert!(page == current, "docs/indicators.md is not current; `{COMMAND}` rewrites its table");
}

fn table() -> String {
    let mut text = format!("\n{} indicators, written by `{COMMAND}`.\n", registry().iter().count());
    for category in Category::ALL {
        let count = registry().by_category(category).count();
        let (title, zh) = titles(category);
        write!(
            text,
            "\n### {title} ({zh}, {count})\n\n| | name | 名称 | parameters: default (range) | outputs | reads | bars | panel |\n\
             |---|---|---|---|---|---|---|---|\n"
        )
        .unwrap();
        for indicator in registry().by_category(category) {
            text.push_str(&row(indicator));
        }
    }
    text.push('\n');
    text
}

fn row(indicator: &Indicator) -> String {
    let parameters: Vec<String> = indicator
        .parameters
        .iter()
        .map(|one| {
            let (name, default, min, max) = (one.name, one.default, one.min, one.max);
            match one.kind {
                Kind::Int => format!("`{name}` {default} ({min}..{max})"),
                Kind::Float => format!(
                    "`{name}` {default:?} ({min:?}..{max:?})",
                    default = default.to_f64(),
                    min = min.to_f64(),
                    max = max.to_f64()
                ),
            }
        })
        .collect();
    let outputs: Vec<String> = indicator.outputs.iter().map(|name| format!("`{name}`")).collect();
    let inputs: String = indicator.inputs.iter().map(|input| letter(*input)).collect();
    let panel = match indicator.panel {
        Panel::Overlay => "price",
        Panel::Oscillator => "own",
    };
    let bars = indicator.minimum_bars(&indicator.defaults());
    format!(
        "| `{}` | {} | {} | {} | {} | {inputs} | {bars} | {panel} |\n",
        indicator.abbreviation,
        indicator.name_en,
        indicator.name_zh,
        parameters.join("; "),
        outputs.join(", "),
    )
}

fn letter(input: Input) -> char {
    match input {
        Input::Open => 'O',
        Input::High => 'H',
        Input::Low => 'L',
        Input::Close => 'C',
        Input::Volume => 'V',
    }
}

fn titles(category: Category) -> (&'static str, &'static str) {
    match category {
        Category::Trend => ("Trend", "趋势"),
        Category::Momentum => ("Momentum", "动量"),
        Category::Volatility => ("Volatility", "波动率"),
        Category::Volume => ("Volume", "成交量"),
        Category::Candlestick => ("Candlestick patterns", "K线形态"),
        Category::Cycle => ("Cycle", "周期"),
        Category::Price => ("Price", "价格变换"),
        Category::Statistic => ("Statistic", "统计"),
        Category::Math => ("Math", "数学运算"),
    }
}
