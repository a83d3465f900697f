//! Every bar source against the conformance suite of the seam.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use mystocks_indicators::conformance::Rig;
use mystocks_indicators::{BarSource, CsvBars, MemoryBars, Symbol};
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
    mystocks_indicators::bar_source_conformance!(super::MemoryRig(super::MemoryBars::new()));
}

mod csv {
    mystocks_indicators::bar_source_conformance!(super::CsvRig::new());
}
