//! A board that cannot keep up with the market shows the latest price of each stock, and knows what it did not show.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use mystocks_bus::{Bus, Delivery, Overflow, PriceUpdate, Topics};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let bus = Bus::memory();
    let latest = Topics::from(&PriceUpdate::topic()).overflow(Overflow::Conflate);
    let mut board = bus.subscribe(latest).await?;
    let mut tape = bus.subscribe(Topics::from(&PriceUpdate::topic()).messages(3)).await?;

    // The market is faster than who reads.
    for tick in 0..5 {
        bus.publish_price_update("600519.SH", 1688.0 + f64::from(tick), f64::from(tick), 0.06).await?;
        bus.publish_price_update("000001.SZ", 11.2, 0.0, 0.0).await?;
    }
    bus.shutdown().await;

    while let Some(update) = board.next_event().await {
        println!("board: {} {:.1}", update.stock_code, update.price);
    }
    println!("board: {} replaced by a later one", board.counts().conflated);
    // The tape keeps each, has room for three, and is told where the others would be.
    while let Some(delivery) = tape.next().await {
        match delivery {
            Delivery::Gap(gap) => println!("tape: {} are missing here", gap.dropped),
            Delivery::Event(update) => println!("tape: {} {:.1}", update.stock_code, update.price),
        }
    }
    Ok(())
}
