//! What the metrics count.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use mystocks_session::Policy;

use crate::world::{Desk, World, millis, to};

/// Keeps the sum of each counter and how often each histogram was recorded, by name and labels.
#[derive(Default)]
struct Book(Arc<Mutex<BTreeMap<String, u64>>>);

struct Line(String, Arc<Mutex<BTreeMap<String, u64>>>);

impl CounterFn for Line {
    fn increment(&self, value: u64) {
        *self.1.lock().unwrap().entry(self.0.clone()).or_default() += value;
    }
    fn absolute(&self, _: u64) {}
}

impl HistogramFn for Line {
    fn record(&self, _: f64) {
        self.increment(1);
    }
}

impl Book {
    fn line(&self, key: &Key) -> Arc<Line> {
        let labels: Vec<_> =
            key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        let name = key.name().trim_start_matches("mystocks_session_");
        Arc::new(Line(format!("{name}{}", labels.concat()), Arc::clone(&self.0)))
    }
}

impl Recorder for Book {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.line(key))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.line(key))
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_is_counted_once_and_every_end_by_its_reason() {
    let book = Book::default();
    let _recording = metrics::set_default_local_recorder(&book);
    let world = World::memory();
    let policy = Policy { grace: millis(1), most_per_user: Some(1), ..Policy::default() };
    let (sessions, _) = world.sessions(&policy);
    let (visitor, mut session) = sessions.create(None, Desk::default()).await.unwrap();
    let mut stale = sessions.load(&visitor).await.unwrap().unwrap();
    sessions.save(&mut session).await.unwrap();
    sessions.save(&mut stale).await.unwrap_err();
    let ann = to(sessions.rotate(&visitor, Some("ann")).await.unwrap());
    assert!(sessions.load(&visitor).await.unwrap().is_none());
    let (second, _) = sessions.create(Some("ann"), Desk::default()).await.unwrap();
    assert!(!sessions.touch(&ann).await.unwrap());
    let third = to(sessions.rotate(&second, Some("ann")).await.unwrap());
    tokio::time::advance(millis(2)).await;
    assert!(sessions.load(&second).await.unwrap().is_none());
    assert!(sessions.load(&third).await.unwrap().is_none());
    let _ = sessions.create(Some("bob"), Desk::default()).await.unwrap();
    assert_eq!(
        (sessions.revoke_all("bob").await.unwrap(), sessions.list("bob").await.unwrap().len()),
        (1, 0)
    );
    let (last, _) = sessions.create(None, Desk::default()).await.unwrap();
    assert!(sessions.revoke(&last).await.unwrap() && !sessions.revoke_handle(&last.handle()).await.unwrap());
    sessions.list("").await.unwrap_err();

    let counted = book.0.lock().unwrap().clone();
    let expected = [
        ("operation_seconds operation=create", 4),
        ("operation_seconds operation=list", 2),
        ("operation_seconds operation=load", 4),
        ("operation_seconds operation=revoke", 2),
        ("operation_seconds operation=revoke_all", 1),
        ("operation_seconds operation=rotate", 2),
        ("operation_seconds operation=save", 2),
        ("operation_seconds operation=touch", 1),
        ("operations_total operation=create outcome=ok", 4),
        ("operations_total operation=list outcome=failed", 1),
        ("operations_total operation=list outcome=ok", 1),
        ("operations_total operation=load outcome=absent", 3),
        ("operations_total operation=load outcome=ok", 1),
        ("operations_total operation=revoke outcome=absent", 1),
        ("operations_total operation=revoke outcome=ok", 1),
        ("operations_total operation=revoke_all outcome=ok", 1),
        ("operations_total operation=rotate outcome=ok", 2),
        ("operations_total operation=save outcome=conflict", 1),
        ("operations_total operation=save outcome=ok", 1),
        ("operations_total operation=touch outcome=absent", 1),
        ("replayed_total action=revoked", 1),
        ("revoked_total why=caller", 1),
        ("revoked_total why=limit", 1),
        ("revoked_total why=login", 1),
        ("revoked_total why=replayed", 1),
        ("revoked_total why=user", 1),
    ];
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(counted, BTreeMap::from(expected));
}
