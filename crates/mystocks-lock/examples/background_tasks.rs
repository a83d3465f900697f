//! Limits how many background tasks run at once, in all processes together.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::cell::Cell;
use std::error::Error;
use std::time::Duration;

use mystocks_lock::{Locker, Resource, Semaphore};

#[derive(Default)]
struct Running {
    now: Cell<u32>,
    most: Cell<u32>,
}

async fn task(limit: &Semaphore, running: &Running) -> Result<(), mystocks_lock::Error> {
    let Some(permit) = limit.acquire(Duration::from_secs(60)).await? else {
        println!("no permit within a minute");
        return Ok(());
    };
    running.now.set(running.now.get() + 1);
    running.most.set(running.most.get().max(running.now.get()));
    tokio::time::sleep(Duration::from_millis(5)).await;
    running.now.set(running.now.get() - 1);
    // Dropping the permit would do as well; the next in the queue is told either way.
    permit.release().await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // With Redis: Locker::new(RedisLocks::new(manager, &keyspace)?, &settings.lock, &keyspace).
    let locker = Locker::memory();
    // A task that dies gives its permit back after 30 s. All processes have to name the same number of permits.
    let tasks = Resource::new("background-tasks").ttl(Duration::from_secs(30)).class("background_task");
    let limit = locker.semaphore(tasks, 3)?;
    let running = Running::default();
    let all = futures::future::join_all((0..10).map(|_| task(&limit, &running))).await;
    println!("{} tasks, at most {} at once", all.len(), running.most.get());
    all.into_iter().collect::<Result<(), _>>()?;

    let permits = [limit.try_acquire().await?, limit.try_acquire().await?];
    let info = limit.info().await?;
    println!("{} of {} permits are held, {} wait", info.held, info.permits, info.waiters);
    drop(permits);
    locker.shutdown().await;
    Ok(())
}
