//! Results that services are to find.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use mystocks_cache::{Policy, Tier};
use mystocks_indicators::{IndicatorRequest, IndicatorService, Reading};
use serde_json::json;
use tokio::time::Instant;

use crate::cli::Warm;
use crate::cli::bars;
use crate::platform::Platform;
use crate::say;

/// So many symbols are asked for at once.
const CHUNK: usize = 16;
/// So many reasons are shown.
const SHOWN: usize = 10;
/// Everything is to be in the store, and little of it here.
const L1: u64 = 16 << 20;

/// What became of the requests.
#[derive(Debug, Default)]
struct Tally {
    computed: u64,
    found: u64,
    failed: Vec<String>,
}

/// Asks for everything once.
pub(super) async fn run(platform: &Platform, arguments: &Warm) -> Result<ExitCode> {
    ensure!(platform.settings.cache.enabled, "warm the cache: REDIS_ENABLE_CACHE is off");
    let (chosen, plan) =
        (bars::symbols(arguments.symbols.as_deref())?, bars::plan(arguments.indicators.as_deref())?);
    let source = platform.bars(&arguments.source)?;
    let policy = Policy { ttl: platform.settings.cache.ttl, l1_capacity: L1, ..Policy::default() };
    let builder = IndicatorService::builder(source).hub(platform.hub()?).policy(policy);
    let service = builder.reading(Reading::Results).build()?;
    let began = Instant::now();
    let (mut tally, mut count) = (Tally::default(), 0);
    let asked = async {
        let symbols = match chosen {
            Some(symbols) => symbols,
            None => service.symbols().await?,
        };
        count = symbols.len();
        for chunk in symbols.chunks(CHUNK) {
            let requests: Vec<IndicatorRequest> = chunk
                .iter()
                .flat_map(|symbol| {
                    plan.iter().map(|(_, params)| IndicatorRequest::of(symbol.clone(), params))
                })
                .collect();
            for (request, answer) in requests.iter().zip(service.get_many(&requests).await) {
                match answer {
                    Ok(result) if result.tier() == Tier::L3 => tally.computed += 1,
                    Ok(_) => tally.found += 1,
                    Err(error) => {
                        tally.failed.push(format!("{} {}: {error}", request.symbol, request.indicator));
                    }
                }
            }
        }
        anyhow::Ok(())
    }
    .await;
    service.shutdown().await;
    asked?;
    let errors = service.stats().store_errors;
    let seconds = began.elapsed().as_secs_f64();
    let is_well = tally.failed.is_empty() && errors == 0;
    let machine = json!({
        "symbols": count,
        "computed": tally.computed,
        "found": tally.found,
        "failed": tally.failed,
        "store_errors": errors,
        "seconds": seconds,
    });
    say::answer(arguments.format.json, &machine, || {
        let mut text = format!(
            "{} in {seconds:.1} s: {} computed, {} were there, {} failed",
            say::count(count as u64, "symbol", "symbols"),
            say::count(tally.computed, "result", "results"),
            tally.found,
            tally.failed.len()
        );
        if errors > 0 {
            text.push_str(&format!("; the store refused {errors} times"));
        }
        for reason in tally.failed.iter().take(SHOWN) {
            text.push_str(&format!("\n  failed {reason}"));
        }
        if tally.failed.len() > SHOWN {
            text.push_str(&format!("\n  … and {} more", tally.failed.len() - SHOWN));
        }
        text
    })?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
