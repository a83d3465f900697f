//! Reads many keys with one request to L2 and one call of the loader, and warms a cache up.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;

use mystocks_cache::{Cache, CacheHub, Keyspace, MemoryStore};

/// Stands for one query that answers for many symbols.
async fn closes(symbols: Vec<String>) -> Result<HashMap<String, f64>, Infallible> {
    println!("the loader is asked for {} symbols", symbols.len());
    let close = |symbol: &String| symbol.bytes().map(f64::from).sum::<f64>() / 10.0;
    Ok(symbols.into_iter().filter(|symbol| symbol != "999999").map(|s| (s.clone(), close(&s))).collect())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = MemoryStore::new();
    let cache = |hub: &CacheHub| -> Result<Cache<String, f64>, _> { hub.cache("closes").build() };
    let (one, other) =
        (CacheHub::memory(&store, &Keyspace::default()), CacheHub::memory(&store, &Keyspace::default()));
    let (here, there) = (cache(&one)?, cache(&other)?);

    let symbols: Vec<String> = (600_000..600_250).map(|number| number.to_string()).collect();
    let warmed = here.warm(symbols.clone(), 2, closes, |so_far| println!("{} warm", so_far.done())).await;
    println!("loaded {}, failed {}", warmed.loaded, warmed.failed);

    let mut asked = symbols;
    asked.extend(["000001".to_owned(), "999999".to_owned()]);
    let found = there.get_or_compute_many(&asked, closes).await?;
    let stats = there.stats();
    println!("{} of {} found: {} in L2, {} loaded", found.len(), asked.len(), stats.l2_hits, stats.loaded);
    Ok(())
}
