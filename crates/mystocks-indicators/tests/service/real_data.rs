//! Real bars: the sample of this repository, and the larger collection beside it when it is there.

use std::path::{Path, PathBuf};

use crate::rig::bits;
use jiff::civil::{Date, date};
use mystocks_cache::{MemoryStore, Tier};
use mystocks_indicators::{BarSource, CsvBars, IndicatorRequest, IndicatorService, Symbol};
use mystocks_ta::{CleaningReport, registry};

fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Computes every indicator, reads all again from the store, and returns how many symbols there were.
async fn everything(folder: &Path) -> usize {
    let bars = CsvBars::open(folder).unwrap();
    let store = MemoryStore::new();
    let service = IndicatorService::builder(bars.clone()).store(store.clone()).build().unwrap();
    let symbols = service.symbols().await.unwrap();
    // Of many symbols each has some of the indicators, and all together have all.
    let share = symbols.len().div_ceil(4);
    let all = symbols.iter().enumerate().flat_map(|(at, symbol)| {
        let some = registry().iter().skip(at % share).step_by(share);
        some.map(|indicator| IndicatorRequest::new(symbol.clone(), indicator.abbreviation))
    });
    let requests: Vec<IndicatorRequest> = all.collect();
    let computed = service.get_many(&requests).await;
    let elsewhere = IndicatorService::builder(CsvBars::open(folder).unwrap()).store(store).build().unwrap();
    let found = elsewhere.get_many(&requests).await;
    for ((request, computed), found) in requests.iter().zip(computed).zip(found) {
        let (computed, found) = (computed.unwrap(), found.unwrap());
        assert_eq!((computed.tier(), found.tier()), (Tier::L3, Tier::L2));
        let loaded = bars.load(&request.symbol).await.unwrap();
        let direct = computed.indicator().compute(&loaded.bars, &computed.parameters()).unwrap();
        assert_eq!(found.dates(), loaded.bars.dates());
        for series in direct.series {
            for result in [&computed, &found] {
                assert_eq!(
                    bits(result.values(series.name).unwrap()),
                    bits(&series.values),
                    "{} {}",
                    request.symbol,
                    result.label()
                );
            }
        }
    }
    assert_eq!(elsewhere.stats().loads, 0);
    symbols.len()
}

#[tokio::test]
async fn the_sample_runs_through_all_tiers() {
    assert!(everything(&beside("data/sample")).await >= 5);
}

#[tokio::test]
async fn the_larger_collection_runs_through_all_tiers_and_its_quirks_are_counted() {
    let folder = beside("../shared/data/bars");
    if !folder.is_dir() {
        // The sample above has carried every promise; this only adds more of the same.
        return;
    }
    assert_eq!(everything(&folder).await, 36);
    assert_eq!(everything(&folder.join("us")).await, 5);
    let bars = CsvBars::open(&folder).unwrap();
    let report = async |symbol: &str| -> CleaningReport {
        bars.load(&Symbol::new(symbol).unwrap()).await.unwrap().report
    };
    assert_eq!(longest_suspension(&bars, "sh.600705").await, (1302, date(2007, 4, 27)));
    assert_eq!(
        report("sh.600340").await.blank_volume_suspended.count
            + report("sh.600340").await.blank_volume_traded.count,
        5
    );
    assert_eq!(report("sz.399106").await.repaired_range.count, 5);
    assert_eq!(report("sh.600760").await.one_price.count, 41);
    assert_eq!((report("sh.601995").await.bars, report("sh.688126").await.bars), (226, 355));
    for symbol in bars.symbols().await.unwrap() {
        let report = report(symbol.as_str()).await;
        assert_eq!(report.rows, report.bars, "{symbol}: no row is lost");
    }
}

/// Returns how many bars the longest suspension has, and its first day; kept, as the default policy says.
async fn longest_suspension(bars: &CsvBars, symbol: &str) -> (usize, Date) {
    let bars = bars.load(&Symbol::new(symbol).unwrap()).await.unwrap().bars;
    let suspended: Vec<bool> =
        (0..bars.len()).map(|i| bars.high()[i] <= bars.low()[i] && bars.volume()[i] <= 0.0).collect();
    let runs = suspended.chunk_by(|a, b| a == b).scan(0, |start, run| {
        let first = *start;
        *start += run.len();
        Some((if run[0] { run.len() } else { 0 }, bars.dates()[first]))
    });
    runs.max().unwrap()
}
