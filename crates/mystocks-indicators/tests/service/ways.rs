//! Which way is taken, and that every way leads to the same numbers.

use std::time::Duration;

use mystocks_cache::{CacheHub, Keyspace, MemoryStore, Tier};
use mystocks_indicators::{
    DateRange, ErrorKind, IndicatorRequest, IndicatorResult, IndicatorService, MemoryBars, Reading, Way,
};
use mystocks_ta::registry;

use crate::rig::{CountedBars, CountedStore, direct, outputs, symbol, walk};

fn with(bars: &CountedBars, store: &CountedStore, reading: Reading) -> IndicatorService {
    IndicatorService::builder(bars.clone()).store(store.clone()).reading(reading).build().unwrap()
}

fn one_stock() -> (CountedBars, CountedStore) {
    let (bars, store) = (CountedBars::default(), CountedStore::default());
    bars.bars.insert(symbol("AAPL"), walk(1, 250));
    (bars, store)
}

async fn get(service: &IndicatorService, indicator: &str) -> IndicatorResult {
    service.get(&symbol("AAPL"), indicator, &[], DateRange::ALL).await.unwrap()
}

#[tokio::test]
async fn each_state_has_its_way() {
    let (bars, store) = one_stock();
    let first = with(&bars, &store, Reading::Cheapest);
    let way = async |service: &IndicatorService, indicator: &str| get(service, indicator).await.detail().way;
    assert_eq!(way(&first, "SMA").await, Way::Source);
    assert_eq!(way(&first, "SMA").await, Way::ResultL1);
    assert_eq!(way(&first, "RSI").await, Way::BarsL1, "its bars are at hand, and it costs less than asking");
    assert_eq!(way(&first, "RSI").await, Way::ResultL1, "it was kept");
    let second = with(&bars, &store, Reading::Cheapest);
    assert_eq!(way(&second, "EMA").await, Way::BarsL2, "nobody computed it, and the bars are in the store");
    assert_eq!(way(&second, "WMA").await, Way::BarsL1);
    let third = with(&bars, &store, Reading::Results);
    assert_eq!(way(&third, "SMA").await, Way::ResultL2);
    assert_eq!(bars.loads(), 1);
    let keys = store.keys();
    assert_eq!(keys.len(), 2, "the bars, and the result that was computed for all: {keys:?}");
    let counts = first.ways();
    assert_eq!([counts.result_l1, counts.bars_l1, counts.result_l2, counts.bars_l2], [2, 1, 0, 0]);
    assert_eq!((counts.source, counts.errors), (1, 0));
}

#[tokio::test]
async fn nine_indicators_of_one_stock_read_its_bars_once() {
    for reading in [Reading::Cheapest, Reading::Results] {
        let (bars, store) = one_stock();
        let service = with(&bars, &store, reading);
        let requests: Vec<IndicatorRequest> = mystocks_ta::daily_defaults()
            .iter()
            .map(|(_, params)| IndicatorRequest::of(symbol("AAPL"), params))
            .collect();
        let asked = (0..4).map(|_| service.get_many(&requests));
        for results in futures::future::join_all(asked).await {
            for (request, result) in requests.iter().zip(results) {
                assert_eq!(outputs(&result.unwrap()), direct(&bars.bars, request).await);
            }
        }
        assert_eq!(bars.loads(), 1, "{reading:?}");
    }
}

#[tokio::test]
async fn every_way_leads_to_the_same_numbers() {
    let (bars, store) = one_stock();
    let filler = with(&bars, &store, Reading::Results);
    let shared = with(&bars, &store, Reading::Cheapest);
    for indicator in registry().iter() {
        let request = IndicatorRequest::new(symbol("AAPL"), indicator.abbreviation);
        let expected = direct(&bars.bars, &request).await;
        get(&filler, indicator.abbreviation).await;
        get(&shared, indicator.abbreviation).await;
        for way in [Way::BarsL1, Way::ResultL2, Way::BarsL2] {
            let service = with(&bars, &store, Reading::Only(way));
            if way == Way::BarsL1 {
                // What it does not find it loads, and then has the bars.
                get(&service, if indicator.abbreviation == "SMA" { "EMA" } else { "SMA" }).await;
            }
            let found = get(&service, indicator.abbreviation).await;
            assert_eq!(outputs(&found), expected, "{way} {}", indicator.abbreviation);
            if way != Way::BarsL1 {
                assert_eq!((found.detail().way, found.tier()), (way, Tier::L2), "{}", indicator.abbreviation);
            }
        }
    }
}

