//! What stands in the tables besides tidy rows.

use mystocks_indicators::postgres::SymbolInfo;
use mystocks_indicators::{BarSource, ErrorKind, SeriesVersion};

use crate::rig::{Platform, day, symbol};

#[tokio::test]
async fn missing_columns_are_left_to_the_cleaning() {
    let platform = Platform::start().await;
    platform
        .run(
            "INSERT INTO daily_kline (symbol, trade_date, open, high, low, close, volume) VALUES \
             ('600519', '2024-01-02', 10.5, 11.25, 9.75, 11, 1000), \
             ('600519', '2024-01-03', NULL, 11, 9, 10, 1000), \
             ('600519', '2024-01-04', 10, 11, 9, 10, NULL), \
             ('600519', '2024-01-05', 'NaN', 11, 9, 10, 1000), \
             ('600519', '2024-01-08', -1, 11, 9, 10, 1000), \
             ('600519', '2024-01-09', 10, 11, 9, 10, 9223372036854775807)",
        )
        .await;
    let loaded = platform.bars.load(&symbol("600519")).await.unwrap();
    assert_eq!(loaded.bars.dates(), [2, 4, 9].map(day));
    assert_eq!(loaded.bars.open(), [10.5, 10.0, 10.0]);
    assert_eq!(loaded.bars.high(), [11.25, 11.0, 11.0]);
    assert_eq!(loaded.bars.low(), [9.75, 9.0, 9.0]);
    assert_eq!(loaded.bars.close(), [11.0, 10.0, 10.0]);
    assert_eq!(loaded.bars.volume(), [1000.0, 0.0, 0.0]);
    assert_eq!((loaded.report.rows, loaded.report.bars, loaded.report.unusable_price.count), (6, 3, 3));
    assert_eq!(loaded.version, platform.bars.version(&symbol("600519")).await.unwrap());
}

#[tokio::test]
async fn times_that_are_missing_infinite_or_far_away_have_versions_too() {
    let platform = Platform::start().await;
    let stock = symbol("600519");
    platform.insert("600519", &[(2, 1.0, None), (3, 2.0, None), (4, 3.0, None)]).await;
    let mut seen = Vec::new();
    for change in [
        "updated_at = NULL, created_at = NULL",
        "created_at = '2024-01-02 03:04:05.678901'",
        "updated_at = '1969-12-31 23:59:59.999999'",
        "updated_at = 'infinity' WHERE trade_date = '2024-01-03'",
        "updated_at = '0001-01-01' WHERE trade_date = '2024-01-03'",
        "updated_at = '9999-12-31 23:59:59.999999' WHERE trade_date = '2024-01-03'",
        "updated_at = '-infinity'",
        "updated_at = '0001-12-31 23:59:59.999999 BC'",
        "updated_at = '294276-12-31 23:59:59.999999'",
    ] {
        platform.run(&format!("UPDATE daily_kline SET {change}")).await;
        let mut versions = [platform.bars.clone(), platform.bars.clone().of_view()].map(|bars| (bars, None));
        for (bars, version) in &mut versions {
            let loaded = bars.load(&stock).await.unwrap().version;
            assert_eq!(bars.version(&stock).await.unwrap(), loaded, "{change}");
            *version = Some(loaded);
        }
        seen.push(versions.map(|(_, version)| version.unwrap()));
    }
    let count = |versions: &mut Vec<SeriesVersion>| {
        versions.sort();
        versions.dedup();
        versions.len()
    };
    let (mut by_writer, mut by_time): (Vec<_>, Vec<_>) = seen.into_iter().map(|[a, b]| (a, b)).unzip();
    assert_eq!(count(&mut by_writer), 9);
    // The first and the last three have no time that counts.
    assert_eq!(count(&mut by_time), 6);
}

