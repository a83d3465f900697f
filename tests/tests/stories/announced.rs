//! Who reads Redis upon an event finds what the event tells of.

use std::time::Duration;

use mystocks_bus::{Bus, Delivery, IndicatorCalculated, IndicatorEvent, PubSub};
use mystocks_cache::{CacheHub, RedisStore, Store};
use mystocks_config::{BusSettings, RedisSettings};
use mystocks_indicators::{
    BarSource, CsvBars, DateRange, IndicatorRequest, IndicatorService, Reading, Symbol,
};
use mystocks_keys::Keyspace;
use mystocks_redis_core::RedisManager;
use mystocks_ta::registry;
use mystocks_testkit::RedisServer;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_an_event_tells_of_is_in_redis() {
    let server = RedisServer::start().await;
    let settings = RedisSettings::from_url(&server.url()).unwrap();
    let [here, there] =
        [RedisManager::start(&settings).await.unwrap(), RedisManager::start(&settings).await.unwrap()];
    let keyspace = Keyspace::default();
    let bus = |manager: &RedisManager| {
        Bus::new(PubSub::new(manager.clone()), &BusSettings::default(), &keyspace, "story")
    };
    let (ours, theirs) = (bus(&here), bus(&there));
    let mut plain = theirs.subscribe(&IndicatorCalculated::topic()).await.unwrap();
    let mut events = theirs.subscribe(&IndicatorEvent::topic()).await.unwrap();
    let store = RedisStore::new(there.clone());

    let hub = CacheHub::redis(&RedisStore::new(here.clone()), &keyspace).unwrap();
    let folder = crate::bars::folder(&["600519.SH"]);
    let (source, stock) = (CsvBars::open(folder.path()).unwrap(), Symbol::new("600519.SH").unwrap());
    let version = source.version(&stock).await.unwrap();
    let service =
        IndicatorService::builder(source).hub(&hub).bus(&ours).reading(Reading::Results).build().unwrap();
    let requests: Vec<IndicatorRequest> = registry()
        .iter()
        .map(|indicator| IndicatorRequest::new(stock.clone(), indicator.abbreviation))
        .collect();
    let computing = {
        let (service, requests) = (service.clone(), requests.clone());
        async move { service.get_many(&requests).await }
    };
    let listening = async {
        for _ in &requests {
            let Some(Delivery::Event(event)) = plain.next().await else { panic!("events are missing") };
            assert!(event.success && event.stock_code == stock.as_str(), "{event:?}");
            let indicator = registry().get(&event.indicator_code).unwrap();
            let label = indicator.label(&indicator.canonical(&[]).unwrap());
            let key = format!("mystocks:own:indicators:{stock}:{version}:{label}");
            let found = store.get(&[&key]).await.unwrap();
            assert!(matches!(&*found, [Some(_)]), "{key} is not there");
        }
    };
    let both = async { tokio::join!(computing, listening) };
    let (results, ()) = timeout(LONG, both).await.unwrap();
    assert!(results.iter().all(Result::is_ok));
    let mut told = Vec::new();
    while told.len() <= requests.len() {
        match timeout(LONG, events.next()).await.unwrap() {
            Some(Delivery::Event(event)) => told.push(event.event),
            other => panic!("{other:?}"),
        }
    }
    let Some(IndicatorEvent::StockCompleted(all)) = told.pop() else { panic!("{told:?}") };
    assert_eq!((all.success_count, all.failed_count), (requests.len() as u64, 0));
    assert!(told.iter().all(|event| matches!(event, IndicatorEvent::Completed(one) if one.success)));

    // From a cache: nothing more.
    service.drop_l1();
    service.get(&stock, "SMA", &[], DateRange::ALL).await.unwrap();
    service.shutdown().await;
    assert_eq!(service.announcements().published, 2 * requests.len() as u64 + 1);
    ours.shutdown().await;
    theirs.shutdown().await;
}
