//! Adjusted prices, against figures computed by hand.

use mystocks_indicators::BarSource;
use mystocks_indicators::postgres::Adjustment;

use crate::rig::{Platform, day, symbol};

/// A dividend on the 4th (factor 2 → 2.5), a split on the 8th (2.5 → 5); the 3rd and 5th have no factor, the 2nd neither.
async fn platform() -> Platform {
    let platform = Platform::start().await;
    let rows = [
        (8, 6.0, Some(5.0)),
        (2, 10.0, None),
        (3, 20.0, Some(2.0)),
        (4, 16.0, Some(2.5)),
        (5, 17.0, None),
        (9, 6.1, Some(5.0)),
    ];
    platform.insert("600519", &rows).await;
    platform
}

async fn closes(platform: &Platform, adjustment: Adjustment) -> Vec<f64> {
    let bars = platform.bars.clone().with_adjustment(adjustment);
    let loaded = bars.load(&symbol("600519")).await.unwrap();
    assert_eq!(loaded.bars.dates(), [2, 3, 4, 5, 8, 9].map(day));
    assert_eq!(loaded.bars.volume(), [100.0; 6], "volumes stay as they are");
    for column in [loaded.bars.open(), loaded.bars.high(), loaded.bars.low()] {
        assert_eq!(column, loaded.bars.close(), "all four prices have one ratio");
    }
    loaded.bars.close().to_vec()
}

#[tokio::test]
async fn each_way_gives_the_figures_computed_by_hand() {
    let platform = platform().await;
    assert_eq!(closes(&platform, Adjustment::None).await, [10.0, 20.0, 16.0, 17.0, 6.0, 6.1]);
    // By 1, 2, 2.5, 2.5, 5 and 5.
    assert_eq!(closes(&platform, Adjustment::Backward).await, [10.0, 40.0, 40.0, 42.5, 30.0, 30.5]);
    // By 1/5, 2/5, 1/2, 1/2, 1 and 1; the last prices stay as they are.
    assert_eq!(closes(&platform, Adjustment::Forward).await, [2.0, 8.0, 8.0, 8.5, 6.0, 6.1]);
}

#[tokio::test]
async fn a_new_dividend_changes_all_older_prices_and_the_version() {
    let platform = platform().await;
    let forward = platform.bars.clone().with_adjustment(Adjustment::Forward);
    let before = forward.load(&symbol("600519")).await.unwrap();
    platform.run("UPDATE daily_kline SET adj_factor = 10 WHERE trade_date = '2024-01-09'").await;
    let after = forward.load(&symbol("600519")).await.unwrap();
    assert_eq!(after.bars.close(), [1.0, 4.0, 4.0, 4.25, 3.0, 6.1]);
    assert_ne!(before.version, after.version);
    assert_eq!(forward.version(&symbol("600519")).await.unwrap(), after.version);
}

#[tokio::test]
async fn each_way_has_versions_of_its_own() {
    let platform = platform().await;
    let mut seen = Vec::new();
    for adjustment in [Adjustment::None, Adjustment::Forward, Adjustment::Backward] {
        let bars = platform.bars.clone().with_adjustment(adjustment);
        let version = bars.version(&symbol("600519")).await.unwrap();
        assert!(!seen.contains(&version), "{adjustment:?}");
        seen.push(version);
    }
}
