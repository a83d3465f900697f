//! One handler of ten that is slow, and what it does to the other nine.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Cell, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use mystocks_bus::{Bus, Counts, Listener, Received, Topic, Topics};
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

use super::{LONG, Quote, bus, on_worker};
use crate::report::Row;
use crate::rounds::{interleave, quantile};

const HANDLERS: usize = 10;
const SLOW: Duration = Duration::from_millis(100);
/// 5,000 a second for three seconds.
const TICK: Duration = Duration::from_millis(2);
const EACH: usize = 10;
const TICKS: usize = 1_500;
const MESSAGES: u64 = (EACH * TICKS) as u64;
const MOST_OMEM: f64 = (1 << 20) as f64;

#[derive(Clone)]
struct Sides {
    here: Bus,
    there: Bus,
    watch: MultiplexedConnection,
    /// The most that the server held back for a subscriber, in bytes.
    omem: Arc<AtomicU64>,
}

/// What one handler saw.
#[derive(Clone, Default)]
struct Seen {
    calls: Arc<AtomicU64>,
    /// Seconds from publishing to the call.
    times: Arc<Cell<Vec<f64>>>,
}

impl Sides {
    /// Returns the p99 from publishing to the handlers that are always fast.
    async fn pass(self, has_slow: bool) -> Result<Duration> {
        let base = Instant::now();
        let mut handlers = Vec::with_capacity(HANDLERS);
        for number in 0..HANDLERS {
            let seen = Seen::default();
            handlers.push((self.listen(base, seen.clone(), has_slow && number == 0).await?, seen));
        }
        let mut watching = JoinSet::new();
        watching.spawn(watch(self.watch.clone(), Arc::clone(&self.omem)));
        self.publish(base).await?;
        settle(&handlers).await?;
        for (number, (listener, seen)) in handlers.iter().enumerate() {
            check(listener.counts(), seen, has_slow && number == 0)?;
        }
        if let Some(ended) = watching.try_join_next() {
            ended??;
        }
        let times = handlers.iter().skip(1).map(|(_, seen)| std::mem::take(&mut *seen.times()));
        let times = times.flatten().collect::<Vec<_>>();
        Ok(Duration::from_secs_f64(quantile(&times, 0.99)))
    }

    async fn listen(&self, base: Instant, seen: Seen, is_slow: bool) -> Result<Listener> {
        let handler = move |quote: Received<Quote>| {
            let taken = base.elapsed().as_secs_f64() - quote.price;
            seen.times().push(taken);
            seen.calls.fetch_add(1, Ordering::Relaxed);
            async move {
                if is_slow {
                    sleep(SLOW).await;
                }
            }
        };
        Ok(self.there.on(Topics::from(topic()), handler).await?)
    }

    /// Publishes all of them; each says when.
    async fn publish(&self, base: Instant) -> Result<()> {
        let mut ticks = interval(TICK);
        let mut number = 0;
        for _ in 0..TICKS {
            ticks.tick().await;
            let publishing = (0..EACH).map(|_| {
                number += 1;
                let quote = Quote { price: base.elapsed().as_secs_f64(), ..Quote::number(number) };
                async move { self.here.publish_to(&topic(), &quote).await }
            });
            let receivers = try_join_all(publishing).await?;
            ensure!(receivers.iter().all(|count| *count == 1), "one connection was to listen: {receivers:?}");
        }
        Ok(())
    }
}

impl Seen {
    fn times(&self) -> std::sync::MutexGuard<'_, Vec<f64>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let watch = redis::Client::open(redis)?.get_multiplexed_async_connection().await?;
    let (here, there) = (bus(redis).await?, bus(redis).await?);
    let sides = Sides { here, there, watch, omem: Arc::default() };
    let [solo, beside] = interleave(rounds, |side| on_worker(sides.clone().pass(side == 1))).await?;
    sides.here.shutdown().await;
    sides.there.shutdown().await;
    let omem = sides.omem.load(Ordering::Relaxed) as f64;
    let name = "p99 of nine handlers beside a slow one";
    Ok(vec![
        Row::times(name, &beside, "all ten fast", &solo, Some(1.5)),
        Row::figures("what the server held back (omem)", "B", omem, "1 MiB", MOST_OMEM, Some(1.0)),
    ])
}

/// Waits until all has come, and all that waits has been handled where handlers are fast.
async fn settle(handlers: &[(Listener, Seen)]) -> Result<()> {
    let is_settled = || {
        let all = handlers.iter().all(|(listener, _)| listener.counts().received == MESSAGES);
        let fast = handlers.iter().skip(1).all(|(listener, seen)| {
            let counts = listener.counts();
            counts.waiting == 0 && counts.delivered == seen.calls.load(Ordering::Relaxed)
        });
        all && fast
    };
    let settling = async {
        while !is_settled() {
            sleep(TICK).await;
        }
    };
    let counts = || handlers.iter().map(|(listener, _)| listener.counts()).collect::<Vec<_>>();
    timeout(LONG, settling).await.with_context(|| format!("{MESSAGES} were to come: {:?}", counts()))
}

fn check(counts: Counts, seen: &Seen, is_slow: bool) -> Result<()> {
    let Counts { received, delivered, skipped, undecodable, dropped, conflated, waiting, .. } = counts;
    let sum = delivered + skipped + undecodable + dropped + conflated + waiting;
    ensure!(received == MESSAGES && sum == received, "{MESSAGES} were to be accounted for: {counts:?}");
    let calls = seen.calls.load(Ordering::Relaxed);
    // Of the slow one's a call may begin meanwhile.
    ensure!(calls.abs_diff(delivered) <= u64::from(is_slow), "{calls} calls: {counts:?}");
    ensure!(!is_slow || dropped > 0 && waiting > 0, "it was to be slow: {counts:?}");
    Ok(())
}

/// Looks again and again how much the server holds back for any subscriber.
async fn watch(mut connection: MultiplexedConnection, most: Arc<AtomicU64>) -> Result<()> {
    loop {
        let mut list = redis::cmd("CLIENT");
        let clients: String = list.arg("LIST").arg("TYPE").arg("pubsub").query_async(&mut connection).await?;
        let held = clients.split_whitespace().filter_map(|word| word.strip_prefix("omem="));
        let held = held.map(str::parse).collect::<Result<Vec<u64>, _>>()?;
        most.fetch_max(held.into_iter().max().context("somebody was to listen")?, Ordering::Relaxed);
        sleep(SLOW / 2).await;
    }
}

fn topic() -> Topic<Quote> {
    Topic::new("bench:paced")
}
