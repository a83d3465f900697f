//! Twenty processes wait, and half of them die or stand still.

use std::time::Duration;

use mystocks_testkit::{RedisServer, eventually};
use tokio::time::Instant;

use crate::child::{Child, Order, order, say};
use crate::{connect, locker, millis};

const WAITING: usize = 20;
/// One lease of a place, 0.8 s, on a slow machine; ten of them are 8 s.
const SOON: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dead_hold_nobody_up() {
    match order::<Order>() {
        Some(order) => wait(order).await,
        None => {
            serve("queue::the_dead_hold_nobody_up", Duration::ZERO, async |child| child.kill().await).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_still_holds_nobody_up_for_long() {
    match order::<Order>() {
        Some(order) => wait(order).await,
        None => {
            // Who stopped just now holds it as who took it just now does; who has for longer than a place is kept has none.
            serve(
                "queue::who_stands_still_holds_nobody_up_for_long",
                Duration::from_secs(1),
                async |child| {
                    child.signal("STOP").await;
                },
            )
            .await;
        }
    }
}

/// Ends half of those who wait, and lets go `rest` later.
async fn serve(test: &str, rest: Duration, end: impl AsyncFn(&mut Child)) {
    let server = RedisServer::start().await;
    let (locker, watch) = (locker(&server.url()).await, connect(&server.url()).await);
    let first = locker.try_lock("report").await.unwrap().unwrap();
    let mut children = Vec::new();
    for n in 0..WAITING {
        let order = Order { url: server.url(), resource: String::new(), name: format!("p{n}"), seed: 0 };
        children.push(Child::start(test, &order.name, &order));
        eventually("it waits", Duration::from_secs(30), async || {
            locker.info("report").await.unwrap().unwrap().waiters == n as u64 + 1
        })
        .await;
    }
    let (ended, alive) = children.split_at_mut(WAITING / 2);
    for child in &mut *ended {
        end(child).await;
    }
    tokio::time::sleep(rest).await;
    let released = Instant::now();
    first.release().await.unwrap();
    let held: String = alive[0].said().await;
    let after = released.elapsed();
    println!("{held} holds it {after:?} after the release");
    assert!(after <= SOON, "{after:?}");
    for child in &mut alive[1..] {
        let held: String = child.said().await;
        assert_eq!(held, child.name, "in order");
    }
    for child in &mut *alive {
        let released: String = child.said().await;
        assert_eq!(released, "released");
    }
    for child in ended.iter_mut().chain(alive) {
        child.kill().await;
    }
    let keys = async || {
        let keys: Vec<String> = watch
            .query(mystocks_redis_core::redis::cmd("KEYS").arg("*"), mystocks_redis_core::Call::repeatable())
            .await
            .unwrap();
        keys.into_iter().filter(|key| !key.ends_with(":fence")).count()
    };
    eventually("nothing is left", Duration::from_secs(40), async || keys().await == 0).await;
}

async fn wait(order: Order) {
    let locker = locker(&order.url).await;
    let guard = locker.lock_fair("report", Duration::from_secs(100)).await.unwrap().unwrap();
    say(&order.name);
    tokio::time::sleep(millis(20)).await;
    guard.release().await.unwrap();
    say(&"released");
    std::future::pending::<()>().await;
}