#[tokio::test]
async fn a_change_that_leaves_its_time_as_it_was_shows_by_who_wrote_it() {
    let platform = Platform::start().await;
    let stock = symbol("600519");
    platform.insert("600519", &[(2, 1.0, None), (3, 2.0, None)]).await;
    let (before, by_time) = (platform.bars.clone(), platform.bars.clone().of_view());
    let seen = (before.version(&stock).await.unwrap(), by_time.version(&stock).await.unwrap());
    platform.run("UPDATE daily_kline SET close = 9 WHERE trade_date = '2024-01-02'").await;
    assert_ne!(before.version(&stock).await.unwrap(), seen.0);
    assert_eq!(before.load(&stock).await.unwrap().version, before.version(&stock).await.unwrap());
    assert_eq!(by_time.version(&stock).await.unwrap(), seen.1, "what the documentation says it does not see");
    let seen = before.version(&stock).await.unwrap();
    // Nor does cleaning up change who wrote it.
    platform.run("VACUUM FREEZE daily_kline").await;
    assert_eq!(before.version(&stock).await.unwrap(), seen);
}

#[tokio::test]
async fn a_view_is_read_by_time_alone() {
    let platform = Platform::start().await;
    platform.insert("600519", &[(2, 1.0, None)]).await;
    platform
        .run("ALTER TABLE daily_kline RENAME TO kline; CREATE VIEW daily_kline AS SELECT * FROM kline")
        .await;
    let error = platform.bars.version(&symbol("600519")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    assert!(error.to_string().contains("xmin"), "{error}");
    let bars = platform.bars.clone().of_view();
    let loaded = bars.load(&symbol("600519")).await.unwrap();
    assert_eq!(
        (loaded.bars.close(), loaded.version),
        (&[1.0][..], bars.version(&symbol("600519")).await.unwrap())
    );
}

#[tokio::test]
async fn a_row_without_a_day_is_told_by_its_column() {
    let platform = Platform::start().await;
    platform
        .run("INSERT INTO daily_kline (symbol, open, high, low, close) VALUES ('600519', 1, 1, 1, 1)")
        .await;
    let error = platform.bars.load(&symbol("600519")).await.unwrap_err();
    assert_eq!((error.kind(), error.subject()), (ErrorKind::Malformed, "600519"), "{error}");
    assert!(error.to_string().contains("trade_date"), "{error}");
}

/// A row that nobody can read is a matter of its symbol: those that are asked for with it are served.
#[tokio::test]
async fn a_day_that_cannot_be_read_is_an_error_of_its_symbol_alone() {
    let platform = Platform::start().await;
    let good = [symbol("600519"), symbol("600520")];
    platform.insert("600519", &[(2, 1.0, None)]).await;
    platform.insert("600520", &[(3, 2.0, None)]).await;
    let versions = platform.bars.versions(&good).await;
    let mut asked = good.to_vec();
    let days = ["'infinity'", "'-infinity'", "'10000-01-01'", "'5874897-12-31'", "NULL"];
    for (place, day) in (0..).zip(days) {
        let bad = format!("00000{place}");
        platform.insert(&bad, &[(2, 1.0, None), (4, 1.0, None)]).await;
        platform
            .run(&format!("UPDATE daily_kline SET trade_date = {day} WHERE symbol = '{bad}' AND trade_date = '2024-01-04'"))
            .await;
        asked.insert(place % 2, symbol(&bad));
    }
    for bars in [
        platform.bars.clone(),
        platform.bars.clone().of_view(),
        platform.bars.clone().with_content_versions(),
    ] {
        let loaded = bars.load_many(&asked).await;
        let versions = bars.versions(&asked).await;
        for ((symbol, loaded), version) in asked.iter().zip(loaded).zip(versions) {
            if good.contains(symbol) {
                assert_eq!(version.unwrap(), loaded.unwrap().version, "{symbol}");
                continue;
            }
            for error in [loaded.map(drop).unwrap_err(), version.map(drop).unwrap_err()] {
                assert_eq!(
                    (error.kind(), error.subject()),
                    (ErrorKind::Malformed, symbol.as_str()),
                    "{error}"
                );
                assert!(error.to_string().contains("trade_date"), "{error}");
            }
        }
    }
    let as_before = platform.bars.versions(&good).await;
    assert_eq!(as_before[0].as_ref().unwrap(), versions[0].as_ref().unwrap());
    assert_eq!(as_before[1].as_ref().unwrap(), versions[1].as_ref().unwrap());
}

/// Where volumes are no whole numbers, those that cannot be one are missing.
#[tokio::test]
async fn a_volume_that_is_no_number_is_a_missing_one() {
    let platform = Platform::start().await;
    let stocks = [symbol("600519"), symbol("600520")];
    for kind in ["numeric", "float8"] {
        platform
            .run(&format!("TRUNCATE daily_kline; ALTER TABLE daily_kline ALTER volume TYPE {kind}"))
            .await;
        platform.insert("600519", &[(2, 1.0, None), (3, 1.0, None), (4, 1.0, None), (5, 1.0, None)]).await;
        platform.insert("600520", &[(2, 1.0, None)]).await;
        platform
            .run(
                "UPDATE daily_kline SET volume = CASE trade_date WHEN '2024-01-03' THEN 'NaN' WHEN '2024-01-04' THEN 'Infinity' \
                 ELSE 1e30 END WHERE symbol = '600519' AND trade_date > '2024-01-02'",
            )
            .await;
        let loaded = platform.bars.load_many(&stocks).await;
        let versions = platform.bars.versions(&stocks).await;
        let volumes = [&[100.0, 0.0, 0.0, 0.0][..], &[100.0]];
        for ((loaded, version), volumes) in loaded.into_iter().zip(versions).zip(volumes) {
            let loaded = loaded.unwrap();
            assert_eq!((loaded.bars.volume(), loaded.version), (volumes, version.unwrap()), "{kind}");
        }
    }
}

#[tokio::test]
async fn names_that_are_no_symbols_are_not_seen() {
    let platform = Platform::start().await;
    platform.insert("600519", &[(2, 1.0, None)]).await;
    platform.insert("a b", &[(2, 1.0, None)]).await;
    platform.insert("茅台", &[(2, 1.0, None)]).await;
    platform.insert("", &[(2, 1.0, None)]).await;
    platform.run("INSERT INTO daily_kline (trade_date) VALUES ('2024-01-02')").await;
    assert_eq!(platform.bars.symbols().await.unwrap(), [symbol("600519")]);
}

#[tokio::test]
async fn what_is_known_of_a_symbol_is_read_as_it_stands() {
    let platform = Platform::start().await;
    platform
        .run(
            "INSERT INTO symbols_info VALUES ('600519', '贵州茅台', '白酒', '贵州', '主板', '2001-08-27'), \
             ('000001', NULL, NULL, NULL, NULL, NULL), ('a b', 'no symbol', NULL, NULL, NULL, NULL)",
        )
        .await;
    let moutai = SymbolInfo {
        symbol: symbol("600519"),
        name: Some("贵州茅台".to_owned()),
        industry: Some("白酒".to_owned()),
        area: Some("贵州".to_owned()),
        market: Some("主板".to_owned()),
        list_date: Some(jiff::civil::date(2001, 8, 27)),
    };
    assert_eq!(platform.bars.info(&symbol("600519")).await.unwrap().as_ref(), Some(&moutai));
    assert_eq!(platform.bars.info(&symbol("600518")).await.unwrap(), None);
    let nothing = SymbolInfo {
        symbol: symbol("000001"),
        name: None,
        industry: None,
        area: None,
        market: None,
        list_date: None,
    };
    assert_eq!(platform.bars.infos().await.unwrap(), [nothing.clone(), moutai.clone()]);
    // Other databases have the day as text.
    platform
        .run(
            "ALTER TABLE symbols_info ALTER list_date TYPE text USING to_char(list_date, 'YYYYMMDD'); \
             UPDATE symbols_info SET list_date = 'soon' WHERE symbol = '000001'",
        )
        .await;
    assert_eq!(platform.bars.infos().await.unwrap(), [nothing, moutai]);
}
