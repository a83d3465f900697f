//! Many indicators of many stocks in one call, and at the same time.

use mystocks_cache::{MemoryStore, Tier};
use mystocks_indicators::{
    Error, ErrorKind, IndicatorRequest, IndicatorResult, IndicatorService, MemoryBars, Reading, Way,
};
use mystocks_ta::{Indicator, daily_defaults, registry};

use crate::rig::{CountedBars, CountedStore, direct, outputs, service, symbol, walk};

#[tokio::test]
async fn a_batch_harms_nobody_and_asks_for_everything_once() {
    let (bars, store) = (CountedBars::default(), CountedStore::default());
    let names: Vec<String> = (0..12).map(|number| format!("60051{number}.SH")).collect();
    let mut requests = Vec::new();
    for (seed, name) in (1..).zip(&names) {
        bars.bars.insert(symbol(name), walk(seed, 200));
        requests
            .extend(daily_defaults().iter().map(|(_, params)| IndicatorRequest::of(symbol(name), params)));
    }
    let good = requests.len();
    for (place, wrong) in [
        (0, IndicatorRequest::new(symbol("nobody"), "SMA")),
        (17, IndicatorRequest::new(symbol(&names[0]), "SMAA")),
        (18, IndicatorRequest::new(symbol(&names[0]), "SMA").with("timeperiod", 201)),
        (40, IndicatorRequest::new(symbol("nobody"), "RSI")),
    ] {
        requests.insert(place, wrong);
    }
    let service = service(bars.clone(), &store);
    let cold = service.get_many(&requests).await;
    assert_eq!(cold.len(), requests.len());
    assert_eq!(bars.versions(), names.len() + 1, "one version per symbol");
    assert_eq!(bars.loads(), names.len(), "one load per symbol");
    assert_eq!(store.take_gets()[0], good, "all that is missing in one request");
    let expected = [
        (0, ErrorKind::UnknownSymbol),
        (17, ErrorKind::UnknownIndicator),
        (18, ErrorKind::InvalidArgument),
        (40, ErrorKind::UnknownSymbol),
    ];
    let check = async |results: &[Result<IndicatorResult, Error>], tier: Tier| {
        for (place, (request, result)) in requests.iter().zip(results).enumerate() {
            match expected.iter().find(|(wrong, _)| *wrong == place) {
                Some((_, kind)) => assert_eq!(result.as_ref().unwrap_err().kind(), *kind),
                None => {
                    let result = result.as_ref().unwrap();
                    assert_eq!((result.symbol(), result.tier()), (&request.symbol, tier));
                    assert_eq!(
                        outputs(result),
                        direct(&bars.bars, request).await,
                        "{} {}",
                        request.symbol,
                        result.label()
                    );
                }
            }
        }
    };
    check(&cold, Tier::L3).await;
    check(&service.get_many(&requests).await, Tier::L1).await;
    assert_eq!(store.take_gets(), [0; 0], "L1 answers alone");
    service.drop_l1();
    check(&service.get_many(&requests).await, Tier::L2).await;
    assert_eq!(store.take_gets(), [good]);
    assert_eq!(bars.loads(), names.len());
    assert!(service.get_many(&[]).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stocks_never_get_each_others_numbers() {
    let computed = mixed(Reading::Results).await;
    assert_eq!(computed, some().count() as u64 * 3, "each was computed once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stocks_never_get_each_others_numbers_by_whatever_way() {
    mixed(Reading::Cheapest).await;
    for way in Way::ALL {
        mixed(Reading::Only(way)).await;
    }
}

/// Some of the indicators, of every kind.
fn some() -> impl Iterator<Item = &'static Indicator> {
    registry().iter().step_by(8)
}

/// Asks for much of three stocks at once, again and again, and returns how many loads that were.
async fn mixed(reading: Reading) -> u64 {
    // The same first day, and for the first two nearly the same bars: what the shared key of the old system confused.
    let bars = MemoryBars::new();
    let mut alike = walk(1, 150);
    alike[149].close = alike[149].low;
    for (name, raw) in [("sh.600519", walk(1, 150)), ("600519.SH", alike), ("sz.000001", walk(2, 150))] {
        bars.insert(symbol(name), raw);
    }
    let service =
        IndicatorService::builder(bars.clone()).store(MemoryStore::new()).reading(reading).build().unwrap();
    let mut requests = Vec::new();
    for indicator in some() {
        for name in ["sh.600519", "600519.SH", "sz.000001"] {
            requests.push(IndicatorRequest::new(symbol(name), indicator.abbreviation));
        }
    }
    for round in 0..6 {
        let asked = (0..8).map(|caller| {
            let (service, mut requests) = (service.clone(), requests.clone());
            requests.rotate_left(caller * 7);
            async move {
                if caller % 2 == 0 {
                    return service.get_many(&requests).await;
                }
                let one_by_one = requests
                    .iter()
                    .map(|request| service.get(&request.symbol, &request.indicator, &[], request.range));
                futures::future::join_all(one_by_one).await
            }
        });
        let mut callers = tokio::task::JoinSet::new();
        asked.for_each(|caller| {
            callers.spawn(caller);
        });
        while let Some(results) = callers.join_next().await {
            for result in results.unwrap() {
                let result = result.unwrap();
                let request = IndicatorRequest::of(result.symbol().clone(), &result.parameters());
                assert_eq!(
                    outputs(&result),
                    direct(&bars, &request).await,
                    "{} {}",
                    result.symbol(),
                    result.label()
                );
            }
        }
        if round % 2 == 0 {
            service.drop_l1();
        }
    }
    let loads = service.stats().loads;
    service.shutdown().await;
    loads
}
