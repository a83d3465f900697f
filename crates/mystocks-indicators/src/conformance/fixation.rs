//! What every [`FixationTarget`] must keep, one function per promise.
//!
//! A target of your own implements [`FixationRig`] in a test and calls [`fixation_conformance!`](crate::fixation_conformance)
//! with an expression that makes a rig over an empty target (it may await).

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use mystocks_bus::Id;
use mystocks_cache::Json;

use crate::error::ErrorKind;
use crate::fixation::{FixationTarget, HeldRow, HotRow};

/// A target that a test can look into.
#[async_trait]
pub trait FixationRig: Send + Sync {
    /// Returns the target under test.
    fn target(&self) -> Arc<dyn FixationTarget>;

    /// Returns another instance over the same storage, as another process would have it.
    fn another(&self) -> Arc<dyn FixationTarget>;

    /// Returns all rows that stand there, in any order.
    async fn rows(&self) -> Vec<HotRow>;
}

/// Makes one `#[tokio::test]` per promise of [`FixationTarget`](crate::FixationTarget), each with a fresh rig of `$rig`.
#[macro_export]
macro_rules! fixation_conformance {
    ($rig:expr) => {
        $crate::fixation_conformance!($rig;
            rows_stand_there_as_they_were_put,
            the_same_rows_again_change_nothing,
            a_row_with_the_same_identity_takes_its_place,
            of_rows_with_one_identity_the_last_stays,
            what_was_put_earlier_never_takes_the_place_of_what_was_put_later,
            the_place_is_kept_with_fields_that_stay,
            what_can_never_be_kept_is_refused_whole,
            two_processes_lose_nothing_of_each_other,
        );
    };
    ($rig:expr; $($promise:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::conformance::fixation::$promise(&$rig).await;
            }
        )*
    };
}

/// Kinds, keys, moments and fields come back as they were, of several days and kinds in one call.
pub async fn rows_stand_there_as_they_were_put(rig: &dyn FixationRig) {
    let target = rig.target();
    assert_eq!(target.upsert(&[]).await.expect("nothing to do"), 0);
    let mut rows = vec![
        row("quote", "600519.SH", 0, 10.5),
        row("quote", "600519.SH", 1, 10.25),
        row("quote", "000001", 0, 1.0),
        row("depth", "600519.SH", 0, -0.000_01),
        row("quote", "600519.SH", DAY, 3.0),
        row("quote", "600519.SH", -DAY * 30_000, 4.0),
    ];
    rows[0].fields.extend([
        ("名, \"x\"".to_owned(), Json::Str("茅台\n\t, \"a\" 'b' \\".to_owned())),
        ("flags".to_owned(), Json::Array(vec![Json::Null, true.into(), i64::MIN.into(), u64::MAX.into()])),
        ("book".to_owned(), Json::Object(vec![("bid".to_owned(), 10.25.into())])),
        ("empty".to_owned(), Json::Object(Vec::new())),
    ]);
    rows[1].fields.clear();
    rows[2].key = "股票 a,b'\"".to_owned();
    assert_eq!(target.upsert(&held(&rows)).await.expect("written"), 6);
    same(rig, rows).await;
}

/// A call that is repeated, whole or in part, is counted as nothing and changes nothing.
pub async fn the_same_rows_again_change_nothing(rig: &dyn FixationRig) {
    let target = rig.target();
    let rows: Vec<HotRow> = (0..100).map(|n| row("quote", "600519", n, n as f64)).collect();
    assert_eq!(target.upsert(&held(&rows)).await.expect("written"), 100);
    assert_eq!(target.upsert(&held(&rows)).await.expect("written"), 0);
    assert_eq!(target.upsert(&held(&rows[40..50])).await.expect("written"), 0);
    assert_eq!(rig.another().upsert(&held(&rows)).await.expect("written"), 0);
    let more: Vec<HotRow> = (90..110).map(|n| row("quote", "600519", n, n as f64)).collect();
    assert_eq!(rig.another().upsert(&held(&more)).await.expect("written"), 10);
    same(rig, (0..110).map(|n| row("quote", "600519", n, n as f64)).collect()).await;
}

/// The row that came later stays, and the others are untouched.
pub async fn a_row_with_the_same_identity_takes_its_place(rig: &dyn FixationRig) {
    let target = rig.target();
    let rows = [row("quote", "a", 0, 1.0), row("quote", "b", 0, 2.0), row("depth", "a", 0, 3.0)];
    target.upsert(&held(&rows)).await.expect("written");
    let mut other = row("quote", "a", 0, 9.0);
    other.fields.insert("more".to_owned(), 1.into());
    assert_eq!(target.upsert(&held(&[other.clone(), rows[1].clone()])).await.expect("written"), 1);
    same(rig, vec![other, rows[1].clone(), rows[2].clone()]).await;
}

/// Of rows with one identity in one call the last one counts; moments are those of whole microseconds.
pub async fn of_rows_with_one_identity_the_last_stays(rig: &dyn FixationRig) {
    let target = rig.target();
    let mut rows = [row("quote", "a", 0, 1.0), row("quote", "a", 0, 2.0), row("quote", "a", 0, 3.0)];
    rows[2].at = Timestamp::from_nanosecond(rows[0].at.as_nanosecond() + 999).expect("a time");
    assert_eq!(target.upsert(&held(&rows)).await.expect("written"), 1);
    same(rig, vec![row("quote", "a", 0, 3.0)]).await;
    assert_eq!(target.upsert(&held(&rows)).await.expect("written"), 0);
}

