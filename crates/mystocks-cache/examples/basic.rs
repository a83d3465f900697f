//! Reads through the tiers, invalidates, and survives a loader that fails.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::fmt;
use std::time::Duration;

use mystocks_cache::{Cache, CacheHub, Keyspace, LoadCtx, MemoryStore, Policy};

#[derive(Debug)]
struct DatabaseDown;

impl fmt::Display for DatabaseDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database is down")
    }
}

impl Error for DatabaseDown {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Two processes on one store; with Redis each would have `CacheHub::redis(&RedisStore::new(manager), …)`.
    let store = MemoryStore::new();
    let (one, other) =
        (CacheHub::memory(&store, &Keyspace::default()), CacheHub::memory(&store, &Keyspace::default()));
    let policy = Policy {
        ttl: Duration::from_millis(200),
        stale_if_error: Duration::from_secs(60),
        ..Policy::default()
    };
    let here: Cache<String, f64> = one.cache("closes").policy(policy.clone()).build()?;
    let there: Cache<String, f64> = other.cache("closes").policy(policy).build()?;
    // A moment for both to hear each other: what is read before that is compared with L2 once more.
    tokio::time::sleep(Duration::from_millis(10)).await;
    let key = "600519".to_owned();
    let load = |close: f64| {
        move |cx: LoadCtx<f64>| async move {
            cx.tag("market:sh");
            Ok::<_, DatabaseDown>(close)
        }
    };

    let first = here.get_or_compute(&key, load(1688.5)).detail().await?;
    let again = here.get_or_compute(&key, load(0.0)).detail().await?;
    let shared = there.get_or_compute(&key, load(0.0)).detail().await?;
    println!("{} from {}, then {} from {}", first.value, first.tier, again.value, again.tier);
    println!("the other process: {} from {}", shared.value, shared.tier);

    println!("invalidated by tag: {:?}", one.invalidate_tag("market:sh").await?);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let fresh = there.get_or_compute(&key, load(1702.0)).detail().await?;
    println!("the other process: {} from {}", fresh.value, fresh.tier);

    tokio::time::sleep(Duration::from_millis(250)).await;
    let failing = |_| async { Err::<f64, _>(DatabaseDown) };
    let stale = there.get_or_compute(&key, failing).detail().await?;
    println!("with the database down: {} ({:?})", stale.value, stale.stale);
    let stats = there.stats();
    println!("in the other process: {} loads, {} from L2, {} stale", stats.loads, stats.l2_hits, stats.stale);
    Ok(())
}
