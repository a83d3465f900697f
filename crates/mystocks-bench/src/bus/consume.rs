//! Handling what stands in a durable topic, with a handler that does nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mystocks_bus::{Delivered, Handling};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use super::peer::Apalis;
use super::streams::{GROUP, Ours, Raw};
use super::{LONG, Quote, on_worker};
use crate::report::Row;
use crate::rounds::interleave;

const ENTRIES: usize = 20_000;
/// Of more than 8,000 that stand there the peer's script hands out none: Lua cannot unpack them.
const FEW: usize = 5_000;

/// Tells when something has happened so often.
pub(super) struct Countdown {
    of: usize,
    counted: AtomicUsize,
    over: Notify,
}

impl Countdown {
    pub(super) fn new(of: usize) -> Self {
        Self { of, counted: AtomicUsize::new(0), over: Notify::new() }
    }

    pub(super) fn count(&self) {
        if self.counted.fetch_add(1, Ordering::Relaxed) + 1 == self.of {
            self.over.notify_one();
        }
    }

    pub(super) fn counted(&self) -> usize {
        self.counted.load(Ordering::Relaxed)
    }

    pub(super) async fn wait(&self) -> Result<()> {
        let waiting = timeout(LONG, self.over.notified()).await;
        waiting.with_context(|| format!("{} of {} were counted", self.counted(), self.of))
    }
}

/// By hand, ours, apalis.
#[derive(Clone)]
struct Sides {
    raw: Raw,
    ours: Ours,
    apalis: Apalis,
}

impl Sides {
    /// Handles `count` events that stand there; returns how long each took.
    async fn pass(self, side: usize, count: usize) -> Result<Duration> {
        let taken = match side {
            0 => {
                self.raw.fill(count).await?;
                let taken = by_hand(&self.raw, count).await?;
                self.raw.clear(count).await?;
                taken
            }
            1 => {
                self.ours.fill(count).await?;
                let taken = ours(&self.ours, count).await?;
                self.ours.clear(count).await?;
                taken
            }
            _ => {
                self.apalis.fill(count).await?;
                let taken = self.apalis.consume(count).await?;
                self.apalis.clear(count).await?;
                taken
            }
        };
        Ok(taken / u32::try_from(count)?)
    }
}

/// Reads and acknowledges a hundred at a time.
async fn by_hand(raw: &Raw, count: usize) -> Result<Duration> {
    let begun = Instant::now();
    raw.create_group().await?;
    let mut handled = 0;
    while handled < count {
        let ids = raw.read(None).await?;
        ensure!(!ids.is_empty(), "{handled} of {count} were read");
        raw.acknowledge(&ids).await?;
        handled += ids.len();
    }
    Ok(begun.elapsed())
}

async fn ours(ours: &Ours, count: usize) -> Result<Duration> {
    let countdown = Arc::new(Countdown::new(count));
    let counting = Arc::clone(&countdown);
    let handler = move |quote: Delivered<Quote>| {
        std::hint::black_box(quote.price);
        counting.count();
        std::future::ready(Ok::<(), Infallible>(()))
    };
    let handling = Handling { at_once: 256, prefetch: 1_024, ..Handling::default() };
    let begun = Instant::now();
    let worker = ours.topic.consume(GROUP, handling, handler).await?;
    countdown.wait().await?;
    let acknowledged = async {
        while worker.handled().done < count as u64 {
            yield_now().await;
        }
    };
    timeout(LONG, acknowledged).await.context("they were to be acknowledged")?;
    let taken = begun.elapsed();
    let (handled, state) = (worker.handled(), ours.topic.state(GROUP).await?);
    let is_exact = handled.done == count as u64 && countdown.counted() == count;
    ensure!(
        is_exact && state.lag == 0 && state.pending == 0,
        "{count} were to be handled: {handled:?}, {state:?}"
    );
    worker.shutdown().await;
    Ok(taken)
}

pub(super) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let sides = Sides {
        raw: Raw::start(redis, "mystocks:raw:consume").await?,
        ours: Ours::start(redis, "bench:consume").await?,
        apalis: Apalis::start(redis, "bench-consume").await?,
    };
    let [raw, ours] = interleave(rounds, |side| on_worker(sides.clone().pass(side, ENTRIES))).await?;
    let name = format!("consume, an event of {ENTRIES}");
    let baseline = "XREADGROUP COUNT 100 + XACK";
    let mut rows = vec![Row::times(&name, &ours, baseline, &raw, Some(1.0 / 0.85))];
    let [ours, apalis] = interleave(rounds, |side| on_worker(sides.clone().pass(side + 1, FEW))).await?;
    let name = format!("consume, an event of {FEW}");
    rows.push(Row::times(&name, &ours, "apalis-redis 1.0", &apalis, None));
    Ok(rows)
}
