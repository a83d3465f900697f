//! What every [`BarSource`] must keep, one function per promise; [`results`] has those of [`Results`](crate::Results), [`fixation`] those of
//! [`FixationTarget`](crate::FixationTarget).
//!
//! A source of your own implements [`Rig`] in a test and calls [`bar_source_conformance!`](crate::bar_source_conformance)
//! with an expression that makes a fresh rig (it may await); each promise becomes a test of its own. A source whose versions
//! are digests of the bars calls [`content_version_conformance!`](crate::content_version_conformance) as well.
//!
//! The functions panic where a promise is broken, as tests do.

pub mod fixation;
pub mod results;
pub mod ticks;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::{Date, date};
use mystocks_ta::RawBar;

use crate::error::ErrorKind;
use crate::source::BarSource;
use crate::symbol::Symbol;
use crate::version::SeriesVersion;

/// A source whose content a test can change.
#[async_trait]
pub trait Rig: Send + Sync {
    /// Returns the source under test.
    fn source(&self) -> Arc<dyn BarSource>;

    /// Returns another instance that holds the same bars of `symbol`, as another process would have it.
    async fn another(&self, symbol: &Symbol) -> Arc<dyn BarSource>;

    /// Makes `bars` the bars of `symbol`.
    async fn put(&self, symbol: &Symbol, bars: &[RawBar]);

    /// Takes `symbol` away.
    async fn remove(&self, symbol: &Symbol);
}

/// Makes one `#[tokio::test]` per promise, each with a fresh rig of `$rig`.
#[macro_export]
macro_rules! bar_source_conformance {
    ($rig:expr) => {
        $crate::bar_source_conformance!($rig;
            an_unknown_symbol_is_an_error_that_names_the_nearest,
            a_removed_symbol_is_unknown_and_a_new_one_is_seen_at_once,
            symbols_are_sorted_and_complete,
            a_load_gives_the_bars_and_the_version_of_exactly_these,
            every_revised_value_changes_the_version,
            a_bar_more_or_less_changes_the_version,
            the_same_bars_have_the_same_version_elsewhere,
            many_at_once_are_as_each_by_itself,
            two_symbols_do_not_get_mixed_up,
        );
    };
    ($rig:expr; $($promise:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::conformance::$promise(&$rig).await;
            }
        )*
    };
}

/// Makes one `#[tokio::test]` per promise that only a source keeps whose versions are digests of the bars.
#[macro_export]
macro_rules! content_version_conformance {
    ($rig:expr) => {
        $crate::bar_source_conformance!($rig; bars_put_back_have_their_old_version_again);
    };
}

/// An unknown symbol is [`ErrorKind::UnknownSymbol`], names itself and what is like it, and is not worth a retry.
pub async fn an_unknown_symbol_is_an_error_that_names_the_nearest(rig: &dyn Rig) {
    rig.put(&symbol("sh.600519"), &bars(3)).await;
    rig.put(&symbol("sz.000001"), &bars(3)).await;
    let (source, asked) = (rig.source(), symbol("600519.SH"));
    let errors = [
        source.version(&asked).await.expect_err("no such symbol"),
        source.load(&asked).await.expect_err("no such symbol"),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::UnknownSymbol, "{error}");
        assert_eq!(error.subject(), "600519.SH");
        let text = error.to_string();
        assert!(text.contains("600519.SH") && text.contains("sh.600519"), "{text}");
        assert!(!text.contains("sz.000001"), "{text}");
        assert!(!error.is_retryable());
    }
}

/// What is taken away is unknown at once, what comes is known at once.
pub async fn a_removed_symbol_is_unknown_and_a_new_one_is_seen_at_once(rig: &dyn Rig) {
    let (source, stock) = (rig.source(), symbol("AAPL"));
    assert!(source.version(&stock).await.is_err());
    rig.put(&stock, &bars(3)).await;
    let first = source.load(&stock).await.expect("it is there");
    assert_eq!(first.version, version(&*source, &stock).await);
    rig.remove(&stock).await;
    for error in [
        source.version(&stock).await.expect_err("it was removed"),
        source.load(&stock).await.expect_err("it was removed"),
    ] {
        assert_eq!(error.kind(), ErrorKind::UnknownSymbol);
    }
    assert_eq!(source.symbols().await.expect("symbols"), []);
    rig.put(&stock, &bars(4)).await;
    let again = source.load(&stock).await.expect("it is there again");
    assert_eq!(again.bars.len(), 4);
    assert_eq!(again.version, version(&*source, &stock).await);
    assert_ne!(again.version, first.version);
}

