//! What the three tiers answer, and what they are asked for it.

use std::time::Duration;

use jiff::civil::date;
use mystocks_cache::Tier;
use mystocks_indicators::{BarSource, DateRange, IndicatorRequest, IndicatorService, MemoryBars};
use mystocks_ta::registry;

use crate::rig::{CountedBars, bits, direct, one_stock, outputs, service, symbol, walk};

#[tokio::test(start_paused = true)]
async fn a_value_comes_from_the_kernel_then_from_memory_then_from_the_store() {
    let (bars, store, service) = one_stock(300);
    let stock = symbol("AAPL");
    let request = IndicatorRequest::new(stock.clone(), "MACD");
    let expected = direct(&bars.bars, &request).await;
    let get = async |tier: Tier, age: u64| {
        let result = service.get(&stock, "MACD", &[], DateRange::ALL).await.unwrap();
        assert_eq!((result.tier(), result.age()), (tier, Duration::from_millis(age)));
        assert_eq!(outputs(&result), expected, "{tier}");
        assert_eq!(result.outputs().collect::<Vec<_>>(), ["macd", "signal", "hist"]);
        assert_eq!(result.label(), "MACD(fastperiod=12,slowperiod=26,signalperiod=9)");
        assert_eq!((result.symbol(), result.len()), (&stock, 300));
        assert_eq!(result.version(), &bars.bars.version(&stock).await.unwrap());
        assert_eq!(result.dates(), bars.bars.load(&stock).await.unwrap().bars.dates());
        assert_eq!(result.values("nonsense"), None);
    };
    get(Tier::L3, 0).await;
    tokio::time::advance(Duration::from_millis(1500)).await;
    get(Tier::L1, 1500).await;
    service.drop_l1();
    get(Tier::L2, 1500).await;
    get(Tier::L1, 1500).await;
    assert_eq!(bars.loads(), 1);
    assert_eq!(service.stats().loads, 1);
    let key = store.keys().pop().unwrap();
    let version = bars.bars.version(&stock).await.unwrap();
    assert_eq!(
        key,
        format!("mystocks:own:indicators:AAPL:{version}:MACD(fastperiod=12,slowperiod=26,signalperiod=9)")
    );
}

#[tokio::test]
async fn another_process_finds_everything_in_the_store() {
    let (_, store, first) = one_stock(300);
    let requests: Vec<IndicatorRequest> = registry()
        .iter()
        .map(|indicator| IndicatorRequest::new(symbol("AAPL"), indicator.abbreviation))
        .collect();
    let computed = first.get_many(&requests).await;
    let elsewhere = CountedBars::default();
    elsewhere.bars.insert(symbol("AAPL"), walk(1, 300));
    let second = service(elsewhere.clone(), &store);
    store.take_gets();
    let found = second.get_many(&requests).await;
    assert_eq!(store.take_gets(), [requests.len()], "one request to the store for all");
    for (computed, found) in computed.iter().zip(&found) {
        let (computed, found) = (computed.as_ref().unwrap(), found.as_ref().unwrap());
        assert_eq!(found.tier(), Tier::L2);
        assert_eq!(outputs(found), outputs(computed), "{}", found.label());
        assert_eq!(found.dates(), computed.dates());
    }
    assert_eq!(elsewhere.loads(), 0);
}

#[tokio::test]
async fn revised_bars_are_never_answered_with_old_numbers() {
    let (bars, _, service) = one_stock(100);
    let stock = symbol("AAPL");
    let request = IndicatorRequest::new(stock.clone(), "EMA");
    let mut last = walk(1, 100)[99];
    for round in 0..20 {
        last.close *= 1.001;
        last.high = last.high.max(last.close);
        if round % 5 == 4 {
            last.date = last.date.tomorrow().unwrap();
        }
        bars.bars.revise(&stock, last).unwrap();
        let result = service.get(&stock, "EMA", &[], DateRange::ALL).await.unwrap();
        assert_eq!(outputs(&result), direct(&bars.bars, &request).await, "round {round}");
        assert_eq!(result.tier(), Tier::L3);
    }
}

#[tokio::test]
async fn a_range_selects_from_the_values_of_the_whole_history() {
    let (bars, store, service) = one_stock(60);
    let stock = symbol("AAPL");
    let whole = service.get(&stock, "RSI", &[], DateRange::ALL).await.unwrap();
    let dates = bars.bars.load(&stock).await.unwrap().bars.dates().to_vec();
    let values = bits(whole.values("rsi").unwrap());
    let check = async |range: DateRange, from: usize, to: usize| {
        let part = service.get(&stock, "RSI", &[], range).await.unwrap();
        assert_eq!(part.dates(), &dates[from..to], "{range}");
        assert_eq!(bits(part.values("rsi").unwrap()), values[from..to], "{range}");
        assert_eq!((part.len(), part.is_empty()), (to - from, from == to), "{range}");
    };
    check(DateRange::new(dates[20], dates[29]).unwrap(), 20, 30).await;
    check(DateRange::since(dates[59]), 59, 60).await;
    check(DateRange::until(dates[0]), 0, 1).await;
    check(DateRange::new(date(1990, 1, 1), date(1990, 12, 31)).unwrap(), 0, 0).await;
    check(DateRange::since(date(2090, 1, 1)), 60, 60).await;
    assert_eq!(store.keys().len(), 1, "all ranges share one entry");
}

#[tokio::test]
async fn spelled_out_defaults_are_the_same_request() {
    let (bars, store, service) = one_stock(60);
    let stock = symbol("AAPL");
    for given in [
        &[][..],
        &[("timeperiod", 20.into())],
        &[("nbdevup", 2.into()), ("timeperiod", 20.into())],
        &[("nbdevdn", 2.0.into()), ("nbdevup", 2.0.into()), ("timeperiod", 20.into())],
    ] {
        service.get(&stock, "BBANDS", given, DateRange::ALL).await.unwrap();
    }
    assert_eq!((bars.loads(), store.keys().len()), (1, 1));
    service.get(&stock, "BBANDS", &[("timeperiod", 21.into())], DateRange::ALL).await.unwrap();
    assert_eq!(store.keys().len(), 2);
}

#[test]
fn every_future_can_be_spawned() {
    fn check(_: &impl Send) {}
    let service = IndicatorService::builder(MemoryBars::new()).build().unwrap();
    let (stock, requests) = (symbol("AAPL"), [IndicatorRequest::new(symbol("AAPL"), "SMA")]);
    check(&service.get(&stock, "SMA", &[], DateRange::ALL));
    check(&service.get_many(&requests));
    check(&service.shutdown());
}