/// By whomever and in whatever order they are written, also within one call: what was put last stays.
pub async fn what_was_put_earlier_never_takes_the_place_of_what_was_put_later(rig: &dyn FixationRig) {
    let put = |millis, sequence, price| HeldRow {
        row: row("quote", "a", 0, price),
        place: Id { millis, sequence },
    };
    let (target, another) = (rig.target(), rig.another());
    assert_eq!(target.upsert(&[put(9, 9, 2.0)]).await.expect("written"), 1);
    for earlier in [put(9, 8, 1.0), put(8, 10, 1.0), put(0, 0, 1.0)] {
        assert_eq!(another.upsert(&[earlier]).await.expect("it is no error"), 0);
        same(rig, vec![row("quote", "a", 0, 2.0)]).await;
    }
    // Numbers, not texts, say what is later.
    for (later, price) in [(put(9, 10, 3.0), 3.0), (put(10, 0, 4.0), 4.0)] {
        assert_eq!(another.upsert(&[later]).await.expect("written"), 1);
        same(rig, vec![row("quote", "a", 0, price)]).await;
    }
    let call = [put(11, 0, 5.0), put(12, 1, 7.0), put(12, 0, 6.0), put(3, 0, 1.0)];
    assert_eq!(target.upsert(&call).await.expect("written"), 1);
    assert_eq!(another.upsert(&call).await.expect("nothing is other"), 0);
    same(rig, vec![row("quote", "a", 0, 7.0)]).await;
}

/// Fields that are put again as they stand there are put later all the same.
pub async fn the_place_is_kept_with_fields_that_stay(rig: &dyn FixationRig) {
    let put = |millis, price| HeldRow { row: row("quote", "a", 0, price), place: Id { millis, sequence: 0 } };
    let target = rig.target();
    assert_eq!(target.upsert(&[put(1, 1.0)]).await.expect("written"), 1);
    assert_eq!(target.upsert(&[put(3, 1.0)]).await.expect("written"), 1);
    assert_eq!(target.upsert(&[put(2, 2.0)]).await.expect("it is no error"), 0);
    same(rig, vec![row("quote", "a", 0, 1.0)]).await;
}

/// A row that no target can keep is refused with what is wrong, and nothing else of the call is written.
pub async fn what_can_never_be_kept_is_refused_whole(rig: &dyn FixationRig) {
    let (target, good) = (rig.target(), row("quote", "a", 0, 1.0));
    let long = HotRow::new("quote", "b", good.at, [("x", "y".repeat(HotRow::MAX_FIELDS))]);
    for bad in [long, row("", "b", 0, 1.0), row("../quote", "b", 0, 1.0), row("quote", "b", 0, f64::NAN)] {
        let error = target.upsert(&held(&[good.clone(), bad])).await.expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(!error.is_retryable());
    }
    for key in ["a\nb", "a\r\nb", "a\0b", "a:b", "{a}", "a*"] {
        let error =
            target.upsert(&held(&[good.clone(), row("quote", key, 0, 1.0)])).await.expect_err("no key");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    same(rig, Vec::new()).await;
    let widest = row(&"k".repeat(32), &"x".repeat(64), 0, 1.0);
    assert_eq!(target.upsert(&held(&[good.clone(), widest.clone()])).await.expect("there is room"), 2);
    same(rig, vec![good, widest]).await;
}

/// Two that write at the same time, to the same kind and day, lose nothing and write nothing twice.
pub async fn two_processes_lose_nothing_of_each_other(rig: &dyn FixationRig) {
    let (one, other) = (rig.target(), rig.another());
    let of = |from: i64| (from..from + 20).map(|n| row("quote", "a", n, n as f64)).collect::<Vec<_>>();
    let mut written = 0;
    for round in 0..10 {
        let (left, right) = (of(round * 20), of(round * 20 + 10));
        let (left, right) = (held(&left), held(&right));
        let (left, right) = tokio::join!(one.upsert(&left), other.upsert(&right));
        written += left.expect("written") + right.expect("written");
    }
    assert_eq!(written, 210);
    same(rig, (0..210).map(|n| row("quote", "a", n, n as f64)).collect()).await;
}

const DAY: i64 = 86_400_000_000;

async fn same(rig: &dyn FixationRig, expected: Vec<HotRow>) {
    let found = rig.rows().await;
    let by_identity = |rows: Vec<HotRow>| {
        let rows = rows.into_iter().map(|row| ((row.kind.clone(), row.micros(), row.key.clone()), row));
        rows.collect::<BTreeMap<_, _>>()
    };
    let count = found.len();
    let found = by_identity(found);
    assert_eq!(count, found.len(), "a row stands there twice");
    assert_eq!(found, by_identity(expected));
}

/// Gives `rows` one place, as if they had been put at once.
pub fn held(rows: &[HotRow]) -> Vec<HeldRow> {
    let place = Id { millis: 1_735_800_000_000, sequence: 0 };
    rows.iter().map(|row| HeldRow { row: row.clone(), place }).collect()
}

fn row(kind: &str, key: &str, micros: i64, price: f64) -> HotRow {
    let at = Timestamp::from_microsecond(1_735_800_000_000_001 + micros).expect("a time");
    HotRow::new(kind, key, at, [("price", price)])
}
