//! What every [`Results`] must keep, one function per promise.
//!
//! A store of your own implements [`ResultsRig`] in a test and calls [`results_conformance!`](crate::results_conformance)
//! with an expression that makes a rig over an empty store (it may await).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use mystocks_cache::Json;

use crate::error::ErrorKind;
use crate::memory_results::StoredResult;
use crate::results::{ResultRow, Results};
use crate::symbol::Symbol;
use crate::task_record::{TaskRecord, TaskStatus};

/// A store of results that a test can look into.
#[async_trait]
pub trait ResultsRig: Send + Sync {
    /// Returns the store under test.
    fn results(&self) -> Arc<dyn Results>;

    /// Returns what stands there of `code` of `symbol`, by day.
    async fn stored(&self, symbol: &Symbol, code: &str) -> Vec<(Date, StoredResult)>;
}

/// Makes one `#[tokio::test]` per promise of [`Results`](crate::Results), each with a fresh rig of `$rig`.
#[macro_export]
macro_rules! results_conformance {
    ($rig:expr) => {
        $crate::results_conformance!($rig;
            what_is_written_stands_there_as_the_table_has_it,
            only_what_is_new_or_other_is_counted,
            of_rows_with_one_key_the_last_stays,
            what_cannot_be_recorded_is_refused_before_anything_is_written,
            the_newest_recorded_of_the_days_is_found,
            a_task_is_recorded_and_read_back,
            a_task_that_cannot_be_recorded_is_refused,
        );
    };
    ($rig:expr; $($promise:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::conformance::results::$promise(&$rig).await;
            }
        )*
    };
}

/// One output is a value; several are a value and an object; what is missing is missing in both.
pub async fn what_is_written_stands_there_as_the_table_has_it(rig: &dyn ResultsRig) {
    let results = rig.results();
    let kdj = [("k", 20.1), ("d", f64::NAN), ("j", -0.000_01)];
    let rows = [
        row("600519", "SMA(timeperiod=20)", 2, &[("sma", 1.5)]),
        row("600519", "SMA(timeperiod=20)", 3, &[("sma", f64::NAN)]),
        row("600519", "KDJ", 3, &kdj),
        row("000001", "SMA(timeperiod=20)", 3, &[("sma", f64::MAX)]),
        row("000001", "SMA(timeperiod=20)", 4, &[("sma", f64::INFINITY)]),
    ];
    assert_eq!(results.write(&rows).await.expect("written"), 5);
    let value = |value| StoredResult { value, complex_value: None };
    let sma = rig.stored(&symbol("600519"), "SMA(timeperiod=20)").await;
    assert_eq!(sma, [(day(2), value(Some(1.5))), (day(3), value(None))]);
    let other = rig.stored(&symbol("000001"), "SMA(timeperiod=20)").await;
    assert_eq!(other, [(day(3), value(Some(f64::MAX))), (day(4), value(None))]);
    let object = r#"{"k": 20.1, "d": null, "j": -1e-05}"#.to_owned();
    let expected = StoredResult { value: Some(20.1), complex_value: Some(object) };
    assert_eq!(rig.stored(&symbol("600519"), "KDJ").await, [(day(3), expected)]);
    assert!(rig.stored(&symbol("000001"), "KDJ").await.is_empty());
}

