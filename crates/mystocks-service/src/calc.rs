//! `mystocks calc`: one indicator of one symbol.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use mystocks_cache::Policy;
use mystocks_indicators::{DateRange, IndicatorResult, IndicatorService, Reading, Symbol};
use mystocks_ta::Given;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cli;
use crate::platform::Platform;
use crate::say;

/// Reads the indicator the way services do, and prints it. A Redis that is away costs time and changes no answer.
pub(crate) async fn run(arguments: &cli::Calc) -> Result<ExitCode> {
    let range = range(arguments)?;
    let symbol = Symbol::new(&arguments.symbol)?;
    let platform = Platform::open("calc").await?;
    let ended = read(arguments, &platform, &symbol, range).await;
    platform.close().await;
    let (result, took) = ended?;
    let from = arguments.last.map_or(0, |last| result.len().saturating_sub(last));
    say::answer(arguments.format.json, &machine(&result, from, took), || human(&result, from, took))?;
    Ok(ExitCode::SUCCESS)
}

async fn read(
    arguments: &cli::Calc,
    platform: &Platform,
    symbol: &Symbol,
    range: DateRange,
) -> Result<(IndicatorResult, Duration)> {
    let policy = Policy { ttl: platform.settings.cache.ttl, ..Policy::default() };
    let builder = IndicatorService::builder(platform.bars(&arguments.source)?).policy(policy);
    let builder = if platform.settings.cache.enabled { builder.hub(platform.hub()?) } else { builder };
    // Whatever is computed is for the others as well: this process is gone in a moment.
    let service = builder.reading(Reading::Results).build()?;
    let given: Vec<(&str, Given)> =
        arguments.parameters.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let began = Instant::now();
    let answer = service.get(symbol, &arguments.indicator, &given, range).await;
    let took = began.elapsed();
    service.shutdown().await;
    Ok((answer?, took))
}

fn range(arguments: &cli::Calc) -> Result<DateRange> {
    Ok(match (arguments.from, arguments.to) {
        (None, None) => DateRange::ALL,
        (Some(from), None) => DateRange::since(from),
        (None, Some(to)) => DateRange::until(to),
        (Some(from), Some(to)) => DateRange::new(from, to)?,
    })
}

fn machine(result: &IndicatorResult, from: usize, took: Duration) -> Value {
    let parameters = result.parameters();
    let parameters = parameters.to_pairs().map(|(name, value)| (name.to_owned(), number(value.into())));
    let outputs = result.outputs().map(|name| {
        // What is no number is null.
        json!({ "output_name": name, "values": result.values(name).and_then(|values| values.get(from..)) })
    });
    let dates = result.dates().get(from..).unwrap_or_default();
    json!({
        "symbol": result.symbol().as_str(),
        "indicator": result.indicator().abbreviation,
        "label": result.label(),
        "parameters": parameters.collect::<serde_json::Map<_, _>>(),
        "version": result.version().as_str(),
        "way": result.detail().way.to_string(),
        "tier": result.tier().to_string(),
        "age_seconds": result.age().as_secs_f64(),
        "milliseconds": took.as_secs_f64() * 1e3,
        "days": result.len(),
        "dates": dates.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
    })
}

fn number(value: Given) -> Value {
    match value {
        Given::Int(number) => json!(number),
        Given::Float(number) => json!(number),
        Given::Other(_) => Value::Null,
    }
}

fn human(result: &IndicatorResult, from: usize, took: Duration) -> String {
    let head = format!(
        "{} {}: {}, version {}\nread from {} (tier {}) in {:.1} ms, computed {:.0} s ago",
        result.symbol(),
        result.label(),
        say::count(result.len() as u64, "day", "days"),
        result.version(),
        result.detail().way,
        result.tier(),
        took.as_secs_f64() * 1e3,
        result.age().as_secs_f64()
    );
    let names: Vec<&str> = result.outputs().collect();
    let mut rows =
        vec![[&["date"], names.as_slice()].concat().iter().map(ToString::to_string).collect::<Vec<_>>()];
    for (at, date) in result.dates().iter().enumerate().skip(from) {
        let mut row = vec![date.to_string()];
        row.extend(names.iter().map(|name| {
            let value = result.values(name).and_then(|values| values.get(at)).filter(|value| !value.is_nan());
            value.map_or_else(|| "-".to_owned(), ToString::to_string)
        }));
        rows.push(row);
    }
    format!("{head}\n\n{}", say::table(&rows))
}
