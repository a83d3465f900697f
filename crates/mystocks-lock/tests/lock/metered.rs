//! What the metrics count.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use mystocks_lock::{Locker, Released, Resource, Token};
use tokio::time::sleep;

use crate::world::{millis, secs};

type Values = Arc<Mutex<BTreeMap<String, Vec<f64>>>>;

/// Keeps all that is recorded by the names of what it is about, each change by itself.
#[derive(Debug, Default)]
struct Book(Values);

struct Line {
    name: String,
    values: Values,
}

impl Line {
    fn write(&self, value: f64) {
        self.values.lock().unwrap().entry(self.name.clone()).or_default().push(value);
    }
}

impl CounterFn for Line {
    fn increment(&self, value: u64) {
        self.write(f64::from(u32::try_from(value).unwrap()));
    }
    fn absolute(&self, value: u64) {
        CounterFn::increment(self, value);
    }
}

impl GaugeFn for Line {
    fn increment(&self, value: f64) {
        self.write(value);
    }
    fn decrement(&self, value: f64) {
        self.write(-value);
    }
    fn set(&self, value: f64) {
        self.write(value);
    }
}

impl HistogramFn for Line {
    fn record(&self, value: f64) {
        self.write(value);
    }
}

impl Book {
    fn line(&self, key: &Key) -> Arc<Line> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = key.name().trim_start_matches("mystocks_lock_");
        let name = std::iter::once(name.to_owned()).chain(labels).collect();
        Arc::new(Line { name, values: Arc::clone(&self.0) })
    }

    /// Returns the sum of what was recorded under `name`, and how often that was.
    fn sum(&self, name: &str) -> (f64, usize) {
        let values = self.0.lock().unwrap().get(name).cloned().unwrap_or_default();
        (values.iter().sum(), values.len())
    }
}

impl Recorder for Book {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.line(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.line(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.line(key))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_by_token_is_no_hold_and_its_release_is_one() {
    let book = Book::default();
    let _recording = metrics::set_default_local_recorder(&book);
    let locker = Locker::memory();
    let report = || Resource::new("report").class("reports");
    let token = locker.acquire(report(), secs(9)).await.unwrap().unwrap();
    assert_eq!(locker.acquire(report(), secs(9)).await.unwrap(), None);
    assert_eq!(book.sum("attempts_total class=reports outcome=granted"), (1.0, 1));
    assert_eq!(book.sum("attempts_total class=reports outcome=busy"), (1.0, 1));
    assert_eq!(locker.release(report(), &Token::from("foreign")).await.unwrap(), Released::TakenOver);
    assert_eq!(locker.release(report(), &token).await.unwrap(), Released::Released);
    assert_eq!(locker.release(report(), &token).await.unwrap(), Released::AlreadyExpired);
    for outcome in ["taken_over", "released", "already_expired"] {
        assert_eq!(book.sum(&format!("releases_total class=reports outcome={outcome}")), (1.0, 1));
    }
    let recorded: Vec<String> = book.0.lock().unwrap().keys().cloned().collect();
    assert!(!recorded.iter().any(|name| name.starts_with("hold_seconds") || name.starts_with("held")));

    // A guard that hands its token over has held it until then.
    let guard = locker.try_lock(report()).await.unwrap().unwrap();
    assert_eq!(book.sum("held class=reports"), (1.0, 1));
    sleep(secs(4)).await;
    let token = guard.into_token();
    assert_eq!(book.sum("held class=reports"), (0.0, 2));
    assert_eq!(book.sum("hold_seconds class=reports"), (4.0, 1));
    assert_eq!(locker.release(report(), &token).await.unwrap(), Released::Released);
    assert_eq!(book.sum("releases_total class=reports outcome=released"), (2.0, 2));
}

#[tokio::test(start_paused = true)]
async fn what_was_waited_for_is_not_counted_as_held() {
    let book = Book::default();
    let _recording = metrics::set_default_local_recorder(&book);
    let locker = Locker::memory();
    let report = || Resource::new("report").class("reports");
    let guard = locker.try_lock(report()).await.unwrap().unwrap();
    let (next, ()) = tokio::join!(locker.lock(report(), secs(9)), async {
        sleep(millis(150)).await;
        assert_eq!(guard.release().await.unwrap(), Released::Released);
    });
    assert_eq!(next.unwrap().unwrap().release().await.unwrap(), Released::Released);
    assert_eq!(book.sum("wait_seconds class=reports"), (0.15, 1));
    assert_eq!(book.sum("hold_seconds class=reports"), (0.15, 2), "by the first alone");
    assert_eq!(book.sum("attempts_total class=reports outcome=granted_after_wait"), (1.0, 1));
}
