//! A holder is paused past its time; what it writes when it wakes is refused by its fence.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;

use mystocks_lock::{LockGuard, Locker, Resource};

/// Stands for a row: `update portfolio set cash = $2, fence = $1 where id = 42 and fence < $1`.
#[derive(Default)]
struct Row {
    cash: i64,
    fence: u64,
}

impl Row {
    /// Writes if nobody with a greater fence has; returns whether, which is that one row was updated.
    fn write(&mut self, cash: i64, guard: &LockGuard) -> bool {
        let fence = guard.fence().map_or(0, |fence| fence.get());
        let is_newest = self.fence < fence;
        if is_newest {
            *self = Self { cash, fence };
        }
        is_newest
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // With Redis: Locker::new(RedisLocks::new(manager, &keyspace)?, &settings.lock, &keyspace).
    let (locker, mut row) = (Locker::memory(), Row::default());
    // Short and not renewed, so that the example need not be stopped and continued: a paused process renews nothing either.
    let portfolio = Resource::new("portfolio:42").ttl(Duration::from_millis(50)).without_renewal();

    let paused = locker.try_lock(&portfolio).await?.ok_or("nobody else is here")?;
    println!("the first holds it: {}", paused.is_valid());
    // The first is about to write, and is paused. Its time passes, and the second gets the lock.
    let second = locker.lock("portfolio:42", Duration::from_secs(5)).await?.ok_or("its time passes")?;
    println!("the second has a greater fence: {}", second.fence() > paused.fence());
    println!("the second writes 200: {}", row.write(200, &second));
    // The first goes on, with a value from before.
    println!("the first writes 100: {}", row.write(100, &paused));
    println!("in the row: {}", row.cash);
    println!("the first holds it: {}, and its release says {:?}", paused.is_valid(), paused.release().await?);
    println!("the second holds it: {}", second.is_valid());
    drop(second);
    locker.shutdown().await;
    Ok(())
}
