//! A history that is revised while it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mystocks_indicators::{BarSource, LoadedBars, SeriesVersion};
use tokio::task::JoinSet;

use crate::rig::{Platform, client, symbol};

const READERS: usize = 4;
const REVISIONS: i32 = 300;

/// All rows of a state have one close, the number of the revision: what a reader gets is one state, or it is a mixture.
fn revision(loaded: &LoadedBars) -> f64 {
    let closes = loaded.bars.close();
    assert_eq!(closes.len(), 250);
    assert!(closes.iter().all(|close| *close == closes[0]), "a mixture of two revisions");
    closes[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_load_is_one_state_with_the_version_of_that_state() {
    let platform = Platform::start().await;
    platform
        .run(
            "INSERT INTO daily_kline (symbol, trade_date, open, high, low, close, volume, updated_at) \
             SELECT '600519', date '2023-01-01' + day, 1, 10000, 0.5, 1, 100, clock_timestamp() FROM generate_series(1, 250) AS day",
        )
        .await;
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (bars, done) = (platform.bars.clone(), Arc::clone(&done));
        readers.spawn(async move {
            let stock = symbol("600519");
            let mut seen: Vec<(SeriesVersion, f64)> = Vec::new();
            let mut last = 0.0;
            while !done.load(Ordering::Acquire) {
                let before = bars.version(&stock).await.unwrap();
                let loaded = bars.load_many(std::slice::from_ref(&stock)).await.pop().unwrap().unwrap();
                let after = bars.version(&stock).await.unwrap();
                let revision = revision(&loaded);
                assert!(revision >= last, "an old state after a newer one");
                last = revision;
                if before == after {
                    assert_eq!(loaded.version, before, "no state but this one was there");
                }
                seen.push((loaded.version, revision));
            }
            seen
        });
    }
    let writer = client(&platform.server).await;
    // Every other revision leaves the times as they were.
    let update = writer
        .prepare(
            "UPDATE daily_kline SET close = $1::int4, \
             updated_at = CASE WHEN $1::int4 % 2 = 0 THEN clock_timestamp() ELSE updated_at END WHERE symbol = '600519'",
        )
        .await
        .unwrap();
    for revision in 2..=REVISIONS {
        assert_eq!(writer.execute(&update, &[&revision]).await.unwrap(), 250);
    }
    done.store(true, Ordering::Release);

    let mut seen: Vec<(SeriesVersion, f64)> = readers.join_all().await.into_iter().flatten().collect();
    seen.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    seen.dedup();
    let states = seen.len();
    assert!(states > 10, "the readers saw {states} states");
    seen.dedup_by(|a, b| a.0 == b.0);
    assert_eq!(seen.len(), states, "one version of two states");
    seen.sort_by(|a, b| a.1.total_cmp(&b.1));
    seen.dedup_by(|a, b| a.1 == b.1);
    assert_eq!(seen.len(), states, "two versions of one state");
}

#[tokio::test]
async fn what_is_committed_late_is_seen_though_its_time_is_old() {
    let platform = Platform::start().await;
    let stock = symbol("600519");
    platform.insert("600519", &[(2, 1.0, None), (3, 2.0, None)]).await;
    let late = client(&platform.server).await;
    late.batch_execute(
        "BEGIN; UPDATE daily_kline SET close = 7, updated_at = now() WHERE trade_date = '2024-01-02'",
    )
    .await
    .unwrap();
    platform
        .run("UPDATE daily_kline SET close = 8, updated_at = now() WHERE trade_date = '2024-01-03'")
        .await;
    for bars in [platform.bars.clone(), platform.bars.clone().of_view()] {
        let seen = bars.load(&stock).await.unwrap();
        assert_eq!(seen.bars.close(), [1.0, 8.0], "what is not committed is not seen");
    }
    let seen = [platform.bars.clone(), platform.bars.clone().of_view()];
    let before = [seen[0].version(&stock).await.unwrap(), seen[1].version(&stock).await.unwrap()];
    late.batch_execute("COMMIT").await.unwrap();
    for (bars, before) in seen.iter().zip(before) {
        let loaded = bars.load(&stock).await.unwrap();
        assert_eq!(loaded.bars.close(), [7.0, 8.0]);
        assert_ne!(loaded.version, before);
        assert_eq!(bars.version(&stock).await.unwrap(), loaded.version);
    }
}