/// All symbols are listed, in ascending order.
pub async fn symbols_are_sorted_and_complete(rig: &dyn Rig) {
    let source = rig.source();
    assert_eq!(source.symbols().await.expect("symbols"), []);
    for name in ["MSFT", "sz.000001", "600519.SH", "AAPL", "600519"] {
        rig.put(&symbol(name), &bars(2)).await;
    }
    let expected = ["600519", "600519.SH", "AAPL", "MSFT", "sz.000001"].map(symbol);
    assert_eq!(source.symbols().await.expect("symbols"), expected);
}

/// A load gives the cleaned bars, bit for bit, and the version of these.
pub async fn a_load_gives_the_bars_and_the_version_of_exactly_these(rig: &dyn Rig) {
    let (source, stock, given) = (rig.source(), symbol("AAPL"), bars(5));
    rig.put(&stock, &given).await;
    let loaded = source.load(&stock).await.expect("it is there");
    assert_eq!(loaded.version, version(&*source, &stock).await);
    let dates: Vec<Date> = given.iter().map(|bar| bar.date).collect();
    assert_eq!(loaded.bars.dates(), dates);
    let column = |pick: fn(&RawBar) -> f64| given.iter().map(pick).collect::<Vec<f64>>();
    assert_eq!(loaded.bars.open(), column(|bar| bar.open));
    assert_eq!(loaded.bars.high(), column(|bar| bar.high));
    assert_eq!(loaded.bars.low(), column(|bar| bar.low));
    assert_eq!(loaded.bars.close(), column(|bar| bar.close));
    assert_eq!(loaded.bars.volume(), column(|bar| bar.volume.unwrap_or_default()));
    assert_eq!((loaded.report.rows, loaded.report.bars), (5, 5));

    let mut revised = given;
    revised[2].close += 0.25;
    rig.put(&stock, &revised).await;
    let loaded = source.load(&stock).await.expect("it is there");
    assert_eq!(loaded.version, version(&*source, &stock).await);
    assert_eq!(loaded.bars.close()[2], revised[2].close);
}

/// Whatever single value of whatever single bar is revised, the version is another, and each time another one.
pub async fn every_revised_value_changes_the_version(rig: &dyn Rig) {
    let (source, stock, given) = (rig.source(), symbol("AAPL"), bars(4));
    rig.put(&stock, &given).await;
    let mut seen = vec![version(&*source, &stock).await];
    let revisions: [fn(&mut RawBar); 6] = [
        |bar| bar.open += 0.25,
        |bar| bar.high += 0.25,
        |bar| bar.low -= 0.25,
        |bar| bar.close += 0.25,
        |bar| bar.volume = Some(777.0),
        |bar| bar.date = bar.date.tomorrow().expect("not the last day of time"),
    ];
    for place in 0..given.len() {
        for revise in revisions {
            let mut revised = given.clone();
            revise(&mut revised[place]);
            rig.put(&stock, &revised).await;
            let version = version(&*source, &stock).await;
            assert!(!seen.contains(&version), "bar {place}: an old version");
            seen.push(version);
        }
    }
}

/// A bar more, at either end, and a bar less, anywhere, give another version.
pub async fn a_bar_more_or_less_changes_the_version(rig: &dyn Rig) {
    let (source, stock, given) = (rig.source(), symbol("AAPL"), bars(6));
    let mut seen: Vec<SeriesVersion> = Vec::new();
    let mut variants = vec![given[1..5].to_vec(), given[1..].to_vec(), given[..5].to_vec()];
    for place in 1..4 {
        let mut fewer = given[1..5].to_vec();
        fewer.remove(place);
        variants.push(fewer);
    }
    for bars in variants {
        rig.put(&stock, &bars).await;
        let version = version(&*source, &stock).await;
        assert!(!seen.contains(&version), "{} bars: an old version", bars.len());
        seen.push(version);
    }
}

/// While nothing is written the version stays the same: asked again, and read by another instance, which says of itself that it has the same bars.
pub async fn the_same_bars_have_the_same_version_elsewhere(rig: &dyn Rig) {
    let (source, stock) = (rig.source(), symbol("AAPL"));
    rig.put(&stock, &bars(40)).await;
    let first = version(&*source, &stock).await;
    assert_eq!(version(&*source, &stock).await, first);
    let another = rig.another(&stock).await;
    assert_eq!(version(&*another, &stock).await, first);
    assert_eq!(another.load(&stock).await.expect("it is there").version, first);
    assert_eq!(another.fingerprint(), source.fingerprint());
}

