//! What a handler does belongs to the trace of who published, also after a retry, among the dead letters, and after a replay.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use mystocks_bus::{Bus, Delivered, Handling, MemoryLog, TraceContext};
use mystocks_testkit::eventually;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use crate::{LONG, Order, orders, quick, settled};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Keeps what the spans of handlers say they belong to, by the id of the event.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<[String; 2]>>>);

struct Fields<'a>(&'a mut [String; 2]);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "id" => self.0[0] = format!("{value:?}").trim_matches('"').to_owned(),
            "traceparent" => self.0[1] = format!("{value:?}"),
            _ => {}
        }
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.name() == "bus.handle"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        let mut spans = self.0.lock().unwrap();
        spans.push([String::new(), String::new()]);
        Id::from_u64(spans.len() as u64)
    }
    fn record(&self, id: &Id, values: &Record<'_>) {
        let index = usize::try_from(id.into_u64()).unwrap() - 1;
        values.record(&mut Fields(&mut self.0.lock().unwrap()[index]));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &tracing::Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn every_handler_belongs_to_the_trace_of_who_published() {
    let spans = Spans::default();
    let _default = tracing::subscriber::set_default(spans.clone());
    let trace: TraceContext = TRACE.parse().unwrap();
    let (orders, bus) = (orders(MemoryLog::new()), Bus::memory());
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let listener = bus.on(mystocks_bus::Topic::<Order>::new("orders"), move |order| {
        heard.lock().unwrap().push((order.envelope().unwrap().traceparent.clone(), TraceContext::current()));
        std::future::ready(())
    });
    let _listener = listener.await.unwrap();
    let publisher = bus.clone();
    let handler = move |order: Delivered<Order>| {
        let bus = publisher.clone();
        async move {
            bus.publish(&order.event).await.map_err(|error| error.to_string())?;
            Err::<(), _>("no such stock".to_owned())
        }
    };
    let handling = Handling { deliveries: 2, ..quick() };
    let worker = orders.consume("risk", handling, handler).await.unwrap();
    trace.scope(orders.publish(&Order { number: 1 })).await.unwrap();
    settled(&orders).await;
    let letter = orders.dead_letters("risk", None, 1).await.unwrap().remove(0);
    assert!(String::from_utf8_lossy(&letter.payload).contains(TRACE));
    assert_eq!(orders.replay("risk", None, |_| true).await.unwrap().replayed, 1);
    settled(&orders).await;
    // Two deliveries before and two after the replay; each told the bus, whose handler is in a span too.
    eventually("all is heard", LONG, async || told.lock().unwrap().len() == 4).await;
    for (traceparent, current) in told.lock().unwrap().iter() {
        assert_eq!((traceparent.as_deref(), *current), (Some(TRACE), Some(trace)));
    }
    {
        let spans = spans.0.lock().unwrap();
        assert_eq!(spans.len(), 8);
        assert!(spans.iter().all(|[id, traceparent]| !id.is_empty() && traceparent == TRACE), "{spans:?}");
    }
    orders.publish(&Order { number: 2 }).await.unwrap();
    settled(&orders).await;
    eventually("it is heard", LONG, async || told.lock().unwrap().len() == 6).await;
    assert_eq!(told.lock().unwrap()[5], (None, None), "who publishes outside of a trace begins none");
    worker.shutdown().await;
}
