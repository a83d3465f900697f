//! From publishing to the handler through a durable topic on which nothing else happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mystocks_bus::{Delivered, Handling, Worker};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::streams::{FIRST, GROUP, Ours, Raw, waiting_connection};
use super::{LONG, Quote, on_worker};
use crate::report::Row;
use crate::rounds::{interleave, quantile};

const SINGLE: usize = 400;
/// How long nothing happens before each event: whoever reads waits by then.
const PAUSE: Duration = Duration::from_millis(1);
const MOST: Duration = Duration::from_millis(2);

/// By hand, ours.
struct Sides {
    raw: Raw,
    ours: Ours,
    worker: Mutex<Option<Worker>>,
    /// Ends with the value.
    _reader: JoinSet<Result<()>>,
    calls: [Mutex<mpsc::UnboundedReceiver<Instant>>; 2],
    /// Nanoseconds.
    times: [Mutex<Vec<f64>>; 2],
}

impl Sides {
    async fn start(redis: &str) -> Result<Arc<Self>> {
        let [(raw_calls, raw_called), (our_calls, our_called)] = [(); 2].map(|()| mpsc::unbounded_channel());
        let raw = Raw::start(redis, "mystocks:raw:idle").await?;
        raw.create_group().await?;
        let mut own = waiting_connection(redis).await?;
        let mut reader = JoinSet::new();
        let reading = raw.clone();
        reader.spawn(async move {
            loop {
                let ids = reading.read(Some(&mut own)).await?;
                for _ in &ids {
                    raw_calls.send(Instant::now())?;
                }
                reading.acknowledge(&ids).await?;
            }
        });
        let ours = Ours::start(redis, "bench:idle").await?;
        let handler = move |quote: Delivered<Quote>| {
            let now = Instant::now();
            std::hint::black_box(quote.price);
            let _ = our_calls.send(now);
            std::future::ready(Ok::<(), Infallible>(()))
        };
        let worker = ours.topic.consume(GROUP, Handling::default(), handler).await?;
        Ok(Arc::new(Self {
            raw,
            ours,
            worker: Some(worker).into(),
            _reader: reader,
            calls: [raw_called, our_called].map(Mutex::new),
            times: Default::default(),
        }))
    }

    /// Publishes one after the other; returns the median until the handler was called.
    async fn pass(self: Arc<Self>, side: usize) -> Result<Duration> {
        let mut calls = self.calls.get(side).context("a side")?.lock().await;
        let mut times = Vec::with_capacity(SINGLE);
        for number in (FIRST..).take(SINGLE) {
            sleep(PAUSE).await;
            let begun = Instant::now();
            if side == 0 {
                self.raw.add(number).await?;
            } else {
                self.ours.topic.publish(&Quote::number(number)).await?;
            }
            let called = timeout(LONG, calls.recv()).await.context("the handler was to be called")?;
            times.push((called.context("the handler was to live")? - begun).as_secs_f64() * 1e9);
        }
        ensure!(calls.is_empty(), "the handler of side {side} was called too often");
        let median = quantile(&times, 0.5);
        self.times.get(side).context("a side")?.lock().await.extend(times);
        Ok(Duration::from_secs_f64(median / 1e9))
    }

    async fn p99(&self, side: usize) -> Result<f64> {
        Ok(quantile(&self.times.get(side).context("a side")?.lock().await, 0.99))
    }
}

pub(super) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let sides = Sides::start(redis).await?;
    let [raw, ours] = interleave(rounds, |side| on_worker(Arc::clone(&sides).pass(side))).await?;
    let baseline = "XADD and a blocked XREADGROUP";
    let mut rows = vec![Row::times("durable publish to handler, p50", &ours, baseline, &raw, Some(1.3))];
    let (raw, ours) = (sides.p99(0).await?, sides.p99(1).await?);
    let name = "durable publish to handler, p99";
    rows.push(Row::figures(name, "ns", ours, "2 ms", MOST.as_secs_f64() * 1e9, Some(1.0)));
    rows.push(Row::figures(name, "ns", ours, baseline, raw, None));
    let worker = sides.worker.lock().await.take().context("it was not ended")?;
    let handled = worker.handled();
    ensure!(handled.again + handled.dead + handled.skipped + handled.lost == 0, "each once: {handled:?}");
    worker.shutdown().await;
    let all = SINGLE * (rounds + 1);
    // What waits in a group is not trimmed; what it has acknowledged only when there is no more room.
    sides.ours.clear(all).await?;
    sides.raw.clear(all).await?;
    Ok(rows)
}
