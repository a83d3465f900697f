//! A thousand clients of a hub, some of which never take a frame.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mystocks_bus::{Bus, Client, Counts, Frame, Hub, Limits, PriceUpdate, Topic};
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

use super::{LONG, Quote, bus, on_worker};
use crate::report::Row;
use crate::rounds::{interleave, quantile};

const CLIENTS: usize = 1_000;
const STALLED: usize = 100;
const STOCKS: usize = 50;
const PRICES: &str = "price:update";
/// None of these replaces another, and all together are more than a stalled client may hold.
const NEWS: &str = "bench:news";
const NEWS_BYTES: usize = 2 << 10;
/// Of each in turn, one in so much time.
const TICK: Duration = Duration::from_millis(25);
const TICKS: usize = 120;
const MESSAGES: u64 = TICKS as u64;
const MOST: usize = 64 << 10;

#[derive(Clone)]
struct Sides {
    here: Bus,
    there: Bus,
}

/// When a price was published, in seconds.
#[derive(Deserialize)]
struct Sent {
    price: f64,
}

impl Sides {
    /// Returns the p99 from publishing a price to the frames of the clients that take theirs.
    async fn pass(self, stalled: usize) -> Result<Duration> {
        let (hub, base) = (Hub::new(&self.there), Instant::now());
        let (mut stalling, mut healthy) = (Vec::new(), JoinSet::new());
        for number in 0..CLIENTS {
            let mut client = hub.client(Limits::default())?;
            client.subscribe(PRICES).await?;
            client.subscribe(NEWS).await?;
            if number < stalled {
                stalling.push(client);
            } else {
                healthy.spawn(follow(client, base));
            }
        }
        self.publish(base).await?;
        let followed = timeout(LONG, healthy.join_all()).await.context("all clients were to get all")?;
        let mut times = Vec::new();
        for client in followed {
            times.extend(client?);
        }
        for client in stalling {
            check_stalled(client).await?;
        }
        hub.shutdown();
        Ok(Duration::from_secs_f64(quantile(&times, 0.99)))
    }

    async fn publish(&self, base: Instant) -> Result<()> {
        let (news, topic) =
            (Quote { stock_code: "N".repeat(NEWS_BYTES), ..Quote::number(0) }, Topic::new(NEWS));
        let mut ticks = interval(TICK);
        for number in 0..TICKS {
            ticks.tick().await;
            let receivers = if number % 2 == 0 {
                let stock = format!("{:06}.SH", 600_000 + number / 2 % STOCKS);
                let price = PriceUpdate::new(stock, base.elapsed().as_secs_f64(), 0.0, 0.0);
                self.here.publish(&price).await?
            } else {
                self.here.publish_to(&topic, &news).await?
            };
            ensure!(receivers == 1, "{receivers} listen");
        }
        Ok(())
    }
}

/// Takes all frames; returns how long the prices took.
async fn follow(mut client: Client, base: Instant) -> Result<Vec<f64>> {
    let (mut times, mut frames) = (Vec::new(), 0);
    loop {
        let counts = client.counts();
        if counts.received == MESSAGES && counts.waiting == 0 {
            accounted(counts)?;
            ensure!(counts.delivered == frames, "{frames} came: {counts:?}");
            return Ok(times);
        }
        let frame = client.next().await.context("the hub was to live")?;
        if let Frame::Message { topic, payload, .. } = frame {
            let now = base.elapsed().as_secs_f64();
            frames += 1;
            if &*topic == PRICES {
                times.push(now - serde_json::from_slice::<Sent>(&payload)?.price);
            }
        }
    }
}

/// Takes what waited for a client that took nothing.
async fn check_stalled(mut client: Client) -> Result<()> {
    let arriving = async {
        while client.counts().received < MESSAGES {
            sleep(TICK).await;
        }
    };
    timeout(LONG, arriving).await.context("all was to come")?;
    let counts = client.counts();
    accounted(counts)?;
    ensure!(counts.delivered == 0 && counts.dropped > 0, "it was to overflow: {counts:?}");
    let (mut messages, mut bytes, mut told) = (0, 0, 0);
    while client.counts().waiting > 0 {
        match client.next().await.context("the hub was to live")? {
            Frame::Message { payload, .. } => {
                messages += 1;
                bytes += payload.len();
            }
            Frame::Gap(gap) => told += gap.dropped,
            _ => {}
        }
    }
    ensure!(bytes <= MOST && bytes > MOST / 2, "{bytes} bytes waited, {MOST} may");
    ensure!(messages == counts.waiting && told == counts.dropped, "{messages}, {told} dropped: {counts:?}");
    Ok(())
}

fn accounted(counts: Counts) -> Result<()> {
    let Counts { received, delivered, dropped, conflated, waiting, .. } = counts;
    let sum = delivered + dropped + conflated + waiting;
    ensure!(received == MESSAGES && sum == received, "{MESSAGES} were to be accounted for: {counts:?}");
    Ok(())
}

pub(super) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let sides = Sides { here: bus(redis).await?, there: bus(redis).await? };
    let [healthy, beside] = interleave(rounds, |side| {
        let sides = sides.clone();
        on_worker(sides.pass(side * STALLED))
    })
    .await?;
    sides.here.shutdown().await;
    sides.there.shutdown().await;
    let name = format!("p99 of {} clients beside {STALLED} stalled", CLIENTS - STALLED);
    Ok(vec![Row::times(&name, &beside, &format!("all {CLIENTS} healthy"), &healthy, Some(1.5))])
}
