//! Updates a portfolio under its lock; who finds it locked waits.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::cell::Cell;
use std::error::Error;
use std::time::Duration;

use mystocks_lock::{ErrorKind, Locker};

/// Adds `change` to the cash of portfolio 42: reads, does something slow, writes.
async fn deposit(locker: &Locker, cash: &Cell<i64>, change: i64) -> Result<(), mystocks_lock::Error> {
    let portfolio = locker.resource_update_lock("portfolio", "42")?;
    let done = locker.with_lock(portfolio, Duration::from_secs(5), |_| async {
        let before = cash.get();
        tokio::time::sleep(Duration::from_millis(5)).await;
        cash.set(before + change);
    });
    match done.await {
        Ok(Some(())) => {}
        Ok(None) => println!("{change}: locked for 5 s by others, not done"),
        // The work was dropped in the middle: whether it has changed anything, the portfolio has to say.
        Err(error) if error.kind() == ErrorKind::Lost => println!("{change}: {error}"),
        Err(error) => return Err(error),
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // With Redis: Locker::new(RedisLocks::new(manager, &keyspace)?, &settings.lock, &keyspace).
    let (locker, cash) = (Locker::memory(), Cell::new(1_000));
    let deposits = (1..=10).map(|change| deposit(&locker, &cash, change));
    for done in futures::future::join_all(deposits).await {
        done?;
    }
    println!("1000 and 10 deposits: {}", cash.get());

    // Who cannot wait that long is told so.
    let portfolio = locker.resource_update_lock("portfolio", "42")?;
    let held = locker.try_lock(&portfolio).await?.ok_or("nobody else is here")?;
    let late = locker.with_lock(&portfolio, Duration::from_millis(20), |_| async { cash.set(0) }).await?;
    println!("while it is held: {late:?}, still {}", cash.get());
    drop(held);
    locker.shutdown().await;
    Ok(())
}
