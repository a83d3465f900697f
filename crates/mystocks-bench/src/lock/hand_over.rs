//! From calling `release` to the next holder running, in another process; in round trips, and in commands.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use mystocks_testkit::FaultProxy;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::raw::Raw;
use super::raw_hand_over::RawRing;
use super::ring::Ring;
use crate::report::Row;
use crate::rounds::{interleave, quantile};

const WAITERS: [usize; 3] = [1, 10, 100];
/// How often the lock goes from one process to the other in one round.
const TIMES: usize = 256;
const PINGS: usize = 1_000;
/// Each way, beside which nothing else counts.
const DELAY: Duration = Duration::from_millis(1);
/// Two round trips are what it takes; beyond two and a half it fails.
const BOUND: f64 = 2.5 / 2.0;
const MOST_COMMANDS: f64 = 6.0;

struct Sides {
    ring: Arc<Ring>,
    raw: Arc<RawRing>,
    ping: MultiplexedConnection,
    /// Nanoseconds.
    times: [Mutex<Vec<f64>>; 3],
}

impl Sides {
    async fn start(redis: &str) -> Result<Arc<Self>> {
        let watch = Raw::start(redis).await?.connection;
        let lockers = [super::locker(redis).await?, super::locker(redis).await?];
        let ring = Arc::new(Ring::new(lockers, watch)?);
        let raw = Arc::new(RawRing::start(redis).await?);
        let ping = Raw::start(redis).await?.connection;
        Ok(Arc::new(Self { ring, raw, ping, times: Default::default() }))
    }

    /// Returns the median of one pass: twice a PING, by hand, ours.
    async fn pass(&self, side: usize, waiters: usize, times: usize, pings: usize) -> Result<Duration> {
        let (times, factor) = match side {
            0 => (round_trips(self.ping.clone(), pings).await?, 2),
            1 => (self.raw.pass(times).await?, 1),
            _ => (self.ring.pass(waiters, times).await?.0, 1),
        };
        let times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e9).collect();
        let median = Duration::from_secs_f64(quantile(&times, 0.5) / 1e9) * factor;
        self.times[side].lock().unwrap_or_else(PoisonError::into_inner).extend(times);
        Ok(median)
    }

    /// Returns a quantile of all passes since the last time, in nanoseconds.
    fn quantile(&self, side: usize, at: f64) -> f64 {
        quantile(&std::mem::take(&mut *self.times[side].lock().unwrap_or_else(PoisonError::into_inner)), at)
    }

    async fn end(&self) {
        for locker in &self.ring.lockers {
            locker.shutdown().await;
        }
    }
}

pub(super) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let sides = Sides::start(redis).await?;
    let mut rows = Vec::new();
    let mut commands = Vec::new();
    for waiters in WAITERS {
        let what = format!("waiters: {waiters}");
        let [trips, by_hand, ours] =
            interleave(rounds, |side| async_pass(&sides, side, waiters, TIMES, PINGS)).await?;
        rows.push(Row::times(
            &format!("hand-over p50, {what}"),
            &ours,
            "2 round trips (PING)",
            &trips,
            Some(BOUND),
        ));
        rows.push(Row::times(&format!("hand-over p50, {what}"), &ours, "by hand, 1 waiter", &by_hand, None));
        rows.push(Row::times("hand-over by hand p50", &by_hand, "2 round trips (PING)", &trips, None));
        let (trip, by_hand, ours) =
            (sides.quantile(0, 0.5), sides.quantile(1, 0.99), sides.quantile(2, 0.99));
        let most = 5.0 * trip + 1e6;
        let name = format!("hand-over p99, {what}");
        rows.push(Row::figures(&name, "ns", ours, "5 round trips + 1 ms", most, Some(1.0)));
        rows.push(Row::figures(&name, "ns", ours, "by hand, 1 waiter", by_hand, None));
        commands.push(commands_of_one(redis, &sides.ring, waiters).await?);
    }
    sides.end().await;
    for (waiters, count) in WAITERS.into_iter().zip(&commands) {
        let name = format!("commands of 100 hand-overs, waiters: {waiters}");
        rows.push(Row::counts(&name, "", 100.0 * count, "at most", 100.0 * MOST_COMMANDS));
    }
    if let [one, .., many] = commands[..] {
        let name = "commands of 100 hand-overs, waiters: 100";
        rows.push(Row::figures(name, "", 100.0 * many, "with 1 waiter", 100.0 * one, Some(1.25)));
    }
    rows.extend(far(redis, rounds).await?);
    Ok(rows)
}

/// The same with a server that is far away.
async fn far(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let address = redis::IntoConnectionInfo::into_connection_info(redis)?.addr().to_string();
    let proxy = FaultProxy::start(address.parse().context("the server's address")?).await;
    proxy.delay(DELAY);
    let sides = Sides::start(&proxy.url(1)).await?;
    let [trips, by_hand, ours] = interleave(rounds, |side| async_pass(&sides, side, 1, 20, 20)).await?;
    let (trip, p99) = (sides.quantile(0, 0.5), sides.quantile(2, 0.99));
    sides.end().await;
    let what = "hand-over p50, 1 ms each way";
    Ok(vec![
        Row::times(what, &ours, "2 round trips (PING)", &trips, Some(BOUND)),
        Row::times(what, &ours, "by hand", &by_hand, None),
        Row::figures("hand-over p99, 1 ms each way", "ns", p99, "2.2 round trips", 2.2 * trip, None),
    ])
}

/// On a worker of the runtime, as everything else that is measured.
async fn async_pass(
    sides: &Arc<Sides>,
    side: usize,
    waiters: usize,
    times: usize,
    pings: usize,
) -> Result<Duration> {
    let sides = Arc::clone(sides);
    let mut running = JoinSet::new();
    running.spawn(async move { sides.pass(side, waiters, times, pings).await });
    running.join_next().await.context("it was to end")??
}

async fn round_trips(mut connection: MultiplexedConnection, pings: usize) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(pings);
    for _ in 0..pings {
        let began = Instant::now();
        redis::cmd("PING").exec_async(&mut connection).await?;
        times.push(began.elapsed());
    }
    Ok(times)
}

/// Counts what the server is sent for one hand-over; what its scripts call does not count, nor who watches.
async fn commands_of_one(redis: &str, ring: &Arc<Ring>, waiters: usize) -> Result<f64> {
    let mut monitor = redis::Client::open(redis)?.get_async_monitor().await?.into_on_message::<String>();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let mut counting = JoinSet::new();
    counting.spawn(async move {
        let mut count = 0_usize;
        loop {
            tokio::select! {
                line = monitor.next() => match line {
                    Some(line) => count += usize::from(is_counted(&line)),
                    None => return count,
                },
                _ = &mut stopped => return count,
            }
        }
    });
    let (_, grants) = ring.pass(waiters, 4 * TIMES).await?;
    drop(stop);
    let count = counting.join_next().await.context("it was to end")??;
    ensure!(count > grants, "{count} commands were seen for {grants} grants");
    Ok(count as f64 / grants as f64)
}

/// A line is `time [database origin] "COMMAND" …`.
fn is_counted(line: &str) -> bool {
    let Some((origin, words)) = line.split_once("] ") else { return false };
    !origin.ends_with(" lua") && !["\"ZCARD\"", "\"PING\""].iter().any(|own| words.starts_with(own))
}
