//! From publishing to the handler: one at a time, and as many as it takes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mystocks_bus::{Bus, Listener, Topics};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::by_hand::ByHand;
use super::raw::{Fred, Raw};
use super::{LONG, Quote, bus, payload};
use crate::report::Row;
use crate::rounds::{interleave, quantile};

/// How many are published one at a time in a round, and how many at once.
const SINGLE: usize = 1_500;
const FLOOD: usize = 24_000;
const PUBLISHERS: usize = 64;

struct Sides {
    raw: Raw,
    fred: Fred,
    by_hand: ByHand,
    bus: Bus,
    /// Its subscriptions end with it.
    _there: Bus,
    _listener: Listener,
    calls: [Mutex<mpsc::UnboundedReceiver<Instant>>; SIDES],
}

/// The same bytes, ours, fred, the same work by hand.
const SIDES: usize = 4;
const BYTES: &str = "redis-rs, the same bytes";
const FRED: &str = "fred 10";
const BY_HAND: &str = "redis-rs, serde_json, an id by hand";

impl Sides {
    async fn start(redis: &str) -> Result<Self> {
        let [raw_side, our_side, fred_side, hand_side] = [(); SIDES].map(|()| mpsc::unbounded_channel());
        let (our_calls, our_called) = our_side;
        let payload = payload().await?;
        let (here, there) = (bus(redis).await?, bus(redis).await?);
        let topics = Topics::from(Quote::topic()).messages(FLOOD).bytes(1 << 30);
        let handler = move |quote: mystocks_bus::Received<Quote>| {
            let now = Instant::now();
            std::hint::black_box(quote.price);
            let _ = our_calls.send(now);
            std::future::ready(())
        };
        Ok(Self {
            raw: Raw::start(redis, Arc::clone(&payload), raw_side.0).await?,
            fred: Fred::start(redis, payload, fred_side.0).await?,
            by_hand: ByHand::start(redis, hand_side.0).await?,
            bus: here,
            _listener: there.on(topics, handler).await?,
            _there: there,
            calls: [raw_side.1, our_called, fred_side.1, hand_side.1].map(Mutex::new),
        })
    }

    async fn publish(&self, side: usize, number: u64) -> Result<()> {
        let receivers = match side {
            0 => self.raw.publish().await?,
            1 => self.bus.publish(&Quote::number(number)).await?,
            2 => self.fred.publish().await?,
            _ => self.by_hand.publish(Quote::number(number)).await?,
        };
        ensure!(receivers == 1, "{receivers} listen to side {side}");
        Ok(())
    }

    /// Waits until the handler has been called `count` times, and returns when each call was.
    async fn called(&self, side: usize, count: usize) -> Result<Vec<Instant>> {
        let mut calls = self.calls.get(side).context("a side")?.lock().await;
        let mut instants = Vec::with_capacity(count);
        while instants.len() < count {
            let at = timeout(LONG, calls.recv()).await.context("the handler was to be called")?;
            instants.push(at.context("the handler was to live")?);
        }
        Ok(instants)
    }

    /// Publishes one after the other; returns how long each took to its handler.
    async fn single(&self, side: usize) -> Result<Vec<f64>> {
        let mut times = Vec::with_capacity(SINGLE);
        for number in 0..SINGLE {
            let begun = Instant::now();
            self.publish(side, number as u64).await?;
            for called in self.called(side, 1).await? {
                times.push((called - begun).as_secs_f64() * 1e9);
            }
        }
        Ok(times)
    }
}

pub(super) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let sides = Arc::new(Sides::start(redis).await?);
    let all: Arc<[Mutex<Vec<f64>>; SIDES]> = Arc::default();
    let [raw, ours, fred, by_hand] = interleave(rounds, |side| {
        let (sides, all) = (Arc::clone(&sides), Arc::clone(&all));
        async move {
            let times = sides.single(side).await?;
            let median = quantile(&times, 0.5);
            all.get(side).context("a side")?.lock().await.extend(times);
            Ok(Duration::from_secs_f64(median / 1e9))
        }
    })
    .await?;
    let name = "publish to handler, p50";
    let mut rows = vec![
        Row::times(name, &ours, BYTES, &raw, Some(1.15)),
        Row::times(name, &ours, BY_HAND, &by_hand, None),
        Row::times(name, &ours, FRED, &fred, None),
    ];
    let mut p99 = Vec::new();
    for times in &*all {
        p99.push(quantile(&times.lock().await, 0.99));
    }
    if let [raw, ours, fred, by_hand] = p99[..] {
        let name = "publish to handler, p99";
        rows.push(Row::figures(name, "ns", ours, BYTES, raw, Some(1.3)));
        rows.push(Row::figures(name, "ns", ours, BY_HAND, by_hand, None));
        rows.push(Row::figures(name, "ns", ours, FRED, fred, None));
    }
    let [raw, ours, fred, by_hand] = interleave(rounds, |side| flood(Arc::clone(&sides), side)).await?;
    let name = format!("a message of {FLOOD}, {PUBLISHERS} publishing");
    rows.push(Row::times(&name, &ours, BYTES, &raw, Some(1.0 / 0.9)));
    rows.push(Row::times(&name, &ours, BY_HAND, &by_hand, None));
    rows.push(Row::times(&name, &ours, FRED, &fred, None));
    sides.fred.end().await?;
    sides.bus.shutdown().await;
    Ok(rows)
}

/// Publishes with many at once until all has been handled; returns how long each took.
async fn flood(sides: Arc<Sides>, side: usize) -> Result<Duration> {
    let begun = Instant::now();
    let mut publishing = JoinSet::new();
    for _ in 0..PUBLISHERS {
        let sides = Arc::clone(&sides);
        publishing.spawn(async move {
            for number in 0..FLOOD / PUBLISHERS {
                sides.publish(side, number as u64).await?;
            }
            anyhow::Ok(())
        });
    }
    let handled = async {
        let calls = sides.called(side, FLOOD).await?;
        calls.last().copied().context("it was called")
    };
    let (published, last) = tokio::join!(publishing.join_all(), handled);
    published.into_iter().collect::<Result<()>>()?;
    Ok((last? - begun) / u32::try_from(FLOOD)?)
}
