//! What a service tells its bus when the store, the bars or the bus are in trouble.

use std::time::Duration;

use async_trait::async_trait;
use mystocks_bus::{Bus, IndicatorCalculated, IndicatorEvent, Overflow, Topics};
use mystocks_cache::{MemoryStore, Tier};
use mystocks_indicators::{
    BarSource, DateRange, Error, ErrorKind, IndicatorRequest, IndicatorService, LoadedBars, MemoryBars,
    Reading, SeriesVersion, Symbol,
};
use tokio::time::Instant;

use crate::gate::Heard;
use crate::rig::{CountedStore, symbol, walk};

fn bars() -> MemoryBars {
    let bars = MemoryBars::new();
    bars.insert(symbol("AAPL"), walk(1, 60));
    bars
}

#[tokio::test]
async fn what_could_not_be_written_is_not_told_of() {
    let (heard, store) = (Heard::new().await, CountedStore::default());
    let service = heard.service(bars(), &store);
    store.break_down(true);
    let requests = [IndicatorRequest::new(symbol("AAPL"), "SMA")];
    for tier in [Tier::L3, Tier::L1] {
        let results = service.get_many(&requests).await;
        assert_eq!(results.first().unwrap().as_ref().unwrap().tier(), tier);
    }
    // A batch is not at its end for others while a part of it is only here.
    store.break_down(false);
    let requests = [requests[0].clone(), IndicatorRequest::new(symbol("AAPL"), "OBV")];
    assert!(service.get_many(&requests).await.iter().all(Result::is_ok));
    let (plain, events) = heard.end(&service).await;
    let told: Vec<&str> = plain.iter().map(|event| &*event.indicator_code).collect();
    assert_eq!(told, ["OBV"]);
    assert!(matches!(&*events, [IndicatorEvent::Completed(_)]), "{events:?}");
}

/// Bars that panic as they are loaded, or are never there.
#[derive(Debug)]
struct Bad {
    bars: MemoryBars,
    panics: bool,
}

#[async_trait]
impl BarSource for Bad {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        self.bars.symbols().await
    }
    async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error> {
        self.bars.version(symbol).await
    }
    async fn load(&self, _: &Symbol) -> Result<LoadedBars, Error> {
        assert!(!self.panics, "told to");
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_computation_that_panics_or_is_too_long_failed() {
    for panics in [true, false] {
        let heard = Heard::new().await;
        let service = heard.service(Bad { bars: bars(), panics }, &MemoryStore::new());
        let error = service.get(&symbol("AAPL"), "SMA", &[], DateRange::ALL).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cache);
        let (plain, events) = heard.end(&service).await;
        assert_eq!(plain.iter().map(|event| event.success).collect::<Vec<_>>(), [false]);
        let [IndicatorEvent::Failed(event)] = &*events else { panic!("{events:?}") };
        let reason = event.error_message.as_deref().unwrap();
        let expected = if panics { "the loader panicked" } else { "the computation was broken off" };
        assert!(reason.contains(expected), "{reason}");
    }
}

#[tokio::test]
async fn without_a_store_others_are_told_when_it_is_computed() {
    let heard = Heard::new().await;
    let service =
        IndicatorService::builder(bars()).bus(&heard.bus).reading(Reading::Results).build().unwrap();
    service.get(&symbol("AAPL"), "SMA", &[], DateRange::ALL).await.unwrap();
    let (plain, events) = heard.end(&service).await;
    assert_eq!((plain.len(), events.len()), (1, 1));
}

#[tokio::test]
async fn a_bus_that_refuses_changes_no_answer() {
    let heard = Heard::new().await;
    let service = heard.service(bars(), &MemoryStore::new());
    heard.bus.shutdown().await;
    service.get(&symbol("AAPL"), "SMA", &[], DateRange::ALL).await.unwrap();
    service.shutdown().await;
    let counts = service.announcements();
    assert_eq!((counts.published, counts.failed, counts.dropped), (0, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_stands_still_delays_nobody_and_fills_no_memory() {
    let bus = Bus::memory();
    let topics = Topics::from(IndicatorCalculated::topic()).overflow(Overflow::Wait).messages(1);
    let full = bus.subscribe(topics).await.unwrap();
    let bars = bars();
    let service =
        IndicatorService::builder(bars.clone()).bus(&bus).reading(Reading::Results).build().unwrap();
    let began = Instant::now();
    for period in 2..=200 {
        for _ in 0..6 {
            let given = [("timeperiod", period.into())];
            let _ = service.get(&symbol("AAPL"), "SMA", &given, DateRange::ALL).await;
            if period <= 60 {
                // Another history: the next one is computed again.
                let mut last = *walk(1, 60).last().unwrap();
                last.volume = Some(service.stats().loads as f64);
                bars.revise(&symbol("AAPL"), last).unwrap();
            }
        }
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "no read waits");
    let computed = service.stats().loads;
    assert_eq!(computed, 199 * 6);
    // One is in the subscriber's queue, one on its way, 1,024 wait.
    let refused = (computed - 1026) * 2;
    assert_eq!(service.announcements().dropped, refused);
    service.shutdown().await;
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    let counts = service.announcements();
    // Of the first both are published; the second was on its way.
    assert_eq!((counts.published, counts.failed, counts.dropped), (2, 0, (computed - 1) * 2));
    drop(full);
}

#[tokio::test]
async fn after_the_shutdown_nothing_is_published() {
    let heard = Heard::new().await;
    let service = heard.service(bars(), &MemoryStore::new());
    service.shutdown().await;
    service.get(&symbol("AAPL"), "SMA", &[], DateRange::ALL).await.unwrap_err();
    let (plain, events) = heard.end(&service).await;
    assert_eq!((plain.len(), events.len()), (0, 0));
}
