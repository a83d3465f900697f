//! Every bar source and every store of results against the conformance suite of its seam.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;
use mystocks_indicators::conformance::Rig;
use mystocks_indicators::conformance::fixation::FixationRig;
use mystocks_indicators::conformance::results::ResultsRig;
use mystocks_indicators::{
    BarSource, CsvBars, CsvHotRows, Error, FixationTarget, HotRow, LoadedBars, MemoryBars, MemoryHotRows,
    MemoryResults, Results, SeriesVersion, StoredResult, Symbol, bar_source_conformance,
    content_version_conformance, fixation_conformance, results_conformance,
};
use mystocks_ta::RawBar;
use tempfile::TempDir;

struct MemoryRig(MemoryBars);

#[async_trait]
impl Rig for MemoryRig {
    fn source(&self) -> Arc<dyn BarSource> {
        Arc::new(self.0.clone())
    }

    async fn another(&self, symbol: &Symbol) -> Arc<dyn BarSource> {
        // Another process would have received the bars in another order.
        let (other, bars) = (MemoryBars::new(), self.0.load(symbol).await.unwrap().bars);
        let rows = (0..bars.len()).rev().map(|i| RawBar {
            date: bars.dates()[i],
            open: bars.open()[i],
            high: bars.high()[i],
            low: bars.low()[i],
            close: bars.close()[i],
            volume: Some(bars.volume()[i]),
        });
        other.insert(symbol.clone(), rows.collect());
        Arc::new(other)
    }

    async fn put(&self, symbol: &Symbol, bars: &[RawBar]) {
        self.0.insert(symbol.clone(), bars.to_vec());
    }

    async fn remove(&self, symbol: &Symbol) {
        assert!(self.0.remove(symbol));
    }
}

/// Writes in place and always to the same length: the hardest case for whoever trusts lengths and time stamps.
struct CsvRig {
    folder: TempDir,
    source: CsvBars,
}

impl CsvRig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = CsvBars::open(folder.path()).unwrap();
        Self { folder, source }
    }

    fn path(&self, symbol: &Symbol) -> std::path::PathBuf {
        self.folder.path().join(format!("{symbol}.csv"))
    }
}

#[async_trait]
impl Rig for CsvRig {
    fn source(&self) -> Arc<dyn BarSource> {
        Arc::new(self.source.clone())
    }

    async fn another(&self, _: &Symbol) -> Arc<dyn BarSource> {
        Arc::new(CsvBars::open(self.folder.path()).unwrap())
    }

    async fn put(&self, symbol: &Symbol, bars: &[RawBar]) {
        let mut text = "date,open,high,low,close,volume\n".to_owned();
        for bar in bars {
            let volume = bar.volume.unwrap();
            text += &format!(
                "{},{:09.4},{:09.4},{:09.4},{:09.4},{volume:09.4}\n",
                bar.date, bar.open, bar.high, bar.low, bar.close
            );
        }
        fs::write(self.path(symbol), text).unwrap();
    }

    async fn remove(&self, symbol: &Symbol) {
        fs::remove_file(self.path(symbol)).unwrap();
    }
}

mod memory {
    use super::*;

    fn rig() -> MemoryRig {
        MemoryRig(MemoryBars::new())
    }
    bar_source_conformance!(rig());
    content_version_conformance!(rig());
}

mod csv_bars {
    use super::*;

    bar_source_conformance!(CsvRig::new());
    content_version_conformance!(CsvRig::new());
}

/// Leaves `versions` and `load_many` as the seam has them, behind an `Arc` that hands every call on.
mod one_by_one {
    use super::*;

    #[derive(Debug)]
    struct OneByOne(MemoryBars);

    #[async_trait]
    impl BarSource for OneByOne {
        async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
            self.0.symbols().await
        }
        async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error> {
            self.0.version(symbol).await
        }
        async fn load(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
            self.0.load(symbol).await
        }
        fn fingerprint(&self) -> String {
            self.0.fingerprint()
        }
    }

    struct OneByOneRig(MemoryRig);

    #[async_trait]
    impl Rig for OneByOneRig {
        fn source(&self) -> Arc<dyn BarSource> {
            let source: Arc<dyn BarSource> = Arc::new(OneByOne(self.0.0.clone()));
            Arc::new(source)
        }
        async fn another(&self, symbol: &Symbol) -> Arc<dyn BarSource> {
            self.0.another(symbol).await
        }
        async fn put(&self, symbol: &Symbol, bars: &[RawBar]) {
            self.0.put(symbol, bars).await;
        }
        async fn remove(&self, symbol: &Symbol) {
            self.0.remove(symbol).await;
        }
    }

    bar_source_conformance!(OneByOneRig(MemoryRig(MemoryBars::new())));
}

struct MemoryResultsRig(MemoryResults);

#[async_trait]
impl ResultsRig for MemoryResultsRig {
    fn results(&self) -> Arc<dyn Results> {
        let results: Arc<dyn Results> = Arc::new(self.0.clone());
        Arc::new(results)
    }

    async fn stored(&self, symbol: &Symbol, code: &str) -> Vec<(Date, StoredResult)> {
        self.0.series(symbol, code).into_iter().collect()
    }
}

mod memory_results {
    use super::*;

    results_conformance!(MemoryResultsRig(MemoryResults::new()));
}

struct MemoryHotRowsRig(MemoryHotRows);

#[async_trait]
impl FixationRig for MemoryHotRowsRig {
    fn target(&self) -> Arc<dyn FixationTarget> {
        let target: Arc<dyn FixationTarget> = Arc::new(self.0.clone());
        Arc::new(target)
    }

    fn another(&self) -> Arc<dyn FixationTarget> {
        Arc::new(self.0.clone())
    }

    async fn rows(&self) -> Vec<HotRow> {
        self.0.rows()
    }
}

mod memory_hot_rows {
    use super::*;

    fixation_conformance!(MemoryHotRowsRig(MemoryHotRows::new()));
}

/// Reads the files with another CSV reader than the one that is under test.
struct CsvHotRowsRig(TempDir);

#[async_trait]
impl FixationRig for CsvHotRowsRig {
    fn target(&self) -> Arc<dyn FixationTarget> {
        Arc::new(CsvHotRows::open(self.0.path()).unwrap())
    }

    fn another(&self) -> Arc<dyn FixationTarget> {
        self.target()
    }

    async fn rows(&self) -> Vec<HotRow> {
        let mut rows = Vec::new();
        for kind in fs::read_dir(self.0.path()).unwrap().map(|kind| kind.unwrap()) {
            if !kind.file_type().unwrap().is_dir() {
                continue;
            }
            for day in fs::read_dir(kind.path()).unwrap() {
                let mut file = csv::Reader::from_path(day.unwrap().path()).unwrap();
                for row in file.deserialize::<(String, String, String, String)>() {
                    let (at, key, _, fields) = row.unwrap();
                    let fields = HotRow::fields_of(&fields).unwrap();
                    let kind = kind.file_name().into_string().unwrap();
                    rows.push(HotRow { kind, key, at: at.parse().unwrap(), fields });
                }
            }
        }
        rows
    }
}

mod csv_hot_rows {
    use super::*;

    fixation_conformance!(CsvHotRowsRig(tempfile::tempdir().unwrap()));
}