#[tokio::test]
async fn too_few_bars_are_the_same_error_by_every_way() {
    let (bars, store) = (CountedBars::default(), CountedStore::default());
    bars.bars.insert(symbol("AAPL"), walk(1, 10));
    let filled = with(&bars, &store, Reading::Cheapest);
    filled.get(&symbol("AAPL"), "OBV", &[], DateRange::ALL).await.unwrap();
    for reading in [Reading::Cheapest, Reading::Results, Reading::Only(Way::BarsL2)] {
        let service = with(&bars, &store, reading);
        for _ in 0..2 {
            let error = service.get(&symbol("AAPL"), "MACD", &[], DateRange::ALL).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooFewBars, "{reading:?}");
            assert!(error.to_string().contains("it needs 34, there are 10"), "{error}");
        }
    }
}

#[tokio::test]
async fn revised_bars_are_never_answered_with_old_numbers_by_any_way() {
    for reading in [Reading::Cheapest, Reading::Only(Way::BarsL1), Reading::Only(Way::BarsL2)] {
        let (bars, store) = one_stock();
        let (here, there) = (with(&bars, &store, reading), with(&bars, &store, reading));
        let mut last = walk(1, 250)[249];
        for _ in 0..10 {
            last.close *= 1.001;
            last.high = last.high.max(last.close);
            bars.bars.revise(&symbol("AAPL"), last).unwrap();
            for service in [&here, &there] {
                for indicator in ["EMA", "SMA", "EMA", "OBV"] {
                    let request = IndicatorRequest::new(symbol("AAPL"), indicator);
                    let result = get(service, indicator).await;
                    assert_eq!(
                        outputs(&result),
                        direct(&bars.bars, &request).await,
                        "{reading:?} {indicator}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn without_a_store_bars_at_hand_are_computed_from() {
    let bars = MemoryBars::new();
    bars.insert(symbol("AAPL"), walk(1, 250));
    let service = IndicatorService::builder(bars).build().unwrap();
    assert_eq!(get(&service, "SMA").await.detail().way, Way::Source);
    assert_eq!(get(&service, "RSI").await.detail().way, Way::BarsL1);
}

#[tokio::test]
async fn a_broken_store_changes_no_answer() {
    let (bars, store) = one_stock();
    let service = with(&bars, &store, Reading::Cheapest);
    store.break_down(true);
    for indicator in registry().iter() {
        let request = IndicatorRequest::new(symbol("AAPL"), indicator.abbreviation);
        let result = get(&service, indicator.abbreviation).await;
        assert_eq!(outputs(&result), direct(&bars.bars, &request).await, "{}", indicator.abbreviation);
    }
}

/// Two processes that trust a version for `trust`, and the last value that one of them answers.
fn trusting(bars: &CountedBars, trust: Duration) -> [IndicatorService; 2] {
    let store = MemoryStore::new();
    [(), ()].map(|()| {
        let hub = CacheHub::memory(&store, &Keyspace::default());
        IndicatorService::builder(bars.clone()).hub(&hub).trust_versions(trust).build().unwrap()
    })
}

async fn last(service: &IndicatorService) -> f64 {
    *get(service, "OBV").await.values("obv").unwrap().last().unwrap()
}

/// More trade on the last day, so that the last value is another one.
fn revise(bars: &CountedBars, more: f64) {
    let mut bar = walk(1, 250)[249];
    bar.volume = bar.volume.map(|volume| volume + more);
    bars.bars.revise(&symbol("AAPL"), bar).unwrap();
}

#[tokio::test]
async fn a_trusted_version_is_asked_for_once_until_somebody_tells_that_it_changed() {
    let (bars, _) = one_stock();
    let [here, there] = trusting(&bars, Duration::from_secs(600));
    let old = last(&here).await;
    assert_eq!(last(&there).await, old);
    revise(&bars, 5e6);
    assert_eq!([last(&here).await, last(&there).await], [old; 2], "it is trusted");
    assert_eq!(bars.versions(), 1, "the second process found it in the store");
    here.revised(&symbol("AAPL")).await.unwrap();
    let new = last(&here).await;
    assert_ne!(new, old);
    while last(&there).await != new {
        tokio::task::yield_now().await;
    }
    assert_eq!(bars.versions(), 2);
}

#[tokio::test]
async fn trust_ends_by_itself() {
    let (bars, _) = one_stock();
    let [here, there] = trusting(&bars, Duration::from_millis(50));
    let old = last(&here).await;
    revise(&bars, 5e6);
    let mut new = [last(&here).await, last(&there).await];
    while new.contains(&old) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        new = [last(&here).await, last(&there).await];
    }
    assert_eq!(new[0], new[1]);
}
