//! Orders are settled; one that cannot be lies aside until the reason is gone, and an auditor reads all from the beginning.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mystocks_bus::{Delivered, DurableTopic, Event, Followed, Handling, MemoryLog, Start, Topic};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    stock: String,
    shares: u32,
}

impl Event for Order {
    const TYPE: &'static str = "order.placed";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new("orders")]
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.stock))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // With Redis: DurableTopic::new(Streams::new(manager, &keyspace), "orders", "shop")
    let orders = DurableTopic::<Order>::new(MemoryLog::new(), "orders", "shop");
    for (number, stock, shares) in [(1, "600519.SH", 100), (2, "000000.XX", 1), (3, "600519.SH", 200)] {
        let order = Order { stock: stock.to_owned(), shares };
        // The answer to the first may be lost: it stands there once.
        orders.publish_once(&format!("order:{number}"), &order).await?;
        orders.publish_once(&format!("order:{number}"), &order).await?;
    }

    let is_listed = Arc::new(AtomicBool::new(false));
    let listed = Arc::clone(&is_listed);
    let settle = move |order: Delivered<Order>| {
        let is_known = order.stock != "000000.XX" || listed.load(Ordering::SeqCst);
        async move {
            if !is_known {
                return Err("no such stock");
            }
            println!("settled: {} shares of {}", order.shares, order.stock);
            Ok(())
        }
    };
    let handling =
        Handling { at_once: 1, deliveries: 2, again_after: Duration::from_millis(5), ..Handling::default() };
    let worker = orders.consume("settlement", handling, settle).await?;
    while orders.state("settlement").await?.dead == 0 || worker.handled().done < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for letter in orders.dead_letters("settlement", None, 10).await? {
        let reason = letter.death.as_ref().map_or("", |death| &death.reason);
        println!("aside after {} deliveries: {reason}", letter.deliveries);
    }

    is_listed.store(true, Ordering::SeqCst);
    let replayed = orders.replay("settlement", Some(100), |_| true).await?;
    while worker.handled().done < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!("replayed: {}", replayed.replayed);
    worker.shutdown().await;

    let mut audit = orders.follow(Start::First).await?;
    for _ in 0..3 {
        if let Followed::Event(order) = audit.next().await {
            println!("audit: {} shares of {}", order.shares, order.stock);
        }
    }
    Ok(())
}