/// The number is that of rows that were not there or differ in the value or in any output.
pub async fn only_what_is_new_or_other_is_counted(rig: &dyn ResultsRig) {
    let results = rig.results();
    assert_eq!(results.write(&[]).await.expect("nothing to do"), 0);
    let macd = |signal| row("600519", "MACD", 3, &[("macd", 1.0), ("signal", signal)]);
    let first =
        [row("600519", "SMA", 2, &[("sma", 1.5)]), row("600519", "SMA", 3, &[("sma", 2.5)]), macd(0.5)];
    assert_eq!(results.write(&first).await.expect("written"), 3);
    assert_eq!(results.write(&first).await.expect("written"), 0);
    assert_eq!(results.write(&[macd(0.25)]).await.expect("written"), 1);
    let missing = row("600519", "SMA", 3, &[("sma", f64::NAN)]);
    assert_eq!(results.write(&[first[0].clone(), missing.clone()]).await.expect("written"), 1);
    assert_eq!(results.write(&[missing]).await.expect("written"), 0);
    let stored = rig.stored(&symbol("600519"), "SMA").await;
    let values: Vec<_> = stored.into_iter().map(|(_, stored)| stored.value).collect();
    assert_eq!(values, [Some(1.5), None]);
    let macd = rig.stored(&symbol("600519"), "MACD").await;
    assert_eq!(macd[0].1.complex_value.as_deref(), Some(r#"{"macd": 1.0, "signal": 0.25}"#));
}

/// Two rows of one symbol, code and day in one call: the last one stays, and is one row.
pub async fn of_rows_with_one_key_the_last_stays(rig: &dyn ResultsRig) {
    let results = rig.results();
    for (values, expected) in [([1.0, 2.0, 3.0], 1), ([9.0, 8.0, 3.0], 0)] {
        let rows = values.map(|value| row("600519", "SMA", 2, &[("sma", value)]));
        assert_eq!(results.write(&rows).await.expect("written"), expected);
        let stored = rig.stored(&symbol("600519"), "SMA").await;
        assert_eq!(stored, [(day(2), StoredResult { value: Some(3.0), complex_value: None })]);
    }
}

/// What the table has no room for is refused with what is wrong with it, and nothing else of the call is written.
pub async fn what_cannot_be_recorded_is_refused_before_anything_is_written(rig: &dyn ResultsRig) {
    let (results, good) = (rig.results(), row("600519", "SMA", 2, &[("sma", 1.5)]));
    let long = "X".repeat(51);
    let mut early = good.clone();
    early.day = date(0, 12, 31);
    for (bad, reason) in [
        (row("600519", &long, 2, &[("x", 1.0)]), "51"),
        (row("600519", "", 2, &[("x", 1.0)]), "characters"),
        (row("600519", "A\0B", 2, &[("x", 1.0)]), "characters"),
        (row(&"6".repeat(21), "SMA", 2, &[("x", 1.0)]), "symbol"),
        (row("600519", "SMA", 2, &[]), "no value"),
        (early, "years"),
    ] {
        let error = results.write(&[good.clone(), bad]).await.expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(!error.is_retryable());
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(rig.stored(&symbol("600519"), "SMA").await.is_empty());
    let widest = row(&"6".repeat(20), &"均".repeat(50), 2, &[("x", 1.0)]);
    assert_eq!(results.write(&[widest]).await.expect("there is room"), 1);
}

/// Of the days asked for, the newest that stands there, for each series by itself; a missing value stands there, too.
pub async fn the_newest_recorded_of_the_days_is_found(rig: &dyn ResultsRig) {
    let results = rig.results();
    let rows = [
        row("600519", "SMA", 2, &[("sma", 1.0)]),
        row("600519", "SMA", 3, &[("sma", f64::NAN)]),
        row("600519", "SMA", 5, &[("sma", 3.0)]),
        row("600519", "RSI", 2, &[("rsi", 1.0)]),
        row("000001", "SMA", 5, &[("sma", 1.0)]),
        row("000002", "SMA", 3, &[("sma", 1.0)]),
    ];
    results.write(&rows).await.expect("written");
    let symbols = ["600519", "000001", "nobody"].map(symbol);
    let codes: [Arc<str>; 2] = ["SMA".into(), "RSI".into()];
    let found = results.recorded(&symbols, &codes, &[day(3), day(2), day(4)]).await.expect("read");
    let key = |name, code: &str| (symbol(name), Arc::<str>::from(code));
    let expected = HashMap::from([(key("600519", "SMA"), day(3)), (key("600519", "RSI"), day(2))]);
    assert_eq!(found, expected);
    for (symbols, codes, days) in [
        (&symbols[..0], &codes[..], &[day(3)][..]),
        (&symbols, &codes[..0], &[day(3)]),
        (&symbols, &codes, &[]),
    ] {
        assert_eq!(results.recorded(symbols, codes, days).await.expect("read"), HashMap::new());
    }
}

/// What is recorded is read back, to the microsecond, and the next record of the task takes its place.
pub async fn a_task_is_recorded_and_read_back(rig: &dyn ResultsRig) {
    let results = rig.results();
    assert_eq!(results.task("daily-1").await.expect("read"), None);
    let at = |micros: i64| Timestamp::from_microsecond(1_735_689_600_000_000 + micros).expect("a time");
    let mut task = TaskRecord::new("daily-1", "daily", at(1));
    results.record_task(&task).await.expect("recorded");
    assert_eq!(results.task("daily-1").await.expect("read").as_ref(), Some(&task));
    task.status = TaskStatus::Failed;
    task.progress = 33.3;
    task.params =
        Some(Json::Object(vec![("codes".to_owned(), Json::Array(vec![Json::Str("均线".to_owned())]))]));
    task.result_summary = Some(Json::Object(vec![("mean".to_owned(), Json::Float(f64::NAN))]));
    task.error_message = Some("three of 5,000 'failed'\0".to_owned());
    task.updated = Timestamp::from_nanosecond(at(2).as_nanosecond() + 999).expect("a time");
    task.completed = Some(at(2));
    results.record_task(&task).await.expect("recorded");
    results.record_task(&TaskRecord::new("daily-2", "daily", at(0))).await.expect("recorded");
    task.result_summary = Some(Json::Object(vec![("mean".to_owned(), Json::Null)]));
    task.error_message = Some("three of 5,000 'failed'\u{fffd}".to_owned());
    task.updated = at(2);
    assert_eq!(results.task("daily-1").await.expect("read"), Some(task));
}

/// An id or type of no or too many characters, and a progress that is none, are refused and not recorded.
pub async fn a_task_that_cannot_be_recorded_is_refused(rig: &dyn ResultsRig) {
    let results = rig.results();
    let now = Timestamp::from_second(1_735_689_600).expect("a time");
    let mut tasks = vec![
        TaskRecord::new("", "daily", now),
        TaskRecord::new("x".repeat(51), "daily", now),
        TaskRecord::new("a\0b", "daily", now),
        TaskRecord::new("daily-1", "", now),
    ];
    for progress in [-1.0, 100.5, f64::NAN] {
        tasks.push(TaskRecord { progress, ..TaskRecord::new("daily-1", "daily", now) });
    }
    for task in tasks {
        let error = results.record_task(&task).await.expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert_eq!(results.task(&task.task_id).await.expect("read"), None);
    }
}

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).expect("a valid symbol")
}

fn day(day: i8) -> Date {
    date(2024, 1, day)
}

fn row(name: &str, code: &str, of: i8, values: &[(&'static str, f64)]) -> ResultRow {
    let values = values.iter().map(|(name, value)| (Cow::Borrowed(*name), *value)).collect();
    ResultRow { symbol: symbol(name), code: code.into(), day: day(of), values }
}
