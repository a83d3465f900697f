//! A database that is slow, full, gone, or comes back.

use std::time::Duration;

use mystocks_indicators::postgres::PostgresBars;
use mystocks_indicators::{BarSource, Error, ErrorKind};
use mystocks_testkit::FaultProxy;

use crate::rig::{Platform, hasty, pool, soon, symbol};

fn is_worth_another_try(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Source, "{error}");
    assert!(error.is_retryable());
}

async fn stocked() -> Platform {
    let platform = Platform::start().await;
    platform.insert("600519", &[(2, 1.0, None), (3, 2.0, None)]).await;
    platform
}

#[tokio::test]
async fn a_restart_is_survived_by_the_next_call() {
    let mut platform = stocked().await;
    let stock = symbol("600519");
    let version = platform.bars.version(&stock).await.unwrap();
    for killed in [false, true] {
        if killed {
            platform.server.kill().await;
        } else {
            platform.server.stop().await;
        }
        is_worth_another_try(&platform.bars.load(&stock).await.unwrap_err());
        is_worth_another_try(&platform.bars.version(&stock).await.unwrap_err());
        platform.server.restart().await;
        assert_eq!(platform.bars.load(&stock).await.unwrap().version, version);
        assert_eq!(platform.bars.version(&stock).await.unwrap(), version);
    }
}

#[tokio::test]
async fn a_cut_connection_is_replaced() {
    let platform = stocked().await;
    let proxy = FaultProxy::start(platform.server.address()).await;
    let bars = PostgresBars::new(&pool(&platform.server.url_at(proxy.addr())));
    let stock = symbol("600519");
    let version = bars.version(&stock).await.unwrap();
    proxy.cut();
    soon("a new connection", async || bars.version(&stock).await.is_ok()).await;
    assert_eq!(bars.version(&stock).await.unwrap(), version);
    assert!(proxy.connections() >= 2);
    proxy.refuse(true);
    proxy.cut();
    is_worth_another_try(&bars.load(&stock).await.unwrap_err());
    proxy.refuse(false);
    assert_eq!(bars.load(&stock).await.unwrap().version, version);
}

#[tokio::test]
async fn lost_answers_end_at_the_deadline_and_the_connection_with_them() {
    let platform = stocked().await;
    let proxy = FaultProxy::start(platform.server.address()).await;
    let bars = PostgresBars::new(&hasty(&platform.server.url_at(proxy.addr()), 1));
    let stock = symbol("600519");
    let version = bars.version(&stock).await.unwrap();
    for _ in 0..3 {
        proxy.black_hole();
        let error = bars.load(&stock).await.unwrap_err();
        is_worth_another_try(&error);
        assert!(error.to_string().contains("500ms"), "{error}");
        // The frozen connection, the only one that may be, is not met again.
        assert_eq!(bars.version(&stock).await.unwrap(), version);
    }
    proxy.hang_new(true);
    proxy.black_hole();
    is_worth_another_try(&bars.load(&stock).await.unwrap_err());
    let error = bars.load(&stock).await.unwrap_err();
    is_worth_another_try(&error);
    assert!(error.to_string().contains("no connection in 500ms"), "{error}");
    proxy.heal();
    assert_eq!(bars.version(&stock).await.unwrap(), version);
}

#[tokio::test]
async fn a_locked_table_and_a_pool_in_use_end_at_the_deadline() {
    let platform = stocked().await;
    let bars = PostgresBars::new(&hasty(&platform.server.url(), 2));
    let stock = symbol("600519");
    let version = bars.version(&stock).await.unwrap();
    platform.run("BEGIN; LOCK TABLE daily_kline").await;
    let calls = (0..6).map(|_| bars.version(&stock));
    for outcome in futures::future::join_all(calls).await {
        is_worth_another_try(&outcome.unwrap_err());
    }
    platform.run("ROLLBACK").await;
    assert_eq!(bars.version(&stock).await.unwrap(), version);
}

#[tokio::test]
async fn the_server_ends_what_nobody_waits_for() {
    let platform = stocked().await;
    let pool = hasty(&platform.server.url(), 1);
    // Longer than the statement may take: the server is first.
    let bars = PostgresBars::new(&pool.with_deadline(Duration::from_secs(60)));
    platform.run("BEGIN; LOCK TABLE daily_kline").await;
    let error = bars.version(&symbol("600519")).await.unwrap_err();
    is_worth_another_try(&error);
    assert!(error.to_string().contains("57014"), "{error}");
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_nothing_behind() {
    let platform = stocked().await;
    let bars = PostgresBars::new(&hasty(&platform.server.url(), 1).with_deadline(Duration::from_secs(30)));
    let stock = symbol("600519");
    let version = bars.version(&stock).await.unwrap();
    platform.run("BEGIN; LOCK TABLE daily_kline").await;
    let dropped = tokio::time::timeout(Duration::from_millis(50), bars.version(&stock)).await;
    assert!(dropped.is_err());
    // On the connection of the dropped call this would wait behind it, for the lock that is still held.
    let known = tokio::time::timeout(Duration::from_secs(20), bars.info(&stock)).await;
    assert_eq!(known.unwrap().unwrap(), None);
    platform.run("ROLLBACK").await;
    assert_eq!(bars.version(&stock).await.unwrap(), version);
}

#[tokio::test]
async fn a_column_that_changes_its_type_under_a_prepared_statement_is_read_on() {
    let platform = stocked().await;
    let stock = symbol("600519");
    let version = platform.bars.version(&stock).await.unwrap();
    platform
        .run(
            "ALTER TABLE daily_kline ALTER close TYPE float8; ALTER TABLE daily_kline ALTER symbol TYPE text; \
             ALTER TABLE daily_kline ALTER volume TYPE numeric",
        )
        .await;
    let loaded = platform.bars.load(&stock).await.unwrap();
    assert_eq!((loaded.bars.close(), loaded.bars.volume()), (&[1.0, 2.0][..], &[100.0, 100.0][..]));
    // The rewritten rows have another writer.
    assert_ne!(loaded.version, version);
    assert_eq!(platform.bars.version(&stock).await.unwrap(), loaded.version);
}
