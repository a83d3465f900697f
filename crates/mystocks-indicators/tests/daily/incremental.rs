//! Day after day: only what is new is recorded.

use mystocks_indicators::{DailyTask, Way};

use crate::rig::{Market, Rig, bar, day, name, symbol};

fn days(rig: &Rig, code: &str) -> Vec<jiff::civil::Date> {
    rig.results.series(&symbol(&name(0)), code).into_keys().collect()
}

#[tokio::test(start_paused = true)]
async fn each_evening_records_one_row_a_series_and_makes_up_for_a_few_that_were_missed() {
    let rig = Rig::new(Market::default());
    let mut expected = Vec::new();
    let task = DailyTask::new("nightly");
    for (length, rows) in [(60_u32, 1_u64), (61, 1), (61, 0), (64, 3), (65, 1)] {
        for seed in 0..10 {
            rig.market.list(&name(seed), seed, length);
        }
        let report = rig.run(&task).await;
        match rows {
            0 => assert!(report.done_before.is_some(), "{length} days"),
            _ => {
                assert_eq!(report.done_before, None, "{length} days");
                assert_eq!((report.succeeded, report.rows), (10, rows * 90), "{length} days");
            }
        }
        let new = (0..rows).map(|back| day(i64::from(length) - 1 - i64::try_from(back).unwrap()));
        expected.extend(new);
        expected.sort_unstable();
        assert_eq!(days(&rig, "SMA(timeperiod=60)"), expected);
        assert_eq!(days(&rig, "TDX_KDJ(n=9,m1=3,m2=3)"), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_revised_last_day_is_recorded_anew() {
    let rig = Rig::new(Market::new(3, 60));
    let task = DailyTask::new("nightly");
    rig.run(&task).await;
    let mut revised = bar(0, 59);
    revised.close += 0.1;
    rig.market.bars.revise(&symbol(&name(0)), revised).unwrap();
    let report = rig.run(&task).await;
    assert!((1..=9).contains(&report.rows), "{}", report.rows);
    let rows = rig.results.series(&symbol(&name(0)), "SMA(timeperiod=5)");
    let mean = (55..60).map(|at| if at == 59 { revised.close } else { bar(0, at).close }).sum::<f64>() / 5.0;
    let value = rows.values().next().unwrap().value.unwrap();
    assert!((value - mean).abs() < 1e-9, "{value} {mean}");
}

#[tokio::test(start_paused = true)]
async fn all_days_are_recorded_when_that_is_asked_for() {
    let rig = Rig::new(Market::new(2, 70));
    rig.run(&DailyTask::new("nightly")).await;
    let report = rig.run(&DailyTask { full: true, ..DailyTask::new("all of it") }).await;
    // SMA over n has n - 1 days less than there are bars, and so on for each; one of each stood there.
    let heads = [4, 9, 19, 59, 33, 14, 19, 14, 8];
    let rows: u64 = heads.iter().map(|head| 70 - head).sum();
    assert_eq!(report.rows, (rows - 9) * 2);
    assert_eq!(days(&rig, "SMA(timeperiod=60)").len(), 11);
    assert_eq!(days(&rig, "RSI(timeperiod=14)").first(), Some(&day(14)));
}

#[tokio::test(start_paused = true)]
async fn up_to_a_day_is_as_if_there_were_no_later_bars() {
    let rig = Rig::new(Market::new(3, 80));
    let task = DailyTask { up_to: Some(day(69)), ..DailyTask::new("late") };
    let report = rig.run(&task).await;
    assert_eq!((report.succeeded, report.rows), (3, 27));
    assert_eq!(days(&rig, "EMA(timeperiod=20)"), []);
    assert_eq!(days(&rig, "SMA(timeperiod=20)"), [day(69)]);
    let service = rig.service();
    let sma = service.get(&symbol(&name(0)), "SMA", &[], mystocks_indicators::DateRange::ALL).await.unwrap();
    assert_eq!((sma.len(), sma.detail().way), (80, Way::Source), "who reads is not given a part of the days");
    let before = DailyTask { up_to: Some(day(-1)), ..DailyTask::new("too early") };
    let report = rig.run(&before).await;
    assert_eq!((report.succeeded, report.skipped.len()), (0, 3));
    assert_eq!(report.skipped.values().next().unwrap(), "it has no bars up to the day");
}

#[tokio::test(start_paused = true)]
async fn chosen_symbols_are_all_that_is_done() {
    let rig = Rig::new(Market::new(10, 60));
    let symbols = vec![symbol(&name(3)), symbol("nobody"), symbol(&name(3)), symbol(&name(5))];
    let report = rig.run(&DailyTask { symbols: Some(symbols), ..DailyTask::new("some") }).await;
    assert_eq!((report.total, report.succeeded), (3, 2));
    assert_eq!(
        report.skipped.into_iter().collect::<Vec<_>>(),
        [(symbol("nobody"), "it has no bars".to_owned())]
    );
}
