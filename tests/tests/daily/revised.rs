//! A history that is revised while it is read by every way: nobody gets a mixture, or the old numbers after the new ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mystocks_cache::{CacheHub, Policy, RedisStore};
use mystocks_config::RedisSettings;
use mystocks_indicators::postgres::{PostgresBars, PostgresPool, PostgresSettings};
use mystocks_indicators::{DateRange, ErrorKind, IndicatorRequest, IndicatorService, Reading, Symbol};
use mystocks_keys::Keyspace;
use mystocks_redis_core::RedisManager;
use mystocks_tests::spawn;
use tokio::task::JoinSet;

use crate::market::Market;

const REVISIONS: u64 = 60;
const DAYS: usize = 80;

/// A process of its own, but for the address space: own connections, own L1.
async fn process(market: &Market, reading: Reading, trust: Duration) -> IndicatorService {
    let redis = RedisManager::start(&RedisSettings::from_url(&market.redis.url()).unwrap()).await.unwrap();
    let hub = CacheHub::redis(&RedisStore::new(redis), &Keyspace::default()).unwrap();
    let pool = PostgresPool::new(PostgresSettings::new(market.postgres.url())).unwrap();
    let policy = Policy { l2_timeout: Duration::from_secs(5), ..Policy::default() };
    let builder = IndicatorService::builder(PostgresBars::new(&pool)).hub(&hub).policy(policy);
    builder.reading(reading).trust_versions(trust).build().unwrap()
}

/// Every close of revision `n` is `n`, so each average is: anything else is a mixture.
async fn revise(market: &Market, revision: u64) {
    let update = format!(
        "UPDATE daily_kline SET open = {revision}, close = {revision}, high = {revision}, low = {revision}, updated_at = clock_timestamp()"
    );
    market.client.batch_execute(&update).await.unwrap();
}

/// Reads four averages of one stock together and returns which revision all their values are of.
async fn read(service: &IndicatorService) -> u64 {
    let stock = Symbol::new("sh.600000").unwrap();
    let periods = [5_i64, 10, 20, 60];
    let requests =
        periods.map(|period| IndicatorRequest::new(stock.clone(), "SMA").with("timeperiod", period));
    let mut all = Vec::new();
    // Bars that are revised each time they are looked at are an error that says so; who asks again gets an answer.
    let results = loop {
        let results: Result<Vec<_>, _> = service.get_many(&requests).await.into_iter().collect();
        match results {
            Err(error) if error.kind() == ErrorKind::Changing => {}
            results => break results.unwrap(),
        }
    };
    for result in results {
        let values = result.values("sma").unwrap();
        assert_eq!(values.len(), DAYS);
        all.extend(values.iter().copied().filter(|value| value.is_finite()));
    }
    assert_eq!(all.len(), 4 * DAYS - 91);
    let first = all[0].round();
    assert!(all.iter().all(|value| (value - first).abs() < 1e-9), "a mixture: {all:?}");
    let alone = loop {
        match service.get(&stock, "EMA", &[], DateRange::ALL).await {
            Err(error) if error.kind() == ErrorKind::Changing => {}
            answer => break answer.unwrap(),
        }
    };
    let last = alone.values("ema").unwrap().last().unwrap().round();
    assert!(last >= first, "an old answer after a newer one");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a revision's number")]
    let revision = first as u64;
    revision
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reader_gets_a_mixture_or_the_old_numbers_after_the_revision() {
    let market = Arc::new(Market::new(1, 80).await);
    revise(&market, 1).await;
    let committed = Arc::new(AtomicU64::new(1));
    let mut readers = JoinSet::new();
    for reading in [Reading::Cheapest, Reading::Cheapest, Reading::Results] {
        let service = process(&market, reading, Duration::ZERO).await;
        let committed = Arc::clone(&committed);
        readers.spawn(async move {
            let mut last = 0;
            while last < REVISIONS {
                let before = committed.load(Ordering::Acquire);
                let revision = read(&service).await;
                assert!(revision >= before, "revision {revision} after {before} was committed");
                assert!(revision >= last, "revision {revision} after {last}");
                last = revision;
            }
            service.ways()
        });
    }
    let writing = spawn({
        let (market, committed) = (Arc::clone(&market), Arc::clone(&committed));
        async move {
            for revision in 2..=REVISIONS {
                revise(&market, revision).await;
                committed.store(revision, Ordering::Release);
                // Some revisions are read more than once.
                tokio::time::sleep(Duration::from_millis(10 + revision % 4 * 10)).await;
            }
        }
    });
    let ways = tokio::time::timeout(Duration::from_secs(120), readers.join_all()).await.expect("they end");
    writing.await.unwrap();
    let near: u64 = ways.iter().map(|ways| ways.result_l1 + ways.bars_l1).sum();
    let shared: u64 = ways.iter().map(|ways| ways.result_l2 + ways.bars_l2).sum();
    assert!(near > 0 && shared > 0, "some were read near and some from the store: {ways:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_versions_are_trusted_a_word_ends_the_trust_everywhere() {
    let market = Market::new(1, 80).await;
    revise(&market, 1).await;
    let trust = Duration::from_secs(600);
    let (here, there) =
        (process(&market, Reading::Cheapest, trust).await, process(&market, Reading::Cheapest, trust).await);
    let stock = Symbol::new("sh.600000").unwrap();
    for revision in 2..=20 {
        assert_eq!([read(&here).await, read(&there).await], [revision - 1; 2]);
        revise(&market, revision).await;
        assert_eq!(read(&here).await, revision - 1, "it is trusted");
        here.revised(&stock).await.unwrap();
        assert_eq!(read(&here).await, revision);
        mystocks_testkit::eventually("the other process hears of it", Duration::from_secs(10), async || {
            read(&there).await == revision
        })
        .await;
    }
}
