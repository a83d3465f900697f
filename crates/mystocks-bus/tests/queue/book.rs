//! What the metrics recorded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

type Values = Arc<Mutex<BTreeMap<String, Vec<f64>>>>;

/// Keeps all that is recorded by the names of what it is about, each change by itself.
#[derive(Debug, Default)]
pub(crate) struct Book(Values);

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
        let name = key.name().trim_start_matches("mystocks_bus_");
        let name = std::iter::once(name.to_owned()).chain(labels).collect();
        Arc::new(Line { name, values: Arc::clone(&self.0) })
    }

    /// Returns the sum of what was recorded under `name`, and how often that was.
    pub(crate) fn sum(&self, name: &str) -> (f64, usize) {
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
