//! What is published of computations, in the background.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mystocks_bus::{Bus, Calculation, IndicatorCalculated, IndicatorEvent, Json, NaiveUtc, StockCompleted};
use mystocks_cache::Tier;
use mystocks_ta::Value;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::group::Placed;
use crate::key::SeriesKey;
use crate::metric;
use crate::result::IndicatorResult;
use crate::symbol::Symbol;

/// So many notices may wait to be published.
const BACKLOG: usize = 1_024;
/// So long a shutdown publishes what waits.
const GRACE: Duration = Duration::from_secs(2);

/// What became of the events that a service had for its bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Announcements {
    /// The bus took them, whoever listened.
    pub published: u64,
    /// The bus answered with an error: they may or may not have been published.
    pub failed: u64,
    /// Too many waited already, or the service was shut down.
    pub dropped: u64,
}

/// Publishes one notice after the other; nobody waits for it.
#[derive(Clone)]
pub(crate) struct Announcer(Arc<Shared>);

struct Shared {
    bus: Bus,
    queue: Mutex<Queue>,
    tasks: TaskTracker,
    stop: CancellationToken,
    published: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Notice>,
    /// Whether a task is at it.
    is_served: bool,
    is_closed: bool,
}

/// What is published of one thing that happened.
struct Notice {
    plain: Option<IndicatorCalculated>,
    event: IndicatorEvent,
}

impl Announcer {
    pub(crate) fn new(bus: Bus) -> Self {
        Self(Arc::new(Shared {
            bus,
            queue: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            published: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }))
    }

    /// Tells of one computation; `Err` says why it failed.
    pub(crate) fn calculated(&self, key: &SeriesKey, took: Duration, outcome: Result<(), String>) {
        let (stock, indicator) = (key.symbol.as_str(), key.call.indicator.abbreviation);
        let params = parameters(key);
        let success = outcome.is_ok();
        let calculation = Calculation {
            timestamp: NaiveUtc::now(),
            version: "1.0".to_owned(),
            stock_code: stock.to_owned(),
            indicator_code: indicator.to_owned(),
            parameters: params.clone(),
            success,
            calculation_time_ms: Some(millis(took)),
            from_cache: false,
            error_message: outcome.err(),
        };
        let event = match success {
            true => IndicatorEvent::Completed(calculation),
            false => IndicatorEvent::Failed(calculation),
        };
        let plain = IndicatorCalculated::new(stock, indicator, params, success);
        self.announce(Notice { plain: Some(plain), event });
    }

    /// Tells of a batch for one stock, if anything was computed or failed, and all that succeeded is where others find it.
    pub(crate) fn batch(&self, symbol: &Symbol, results: &[Placed], indicators: Vec<String>, took: Duration) {
        let found = || results.iter().filter_map(|(_, result)| result.as_ref().ok());
        let cached = found().filter(|result| result.tier() != Tier::L3).count();
        if cached == results.len() || !found().all(IndicatorResult::is_written) {
            return;
        }
        let event = IndicatorEvent::StockCompleted(StockCompleted {
            timestamp: NaiveUtc::now(),
            version: "1.0".to_owned(),
            stock_code: symbol.as_str().to_owned(),
            indicators,
            success_count: found().count() as u64,
            failed_count: (results.len() - found().count()) as u64,
            calculation_time_ms: millis(took),
            from_cache_count: cached as u64,
        });
        self.announce(Notice { plain: None, event });
    }

    pub(crate) fn counts(&self) -> Announcements {
        Announcements {
            published: self.0.published.load(Ordering::Acquire),
            failed: self.0.failed.load(Ordering::Acquire),
            dropped: self.0.dropped.load(Ordering::Acquire),
        }
    }

    /// Refuses what comes from now on and publishes what waits, for a while at most.
    pub(crate) async fn shutdown(&self) {
        self.0.queue().is_closed = true;
        self.0.tasks.close();
        if timeout(GRACE, self.0.tasks.wait()).await.is_err() {
            self.0.stop.cancel();
            self.0.tasks.wait().await;
        }
    }

