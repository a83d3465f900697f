//! What the settings say, and what they never say.

use std::error::Error as _;

use mystocks_indicators::postgres::{PostgresBars, PostgresPool, PostgresResults, PostgresSettings};
use mystocks_indicators::{BarSource, Error, ErrorKind, Results};

use crate::rig::{Platform, platform, pool, soon, symbol};

fn refused(url: &str) -> Error {
    PostgresPool::new(PostgresSettings::new(url)).unwrap_err()
}

fn says(error: &Error, secret: &str) -> bool {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(" {error} {error:?}");
        cause = error.source();
    }
    text.contains(secret)
}

#[test]
fn a_url_that_cannot_be_right_is_refused_and_not_repeated() {
    for url in [
        "postgresql://me:hunter2@host:port/db",
        "postgresql://me:hunter2#x@[::1/db",
        "me:hunter2 at home",
        "postgresql://me:hunter2@/db",
        "host=localhost password=hunter2 nonsense=hunter2",
        "postgresql://me:hunter2@localhost/db?sslmode=require",
    ] {
        let error = refused(url);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{url}: {error}");
        assert!(!error.is_retryable());
        assert!(!says(&error, "hunter2"), "{error}");
        assert!(!format!("{:?}", PostgresSettings::new(url)).contains("hunter2"));
    }
    let error = refused("postgresql://me:hunter2@localhost/db?sslmode=require").to_string();
    assert!(error.contains("PostgresPool::of") && error.contains("localhost"), "{error}");
    let url = "postgresql://me:hunter2@localhost:5433/db";
    for settings in [
        PostgresSettings { max_connections: 0, ..PostgresSettings::new(url) },
        PostgresSettings { deadline: std::time::Duration::ZERO, ..PostgresSettings::new(url) },
    ] {
        assert_eq!(PostgresPool::new(settings).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    let shown = format!("{:?}", pool(url));
    assert!(shown.contains("localhost:5433/db") && !shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn a_password_lets_in_and_is_in_no_error() {
    let server = platform().password("hunter2").start().await;
    let platform = Platform::of(server).await;
    platform.insert("600519", &[(2, 1.0, None)]).await;
    assert_eq!(platform.bars.load(&symbol("600519")).await.unwrap().bars.close(), [1.0]);
    let wrong = platform.server.url().replace("hunter2", "swordfish9");
    let bars = PostgresBars::new(&pool(&wrong));
    let error = bars.version(&symbol("600519")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("28P01"), "{error}");
    assert!(!says(&error, "swordfish9") && !format!("{bars:?}").contains("swordfish9"), "{error:?}");
}

#[tokio::test]
async fn a_missing_table_and_a_missing_database_are_said_so() {
    let platform = Platform::start().await;
    let elsewhere = platform.server.url().replace("/postgres", "/nowhere");
    // The name of the user stays, the path is another.
    let elsewhere = elsewhere.replace("//nowhere", "//postgres");
    let error = PostgresBars::new(&pool(&elsewhere)).symbols().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("nowhere"), "{error}");
    platform.run("DROP TABLE indicator_data; ALTER TABLE daily_kline DROP adj_factor").await;
    let error = platform.bars.load(&symbol("600519")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    assert!(error.to_string().contains("adj_factor"), "{error}");
    let results = PostgresResults::new(&pool(&platform.server.url()));
    let codes = ["SMA".into()];
    let error = results.recorded(&[symbol("600519")], &codes, &[crate::rig::day(2)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    assert!(error.to_string().contains("indicator_data"), "{error}");
}

#[tokio::test]
async fn a_given_pool_is_used_as_it_is() {
    use mystocks_indicators::postgres::deadpool_postgres::{Manager, Pool};

    let platform = Platform::start().await;
    platform.insert("600519", &[(2, 1.0, None)]).await;
    let config = platform.server.url().parse().unwrap();
    let given = Pool::builder(Manager::new(config, tokio_postgres::NoTls)).max_size(1).build().unwrap();
    let bars = PostgresBars::new(&PostgresPool::of(given.clone()));
    assert_eq!(bars.load(&symbol("600519")).await.unwrap().bars.close(), [1.0]);
    assert_eq!(given.status().size, 1);
}

#[tokio::test]
async fn after_the_shutdown_calls_fail_at_once() {
    let platform = Platform::start().await;
    let pool = pool(&platform.server.url());
    let bars = PostgresBars::new(&pool);
    assert_eq!(bars.symbols().await.unwrap(), []);
    pool.shutdown();
    let error = bars.symbols().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source, "{error}");
    soon("the connection is closed", async || {
        let left = platform
            .client
            .query_one("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mystocks'", &[])
            .await
            .unwrap();
        left.get::<_, i64>(0) == 0
    })
    .await;
}
