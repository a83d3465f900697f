//! One indicator computed once, in double-checked form, under the lock that the platform's Python side takes for it as well.
//!
//! Among Rust processes `mystocks-cache` does all of this by itself, with leases; docs/decisions/0012 says when which is right.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mystocks_config::LockSettings;
use mystocks_keys::Json;
use mystocks_lock::{Keyspace, Locker, MemoryLocks};

/// Stands for the shared cache; with Redis it is `CacheService`, whose keys and values Python knows.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<HashMap<String, Vec<f64>>>>);

impl Shared {
    fn get(&self, key: &str) -> Option<Vec<f64>> {
        self.0.lock().ok()?.get(key).cloned()
    }

    fn set(&self, key: &str, value: &[f64]) {
        if let Ok(mut entries) = self.0.lock() {
            entries.insert(key.to_owned(), value.to_vec());
        }
    }
}

async fn sma(closes: &[f64], period: usize) -> Vec<f64> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    closes.windows(period).map(|window| window.iter().sum::<f64>() / window.len() as f64).collect()
}

async fn indicator(process: &str, locker: &Locker, shared: &Shared) -> Result<Vec<f64>, Box<dyn Error>> {
    let params = Json::parse(br#"{"timeperiod": 3}"#)?;
    let key = Keyspace::default().indicator("600519", "SMA", &params)?;
    if let Some(hit) = shared.get(key.as_str()) {
        println!("{process}: there at the first look");
        return Ok(hit);
    }
    let lock = locker.indicator_calculation_lock("600519", "SMA", &params)?;
    let Some(guard) = locker.lock(lock, Duration::from_secs(10)).await? else {
        return Err("another process computes it for more than 10 s".into());
    };
    // Whoever held the lock before may have stored it meanwhile.
    if let Some(hit) = shared.get(key.as_str()) {
        println!("{process}: there at the second look");
        // The guard is dropped here and on every other way out: no return and no error leaves the lock behind.
        return Ok(hit);
    }
    println!("{process}: computes under {}", guard.resource());
    let values = tokio::select! {
        values = sma(&[1688.0, 1690.0, 1701.0, 1695.0], 3) => values,
        reason = guard.lost() => return Err(format!("the lock was lost: {reason:?}").into()),
    };
    shared.set(key.as_str(), &values);
    guard.release().await?;
    Ok(values)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Two processes. With Redis each has Locker::new(RedisLocks::new(manager, &keyspace)?, &settings.lock, &keyspace).
    let (locks, settings, keyspace) = (MemoryLocks::new(), LockSettings::default(), Keyspace::default());
    let one = Locker::new(locks.process(), &settings, &keyspace);
    let other = Locker::new(locks.process(), &settings, &keyspace);
    let shared = Shared::default();
    let (first, second) = tokio::join!(indicator("one", &one, &shared), indicator("other", &other, &shared));
    println!("the same: {}", first? == second?);
    println!("again: {:.2?}", indicator("one", &one, &shared).await?);
    for locker in [one, other] {
        locker.shutdown().await;
    }
    Ok(())
}
