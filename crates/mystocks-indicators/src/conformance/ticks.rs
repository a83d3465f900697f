//! What every [`TickSource`] must keep, one function per promise.
//!
//! A source of your own implements [`TickRig`] in a test and calls [`tick_source_conformance!`](crate::tick_source_conformance)
//! with an expression that makes a fresh rig (it may await).

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::ErrorKind;
use crate::symbol::Symbol;
use crate::ticks::{Side, Tick, TickRange, TickSource};

/// A source whose ticks a test can set.
#[async_trait]
pub trait TickRig: Send + Sync {
    /// Returns the source under test.
    fn source(&self) -> Arc<dyn TickSource>;

    /// Adds ticks of `symbol`.
    async fn add(&self, symbol: &Symbol, ticks: &[Tick]);
}

/// Makes one `#[tokio::test]` per promise of [`TickSource`](crate::TickSource), each with a fresh rig of `$rig`.
#[macro_export]
macro_rules! tick_source_conformance {
    ($rig:expr) => {
        $crate::tick_source_conformance!($rig;
            ticks_come_in_the_order_of_time,
            a_range_holds_its_beginning_and_not_its_end,
            pages_leave_nothing_out_and_give_nothing_twice,
            a_moment_is_never_torn,
            the_latest_is_the_last,
            who_has_no_ticks_is_no_error,
        );
    };
    ($rig:expr; $($promise:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::conformance::ticks::$promise(&$rig).await;
            }
        )*
    };
}

/// Whatever the order in which they were added, and only those of the symbol; every column is as it was.
pub async fn ticks_come_in_the_order_of_time(rig: &dyn TickRig) {
    let (source, stock) = (rig.source(), symbol("600519.SH"));
    rig.add(&stock, &[tick(5), tick(1)]).await;
    rig.add(&symbol("000001.SZ"), &[tick(2)]).await;
    rig.add(&stock, &[tick(3)]).await;
    let found = source.ticks(&stock, TickRange::ALL, 10).await.expect("ticks");
    assert_eq!(found.iter().collect::<Vec<_>>(), [tick(1), tick(3), tick(5)]);
    assert_eq!((found.len(), found.is_empty(), found.next), (3, false, None));
    assert_eq!(found.at, [at(1), at(3), at(5)].map(Timestamp::as_microsecond));
    assert_eq!(found.side, [Side::Sell, Side::Neutral, Side::Neutral]);
    assert_eq!(source.symbols().await.expect("symbols"), [symbol("000001.SZ"), stock]);
}

/// `from` is in the range, `until` is not; an empty or reversed range has none.
pub async fn a_range_holds_its_beginning_and_not_its_end(rig: &dyn TickRig) {
    let (source, stock) = (rig.source(), symbol("600519.SH"));
    rig.add(&stock, &(0..10).map(tick).collect::<Vec<_>>()).await;
    for (from, until, expected) in [(2, 5, 2..5), (0, 10, 0..10), (9, 20, 9..10), (4, 4, 0..0), (5, 2, 0..0)]
    {
        let range = TickRange { from: at(from), until: at(until) };
        let found = source.ticks(&stock, range, 100).await.expect("ticks");
        assert_eq!(
            found.iter().collect::<Vec<_>>(),
            expected.map(tick).collect::<Vec<_>>(),
            "{from} {until}"
        );
    }
    let found = source.ticks(&stock, TickRange::since(at(8)), 100).await.expect("ticks");
    assert_eq!(found.len(), 2);
    // Between two microseconds.
    let between = Timestamp::from_nanosecond(at(3).as_nanosecond() + 1).expect("a time");
    let found = source.ticks(&stock, TickRange { from: between, until: at(5) }, 100).await.expect("ticks");
    assert_eq!(found.iter().collect::<Vec<_>>(), [tick(4)]);
    let found = source.ticks(&stock, TickRange { from: at(3), until: between }, 100).await.expect("ticks");
    assert_eq!(found.iter().collect::<Vec<_>>(), [tick(3)]);
}

/// Page by page all ticks come once, whatever the size of a page.
pub async fn pages_leave_nothing_out_and_give_nothing_twice(rig: &dyn TickRig) {
    let (source, stock) = (rig.source(), symbol("600519.SH"));
    let all: Vec<Tick> = (0..50).map(tick).collect();
    rig.add(&stock, &all).await;
    for limit in [1, 7, 10, 49, 50, 51, usize::MAX] {
        let (mut from, mut found) = (Some(at(0)), Vec::new());
        while let Some(next) = from {
            let page = source.ticks(&stock, TickRange::since(next), limit).await.expect("ticks");
            assert!(page.len() <= limit && !page.is_empty(), "{limit}");
            found.extend(page.iter());
            from = page.next;
        }
        assert_eq!(found, all, "{limit}");
    }
    let error = source.ticks(&stock, TickRange::ALL, 0).await.expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

/// Ticks of one moment stand on one page; a moment that no page has room for is told.
pub async fn a_moment_is_never_torn(rig: &dyn TickRig) {
    let (source, stock) = (rig.source(), symbol("600519.SH"));
    let of = |number, price| Tick { price, ..tick(number) };
    let all = [of(0, 1.0), of(1, 2.0), of(1, 3.0), of(1, 4.0), of(2, 5.0)];
    rig.add(&stock, &all).await;
    let mut pages = Vec::new();
    let mut from = Some(at(0));
    while let Some(next) = from {
        let page = source.ticks(&stock, TickRange::since(next), 3).await.expect("ticks");
        pages.push(page.price.clone());
        from = page.next;
    }
    assert_eq!(pages, [vec![1.0], vec![2.0, 3.0, 4.0], vec![5.0]]);
    let error = source.ticks(&stock, TickRange::since(at(1)), 2).await.expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("600519.SH"), "{error}");
}

/// The last by time, whatever was added last.
pub async fn the_latest_is_the_last(rig: &dyn TickRig) {
    let (source, stock) = (rig.source(), symbol("600519.SH"));
    rig.add(&stock, &[tick(5)]).await;
    rig.add(&stock, &[tick(2)]).await;
    assert_eq!(source.latest(&stock).await.expect("read"), Some(tick(5)));
    rig.add(&stock, &[tick(9)]).await;
    assert_eq!(source.latest(&stock).await.expect("read"), Some(tick(9)));
}

/// A symbol that nobody knows has no ticks, no latest, and is not listed.
pub async fn who_has_no_ticks_is_no_error(rig: &dyn TickRig) {
    let (source, stock) = (rig.source(), symbol("600519.SH"));
    assert_eq!(source.symbols().await.expect("symbols"), []);
    assert!(source.ticks(&stock, TickRange::ALL, 10).await.expect("none").is_empty());
    assert_eq!(source.latest(&stock).await.expect("none"), None);
}

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).expect("a valid symbol")
}

fn at(number: i64) -> Timestamp {
    Timestamp::from_microsecond(1_735_800_000_000_001 + number).expect("a time")
}

fn tick(number: i64) -> Tick {
    let side = match number {
        0 => Side::Buy,
        1 => Side::Sell,
        _ => Side::Neutral,
    };
    let price = 10.0 + number as f64;
    Tick { at: at(number), price, volume: 100.0, amount: price * 100.0, side }
}