/// Bars that are put back, after a change or after all were taken away, have the version they had.
pub async fn bars_put_back_have_their_old_version_again(rig: &dyn Rig) {
    let (source, stock, given) = (rig.source(), symbol("AAPL"), bars(40));
    rig.put(&stock, &given).await;
    let first = version(&*source, &stock).await;
    rig.put(&stock, &given[1..]).await;
    assert_ne!(version(&*source, &stock).await, first);
    rig.put(&stock, &given).await;
    assert_eq!(version(&*source, &stock).await, first);
    rig.remove(&stock).await;
    rig.put(&stock, &given).await;
    assert_eq!(version(&*source, &stock).await, first);
}

/// Asked for many, it answers for each as for one, in the order asked: with unknown ones among them, some twice, or none.
pub async fn many_at_once_are_as_each_by_itself(rig: &dyn Rig) {
    let source = rig.source();
    assert!(source.versions(&[]).await.is_empty());
    assert!(source.load_many(&[]).await.is_empty());
    for (more, name) in ["sh.600519", "AAPL", "600519"].into_iter().enumerate() {
        rig.put(&symbol(name), &bars(3 + more)).await;
    }
    let asked = ["AAPL", "600518", "sh.600519", "AAPL", "nowhere-to-be-found", "600519"].map(symbol);
    let (versions, loaded) = (source.versions(&asked).await, source.load_many(&asked).await);
    assert_eq!((versions.len(), loaded.len()), (asked.len(), asked.len()));
    for ((symbol, version), loaded) in asked.iter().zip(&versions).zip(&loaded) {
        match (source.load(symbol).await, version, loaded) {
            (Ok(expected), Ok(version), Ok(loaded)) => {
                assert_eq!(*version, expected.version, "{symbol}");
                assert_eq!(loaded.version, expected.version, "{symbol}");
                assert_eq!(loaded.bars, expected.bars, "{symbol}");
                assert_eq!(loaded.report, expected.report, "{symbol}");
            }
            (Err(expected), Err(version), Err(loaded)) => {
                assert_eq!(expected.kind(), ErrorKind::UnknownSymbol, "{expected}");
                for error in [version, loaded] {
                    assert_eq!(error.to_string(), expected.to_string());
                    assert_eq!((error.kind(), error.subject()), (expected.kind(), expected.subject()));
                }
            }
            other => panic!("{symbol}: one by one and at once differ: {other:?}"),
        }
    }
    assert_eq!(loaded.iter().filter(|loaded| loaded.is_ok()).count(), 4);
}

/// Each symbol has its own bars, however alike their names.
pub async fn two_symbols_do_not_get_mixed_up(rig: &dyn Rig) {
    let source = rig.source();
    let names = ["600519.SH", "sh.600519", "600519", "600519.SZ"];
    for (more, name) in names.into_iter().enumerate() {
        rig.put(&symbol(name), &bars(3 + more)).await;
    }
    let mut seen = Vec::new();
    for (more, name) in names.into_iter().enumerate() {
        let loaded = source.load(&symbol(name)).await.expect("it is there");
        assert_eq!(loaded.bars.len(), 3 + more, "{name}");
        assert!(!seen.contains(&loaded.version));
        seen.push(loaded.version);
    }
}

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).expect("a valid symbol")
}

async fn version(source: &dyn BarSource, symbol: &Symbol) -> SeriesVersion {
    source.version(symbol).await.expect("the symbol is there")
}

/// Bars two days apart whose every value can be revised by a quarter without becoming invalid; exact in decimal text, the
/// volumes whole.
fn bars(count: usize) -> Vec<RawBar> {
    let mut date = date(2024, 1, 2);
    let mut price = 10.0;
    (0..count)
        .map(|_| {
            let bar = RawBar {
                date,
                open: price,
                high: price + 2.0,
                low: price - 2.0,
                close: price + 1.0,
                volume: Some(1000.0 + 2.0 * price),
            };
            date = date.checked_add(jiff::Span::new().days(2)).expect("in the calendar");
            price += 0.5;
            bar
        })
        .collect()
}
