//! Runs a nightly batch once, however many processes start it.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use mystocks_config::LockSettings;
use mystocks_lock::{Keyspace, Locker, MemoryLocks, Released};

/// Starts the batch unless another process has; returns whether it ran here.
async fn nightly(locker: &Locker, process: &str) -> Result<bool, Box<dyn Error>> {
    // Held for an hour at a time and renewed: if this process dies, another may begin after an hour at most.
    let task = locker.batch_task_lock("nightly-2024-01-02")?;
    let Some(guard) = locker.try_lock(task).await? else {
        println!("{process}: another process does it");
        return Ok(false);
    };
    println!("{process}: runs under {}", guard.resource());
    for stock in ["600519", "000001", "300750"] {
        if !guard.is_valid() {
            return Err("the lock was lost: another process may have begun".into());
        }
        println!("{process}: {stock}");
        tokio::task::yield_now().await;
    }
    match guard.release().await? {
        Released::Released => println!("{process}: done"),
        lost => println!("{process}: done, but the lock had ended before: {lost:?}"),
    }
    Ok(true)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Two processes. With Redis each has Locker::new(RedisLocks::new(manager, &keyspace)?, &settings.lock, &keyspace).
    let (locks, settings, keyspace) = (MemoryLocks::new(), LockSettings::default(), Keyspace::default());
    let one = Locker::new(locks.process(), &settings, &keyspace);
    let other = Locker::new(locks.process(), &settings, &keyspace);
    let (first, second) = tokio::join!(nightly(&one, "one"), nightly(&other, "other"));
    println!("ran in {} of 2 processes", u8::from(first?) + u8::from(second?));
    for locker in [one, other] {
        locker.shutdown().await;
    }
    Ok(())
}
