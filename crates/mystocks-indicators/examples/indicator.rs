//! Answers an indicator in two processes of one fleet: computed once, read from L2 and L1 ever after.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;

use mystocks_cache::{CacheHub, Keyspace, MemoryStore};
use mystocks_indicators::{CsvBars, DateRange, IndicatorService, Symbol};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let bars = CsvBars::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/sample"))?;
    // With Redis each process would have `CacheHub::redis(&RedisStore::new(manager), …)`.
    let store = MemoryStore::new();
    let process = || {
        let hub = CacheHub::memory(&store, &Keyspace::default());
        IndicatorService::builder(bars.clone()).hub(&hub).build()
    };
    let (here, there) = (process()?, process()?);
    let apple = Symbol::new("AAPL")?;
    for (name, service) in [("here", &here), ("here", &here), ("there", &there), ("there", &there)] {
        let sma = service.get(&apple, "SMA", &[("timeperiod", 20.into())], DateRange::ALL).await?;
        let last = sma.values("sma").and_then(|values| values.last()).copied().unwrap_or(f64::NAN);
        println!("{name}: {} of {apple} ends with {last:.4}, from {}", sma.label(), sma.tier());
    }
    Ok(())
}
