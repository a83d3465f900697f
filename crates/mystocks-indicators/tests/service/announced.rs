//! What a service tells its bus, and when.

use futures::FutureExt;
use mystocks_bus::{IndicatorEvent, Json};
use mystocks_cache::{MemoryStore, Store, Tier};
use mystocks_indicators::{
    Announcements, DateRange, IndicatorRequest, IndicatorService, MemoryBars, Reading,
};
use tokio::task::yield_now;

use crate::gate::{Gate, Heard};
use crate::rig::{symbol, walk};

fn bars() -> MemoryBars {
    let bars = MemoryBars::new();
    bars.insert(symbol("600519.SH"), walk(1, 60));
    bars
}

fn period(days: i64) -> Json {
    Json::from(vec![("timeperiod".to_owned(), Json::from(days))])
}

async fn told_after_the_write(gate: Gate, service: IndicatorService, mut heard: Heard) {
    let stock = symbol("600519.SH");
    let reading = {
        let (service, stock) = (service.clone(), stock.clone());
        async move { service.get(&stock, "SMA", &[], DateRange::ALL).await.unwrap() }
    };
    let mut reading = Box::pin(reading);
    tokio::select! {
        _ = &mut reading => panic!("it is not written yet"),
        () = gate.writing.notified() => {}
    }
    for _ in 0..100 {
        yield_now().await;
    }
    assert_eq!(heard.count(), 0, "told before it was written");
    gate.open.add_permits(1);
    let version = reading.await.version().clone();
    let event = heard.plain.next_event().await.unwrap();
    assert_eq!(event.stock_code, "600519.SH");
    let key = format!("mystocks:own:indicators:600519.SH:{version}:SMA(timeperiod=20)");
    let found = gate.store.get(&[&key]).now_or_never().unwrap().unwrap();
    assert!(matches!(&*found, [Some(_)]), "{key}");
    let (_, events) = heard.end(&service).await;
    assert!(matches!(&*events, [IndicatorEvent::Completed(_)]), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_series_is_told_of_once_it_stands_in_a_bare_store() {
    let (gate, heard) = (Gate::new(), Heard::new().await);
    let service = heard.service(bars(), &gate);
    told_after_the_write(gate, service, heard).await;
}

#[tokio::test(start_paused = true)]
async fn a_series_is_told_of_once_it_stands_where_all_processes_share() {
    let (gate, heard) = (Gate::new(), Heard::new().await);
    let service = IndicatorService::builder(bars())
        .hub(&gate.hub())
        .bus(&heard.bus)
        .reading(Reading::Results)
        .build()
        .unwrap();
    told_after_the_write(gate, service, heard).await;
}

#[tokio::test]
async fn a_computation_is_told_once_and_an_answer_from_a_cache_never() {
    let (heard, store, stock) = (Heard::new().await, MemoryStore::new(), symbol("600519.SH"));
    let [service, other] = [heard.service(bars(), &store), heard.service(bars(), &store)];
    let get = async |service: &IndicatorService, tier: Tier| {
        let given = [("timeperiod", 7.into())];
        let result = service.get(&stock, "SMA", &given, DateRange::ALL).await.unwrap();
        assert_eq!(result.tier(), tier);
    };
    // Two who ask at once are one computation.
    tokio::join!(get(&service, Tier::L3), get(&service, Tier::L3));
    get(&service, Tier::L1).await;
    service.drop_l1();
    get(&service, Tier::L2).await;
    get(&other, Tier::L2).await;
    let request = IndicatorRequest::new(stock.clone(), "SMA").with("timeperiod", 7);
    assert!(service.get_many(&[request]).await.iter().all(Result::is_ok));
    other.shutdown().await;
    assert_eq!(other.announcements(), Announcements::default());
    let (plain, events) = heard.end(&service).await;
    let [plain] = &*plain else { panic!("{plain:?}") };
    assert_eq!((&*plain.stock_code, &*plain.indicator_code), ("600519.SH", "SMA"));
    assert_eq!((&plain.params, plain.success), (&period(7), true));
    let [IndicatorEvent::Completed(event)] = &*events else { panic!("{events:?}") };
    assert_eq!((&*event.stock_code, &*event.indicator_code), ("600519.SH", "SMA"));
    assert_eq!((&event.parameters, event.success, event.from_cache), (&period(7), true, false));
    assert!(event.calculation_time_ms.unwrap() > 0.0);
    assert_eq!((&*event.version, event.error_message.as_deref()), ("1.0", None));
    let counts = service.announcements();
    assert_eq!((counts.published, counts.failed, counts.dropped), (2, 0, 0));
}

#[tokio::test]
async fn a_failed_computation_is_told_with_its_reason() {
    let (heard, stock) = (Heard::new().await, symbol("600519.SH"));
    let service = heard.service(bars(), &MemoryStore::new());
    let given = [("timeperiod", 61.into())];
    let error = service.get(&stock, "SMA", &given, DateRange::ALL).await.unwrap_err();
    // What cannot be asked for is no computation.
    service.get(&stock, "SMAA", &[], DateRange::ALL).await.unwrap_err();
    service.get(&symbol("000001.SZ"), "SMA", &[], DateRange::ALL).await.unwrap_err();
    let (plain, events) = heard.end(&service).await;
    let [plain] = &*plain else { panic!("{plain:?}") };
    assert_eq!((&plain.params, plain.success), (&period(61), false));
    let [IndicatorEvent::Failed(event)] = &*events else { panic!("{events:?}") };
    assert_eq!((&event.parameters, event.success), (&period(61), false));
    assert_eq!(event.error_message, Some(error.to_string()));
}

#[tokio::test]
async fn the_end_of_a_batch_is_told_after_its_computations() {
    let (heard, stock) = (Heard::new().await, symbol("600519.SH"));
    let service = heard.service(bars(), &MemoryStore::new());
    service.get(&stock, "EMA", &[], DateRange::ALL).await.unwrap();
    let request = |indicator: &str| IndicatorRequest::new(stock.clone(), indicator);
    let requests = [request("SMA"), request("EMA"), request("RSI"), request("SMA").with("timeperiod", 61)];
    for round in 0..2 {
        let results = service.get_many(&requests).await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3, "{round}");
    }
    // From a cache all of them: nothing to tell.
    service.get_many(&requests[..3]).await;
    let (plain, events) = heard.end(&service).await;
    assert_eq!(plain.iter().filter(|event| event.success).count(), 3);
    let told: Vec<String> = events
        .iter()
        .map(|event| match event {
            IndicatorEvent::Completed(one) => format!("{} done", one.indicator_code),
            IndicatorEvent::Failed(one) => format!("{} failed", one.indicator_code),
            IndicatorEvent::StockCompleted(all) => {
                assert_eq!((&*all.stock_code, &*all.version), ("600519.SH", "1.0"));
                assert!(all.calculation_time_ms > 0.0);
                let counts = (all.success_count, all.failed_count, all.from_cache_count);
                format!("{} {counts:?}", all.indicators.join(","))
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let batch = |cached: u64| format!("SMA,EMA,RSI,SMA (3, 1, {cached})");
    let expected = ["EMA done", "SMA done", "RSI done", "SMA failed", &batch(1), "SMA failed", &batch(3)];
    assert_eq!(told, expected);
}