    fn announce(&self, notice: Notice) {
        // Without a runtime there is nobody to publish it.
        let Ok(runtime) = Handle::try_current() else { return self.0.drop_notice(&notice) };
        let begins = {
            let mut queue = self.0.queue();
            if queue.is_closed || queue.waiting.len() >= BACKLOG {
                drop(queue);
                return self.0.drop_notice(&notice);
            }
            queue.waiting.push_back(notice);
            !std::mem::replace(&mut queue.is_served, true)
        };
        if begins {
            self.0.tasks.spawn_on(serve(Arc::clone(&self.0), Serving(Some(Arc::clone(&self.0)))), &runtime);
        }
    }
}

/// Lets the next notice begin a new task when this one was ended from outside.
struct Serving(Option<Arc<Shared>>);

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(shared) = &self.0 {
            shared.queue().is_served = false;
        }
    }
}

async fn serve(shared: Arc<Shared>, mut serving: Serving) {
    loop {
        let notice = {
            let mut queue = shared.queue();
            let Some(notice) = queue.waiting.pop_front() else {
                queue.is_served = false;
                // From here on it is another task's to say.
                let this = serving.0.take();
                drop(queue);
                return drop(this);
            };
            notice
        };
        if shared.stop.run_until_cancelled(shared.publish(&notice)).await.is_none() {
            let rest = std::mem::take(&mut shared.queue().waiting);
            std::iter::once(&notice).chain(&rest).for_each(|notice| shared.drop_notice(notice));
        }
    }
}

impl Shared {
    async fn publish(&self, notice: &Notice) {
        if let Some(plain) = &notice.plain {
            self.count(self.bus.publish(plain).await);
        }
        self.count(self.bus.publish(&notice.event).await);
    }

    fn count(&self, published: Result<u64, mystocks_bus::Error>) {
        let (counter, outcome) = match published {
            Ok(_) => (&self.published, "published"),
            Err(error) => {
                tracing::debug!(%error, "an event of an indicator is not published");
                (&self.failed, "failed")
            }
        };
        counter.fetch_add(1, Ordering::AcqRel);
        metric::events(outcome, 1);
    }

    fn drop_notice(&self, notice: &Notice) {
        let events = if notice.plain.is_some() { 2 } else { 1 };
        self.dropped.fetch_add(events, Ordering::AcqRel);
        metric::events("dropped", events);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A computation under way; dropped before its end, it failed.
pub(crate) struct Computation {
    announcer: Announcer,
    key: SeriesKey,
    began: Instant,
    is_over: bool,
}

/// Whether a series stands where others find it.
pub(crate) type Written = Arc<AtomicBool>;

impl Computation {
    pub(crate) fn begin(announcer: &Announcer, key: &SeriesKey) -> Self {
        Self { announcer: announcer.clone(), key: key.clone(), began: Instant::now(), is_over: false }
    }

    /// Ends it with a value; what is returned is to be called when the value was written, and sets `written`.
    pub(crate) fn succeed(mut self, written: Written) -> impl Fn() + Send + Sync + 'static {
        self.is_over = true;
        let took = self.began.elapsed();
        move || {
            written.store(true, Ordering::Release);
            self.announcer.calculated(&self.key, took, Ok(()));
        }
    }

    pub(crate) fn fail(mut self, reason: String) {
        self.is_over = true;
        self.announcer.calculated(&self.key, self.began.elapsed(), Err(reason));
    }

    /// Ends it without a word: it will be begun anew.
    pub(crate) fn void(mut self) {
        self.is_over = true;
    }
}

impl Drop for Computation {
    fn drop(&mut self) {
        if !self.is_over {
            let reason = "the computation was broken off".to_owned();
            self.announcer.calculated(&self.key, self.began.elapsed(), Err(reason));
        }
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcer").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn parameters(key: &SeriesKey) -> Json {
    let pairs = key.call.params.to_pairs().map(|(name, value)| {
        let value = match value {
            Value::Int(value) => Json::from(value),
            Value::Float(value) => Json::from(value),
        };
        (name.to_owned(), value)
    });
    Json::from(pairs.collect::<Vec<_>>())
}
