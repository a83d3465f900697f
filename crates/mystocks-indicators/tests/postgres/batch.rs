//! Many symbols in one statement.

use mystocks_indicators::postgres::PostgresBars;
use mystocks_indicators::{BarSource, ErrorKind, Symbol};

use crate::rig::{Platform, platform, pool, symbol};

const FILL: &str = "INSERT INTO daily_kline (symbol, trade_date, open, high, low, close, volume, adj_factor, updated_at) \
     SELECT to_char(stock, 'FM000000'), date '2023-01-01' + day, 10 + stock, 12 + stock, 9 + stock, 10 + stock + day / 1000.0, \
     stock * 1000 + day, 1, now() FROM generate_series(1, 200) AS stock, generate_series(1, 250) AS day";

/// Returns the statements of `application` in the log.
fn statements(platform: &Platform, application: &str) -> Vec<String> {
    let log = platform.server.log();
    let lines = log.lines().filter(|line| line.contains(&format!("[{application}]")));
    let said =
        lines.filter_map(|line| line.split_once("execute ").or_else(|| line.split_once("statement: ")));
    said.map(|(_, statement)| statement.chars().take(60).collect()).collect()
}

#[tokio::test]
async fn two_hundred_symbols_are_one_statement_and_each_has_its_own_bars() {
    let server = platform().config_line("log_statement = 'all'").config_line("log_line_prefix = '[%a] '");
    let platform = Platform::of(server.start().await).await;
    platform.run(FILL).await;
    let bars = PostgresBars::new(&pool(&format!("{}?application_name=counted", platform.server.url())));
    let symbols: Vec<Symbol> = (1..=200).rev().map(|stock| symbol(&format!("{stock:06}"))).collect();

    let loaded = bars.load_many(&symbols).await;
    let seen = statements(&platform, "counted");
    assert!(seen.len() == 1 && seen[0].contains("COPY (SELECT"), "{seen:?}");
    let versions = bars.versions(&symbols).await;
    let seen = statements(&platform, "counted");
    assert!(seen.len() == 2 && seen[1].contains("SELECT symbol"), "{seen:?}");

    for (place, (loaded, version)) in loaded.into_iter().zip(versions).enumerate() {
        let (loaded, stock) = (loaded.unwrap(), f64::from(200 - u8::try_from(place).unwrap()));
        assert_eq!((loaded.bars.len(), loaded.version), (250, version.unwrap()));
        assert_eq!((loaded.report.rows, loaded.report.unordered.count), (250, 0));
        assert_eq!(loaded.bars.open()[0], 10.0 + stock);
        assert_eq!(loaded.bars.close()[249], 10.25 + stock);
        assert_eq!(loaded.bars.volume()[249], stock * 1000.0 + 250.0);
    }
}

#[tokio::test]
async fn a_batch_without_the_database_is_an_error_for_each() {
    let mut platform = Platform::start().await;
    platform.server.stop().await;
    let symbols = ["600519", "000001"].map(symbol);
    let versions = platform.bars.versions(&symbols).await.into_iter().map(|version| version.unwrap_err());
    let loaded = platform.bars.load_many(&symbols).await.into_iter().map(|loaded| loaded.unwrap_err());
    let errors: Vec<_> = versions.chain(loaded).collect();
    assert_eq!(errors.len(), 4);
    for error in errors {
        assert!(error.kind() == ErrorKind::Source && error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn five_thousand_symbols_are_listed_without_reading_their_rows() {
    let platform = Platform::start().await;
    platform
        .run(
            "INSERT INTO daily_kline (symbol, trade_date) SELECT to_char(stock, 'FM000000'), date '2023-01-01' + day \
             FROM generate_series(1, 5000) AS stock, generate_series(1, 5) AS day; ANALYZE daily_kline",
        )
        .await;
    let symbols = platform.bars.symbols().await.unwrap();
    assert_eq!(symbols.len(), 5000);
    assert!(symbols.is_sorted() && symbols[0] == symbol("000001") && symbols[4999] == symbol("005000"));
}
