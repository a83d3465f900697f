//! Wrong requests, a store that fails, the end.

use std::time::Duration;

use mystocks_cache::{Policy, Tier};
use mystocks_indicators::{DateRange, Error, ErrorKind, IndicatorRequest, IndicatorService, MemoryBars};
use mystocks_ta::Given;

use crate::rig::{direct, one_stock, outputs, symbol, walk};

#[tokio::test]
async fn each_mistake_has_its_own_error_that_names_the_offender() {
    let (bars, store, service) = one_stock(19);
    let get = async |name: &str, indicator: &str, given: &[(&str, Given)]| -> Error {
        service.get(&symbol(name), indicator, given, DateRange::ALL).await.unwrap_err()
    };
    let check = |error: Error, kind: ErrorKind, parts: &[&str]| {
        assert_eq!(error.kind(), kind, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{error} lacks {part}");
        }
        assert!(!error.is_retryable(), "{error}");
    };
    check(get("AAPLE", "SMA", &[]).await, ErrorKind::UnknownSymbol, &["AAPLE", "nearest", " AAPL"]);
    check(get("AAPL", "SMAA", &[]).await, ErrorKind::UnknownIndicator, &["SMAA", "nearest", "SMA"]);
    check(
        get("AAPL", "SMA", &[("period", 5.into())]).await,
        ErrorKind::InvalidArgument,
        &["SMA.period", "timeperiod"],
    );
    check(
        get("AAPL", "SMA", &[("timeperiod", 1.into())]).await,
        ErrorKind::InvalidArgument,
        &["SMA.timeperiod", "2 to 200"],
    );
    check(
        get("AAPL", "SMA", &[("timeperiod", 5.0.into())]).await,
        ErrorKind::InvalidArgument,
        &["SMA.timeperiod", "integer"],
    );
    check(
        get("AAPL", "SMA", &[]).await,
        ErrorKind::TooFewBars,
        &["SMA(timeperiod=20) of AAPL", "needs 20", "there are 19"],
    );
    assert!(service.get(&symbol("AAPL"), "SMA", &[("timeperiod", 19.into())], DateRange::ALL).await.is_ok());
    // Nothing wrong was stored, and one bar more is enough.
    assert_eq!(store.keys().len(), 1);
    bars.bars.insert(symbol("AAPL"), walk(1, 20));
    assert!(service.get(&symbol("AAPL"), "SMA", &[], DateRange::ALL).await.is_ok());
}

#[tokio::test]
async fn a_symbol_that_appears_is_seen_at_once() {
    let (bars, _, service) = one_stock(60);
    let stock = symbol("MSFT");
    let error = service.get(&stock, "SMA", &[], DateRange::ALL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownSymbol);
    bars.bars.insert(stock.clone(), walk(2, 60));
    assert!(service.get(&stock, "SMA", &[], DateRange::ALL).await.is_ok());
    assert_eq!(service.symbols().await.unwrap(), [symbol("AAPL"), stock]);
}

#[tokio::test]
async fn a_store_that_fails_changes_no_answer() {
    let (bars, store, service) = one_stock(100);
    store.break_down(true);
    let requests =
        [IndicatorRequest::new(symbol("AAPL"), "SMA"), IndicatorRequest::new(symbol("AAPL"), "OBV")];
    for tier in [Tier::L3, Tier::L1] {
        for (request, result) in requests.iter().zip(service.get_many(&requests).await) {
            let result = result.unwrap();
            assert_eq!((outputs(&result), result.tier()), (direct(&bars.bars, request).await, tier));
        }
    }
    assert_eq!(bars.loads(), 1);
}

#[tokio::test]
async fn after_shutdown_what_is_cached_is_answered_and_nothing_is_loaded() {
    let (bars, _, service) = one_stock(100);
    let stock = symbol("AAPL");
    service.get(&stock, "SMA", &[], DateRange::ALL).await.unwrap();
    service.shutdown().await;
    assert_eq!(service.get(&stock, "SMA", &[], DateRange::ALL).await.unwrap().tier(), Tier::L1);
    let error = service.get(&stock, "EMA", &[], DateRange::ALL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cache, "{error}");
    assert_eq!(bars.loads(), 1);
}

#[tokio::test]
async fn a_policy_that_cannot_be_kept_is_refused() {
    let policy = Policy { ttl: Duration::ZERO, ..Policy::default() };
    let error = IndicatorService::builder(MemoryBars::new()).policy(policy).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("ttl"), "{error}");
}
