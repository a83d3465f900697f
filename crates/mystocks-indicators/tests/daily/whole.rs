//! A whole market in one go.

use std::time::Duration;

use mystocks_bus::{Delivery, IndicatorEvent, TaskEvent, TaskStatus as Said};
use mystocks_indicators::{DailyTask, DateRange, IndicatorRequest, TaskStatus, Way};
use mystocks_ta::{daily_defaults, registry};

use crate::rig::{Market, Rig, day, name, symbol};

const STOCKS: u32 = 150;

#[tokio::test]
async fn every_symbol_is_computed_stored_recorded_counted_and_told_once() {
    let market = Market::new(STOCKS, 120);
    market.list("young", 3, 30);
    market.list("newborn", 4, 2);
    let rig = Rig::new(market);
    let mut told = rig.bus.subscribe(TaskEvent::topic_of("nightly")).await.unwrap();
    let mut stocks = rig.bus.subscribe(IndicatorEvent::topic()).await.unwrap();
    let mut seen = Vec::new();
    let report = rig.run_with(&DailyTask::new("nightly"), |progress| seen.push(*progress)).await;

    let total = u64::from(STOCKS) + 2;
    assert_eq!((report.total, report.succeeded, report.resumed), (total, total - 1, 0));
    assert_eq!(report.failed.len(), 0);
    let skipped: Vec<_> = report.skipped.into_iter().collect();
    assert_eq!(skipped, [(symbol("newborn"), "too few bars for every indicator".to_owned())]);
    // The young one has no SMA(60) and no MACD yet.
    assert_eq!(report.series, u64::from(STOCKS) * 9 + 7);
    assert_eq!((report.rows, rig.results.len() as u64), (report.series, report.series));
    assert!(rig.market.loads().values().all(|loads| *loads == 1), "{:?}", rig.market.loads());

    assert_eq!(seen.first().map(|first| (first.total, first.finished)), Some((total, 0)));
    assert_eq!(
        seen.last().map(|last| (last.finished, last.skipped, last.percent())),
        Some((total, 1, 100.0))
    );
    assert!(seen.is_sorted_by_key(|progress| progress.finished));

    let mut percents = Vec::new();
    let last = loop {
        match told.next().await.unwrap() {
            Delivery::Event(event) => match &event.event {
                TaskEvent::Progress(progress) => {
                    assert_eq!(progress.total, total);
                    percents.push(progress.progress);
                }
                TaskEvent::Completed(completed) => break completed.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert!(percents.is_sorted() && percents.len() > 5, "{percents:?}");
    assert_eq!((last.status, last.result.success, last.result.failed), (Said::Completed, total - 1, 0));
    let mut names = std::collections::BTreeSet::new();
    while names.len() as u64 <= total - 2 {
        if let Delivery::Event(event) = stocks.next().await.unwrap()
            && let IndicatorEvent::StockCompleted(stock) = &event.event
        {
            let expected = if stock.stock_code == "young" { 7 } else { 9 };
            assert_eq!((stock.success_count, stock.failed_count), (expected, 0), "{}", stock.stock_code);
            assert!(names.insert(stock.stock_code.clone()), "{} is told of twice", stock.stock_code);
        }
    }

    let record = mystocks_indicators::Results::task(&rig.results, "nightly").await.unwrap().unwrap();
    assert_eq!((record.status, record.progress), (TaskStatus::Success, 100.0));
    let summary = record.result_summary.unwrap().dumps();
    assert!(
        summary.contains(&format!(r#""success": {}, "failed": 0, "skipped": 1"#, total - 1)),
        "{summary}"
    );
    assert!(record.completed.is_some() && record.error_message.is_none());
    assert!(!rig.locker.is_locked(rig.locker.batch_task_lock("nightly").unwrap()).await.unwrap());
}

#[tokio::test]
async fn what_is_recorded_and_stored_are_the_kernels_own_numbers() {
    let rig = Rig::new(Market::new(20, 90));
    rig.run(&DailyTask::new("nightly")).await;
    let elsewhere = rig.service();
    for seed in 0..20 {
        let stock = symbol(&name(seed));
        for (indicator, params) in daily_defaults() {
            let bars = mystocks_indicators::BarSource::load(&rig.market.bars, &stock).await.unwrap().bars;
            let direct = indicator.compute(&bars, &params).unwrap();
            let request = IndicatorRequest::of(stock.clone(), &params);
            let found = elsewhere.get_many(&[request]).await.remove(0).unwrap();
            assert_eq!(found.label(), indicator.label(&params));
            for series in &direct.series {
                let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                assert_eq!(
                    bits(found.values(series.name).unwrap()),
                    bits(&series.values),
                    "{}",
                    found.label()
                );
            }
            let rows = rig.results.series(&stock, &indicator.label(&params));
            let (last, row) = rows.iter().next().unwrap();
            assert_eq!((rows.len(), *last), (1, day(89)));
            assert_eq!(row.value, direct.series[0].values.last().copied());
            assert_eq!(row.complex_value.is_some(), direct.series.len() > 1);
        }
        let sma = elsewhere.get(&stock, "SMA", &[("timeperiod", 20.into())], DateRange::ALL).await.unwrap();
        assert_eq!(sma.detail().way, Way::ResultL1);
    }
    assert_eq!(elsewhere.ways().source, 0, "all of it was in the store");
}

#[tokio::test]
async fn another_plan_is_computed_as_it_says() {
    let rig = Rig::new(Market::new(5, 60));
    let obv = registry().get("OBV").unwrap();
    let bands = registry().get("BBANDS").unwrap();
    let narrow = bands.canonical(&[("timeperiod", 10.into()), ("nbdevup", 1.5.into())]).unwrap();
    let job = rig.job().plan([(obv, obv.defaults()), (bands, narrow)]);
    let worker = rig.job().work().await.unwrap();
    let report = job.run(&DailyTask::new("other"), |_| {}).await.unwrap().unwrap();
    worker.shutdown().await;
    assert_eq!((report.succeeded, report.series), (5, 10));
    let rows = rig.results.series(&symbol(&name(0)), "BBANDS(timeperiod=10,nbdevup=1.5,nbdevdn=2.0)");
    assert_eq!(rows.len(), 1, "the worker of another process was told the plan by the task's record");
}

#[tokio::test(start_paused = true)]
async fn of_two_that_run_a_task_at_once_one_does_and_the_other_is_told_so() {
    let rig = Rig::new(Market::new(5, 60));
    let (one, other, task) = (rig.job(), rig.job(), DailyTask::new("nightly"));
    // Without a worker the first one waits.
    let then = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(other.run(&task, |_| {}).await.unwrap(), None);
        rig.job().work().await.unwrap()
    };
    let (report, worker) = tokio::join!(one.run(&task, |_| {}), then);
    assert_eq!(report.unwrap().unwrap().succeeded, 5);
    worker.shutdown().await;
}

/// Runs may be spawned.
#[test]
fn a_run_can_be_spawned() {
    fn check(_: &impl Send) {}
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let rig = Rig::new(Market::default());
    let (job, task) = (rig.job(), DailyTask::new("nightly"));
    check(&job.run(&task, |_| {}));
    check(&job.work());
}

#[tokio::test]
async fn no_symbols_are_done_at_once() {
    let rig = Rig::new(Market::default());
    let report = rig.run(&DailyTask::new("nightly")).await;
    assert_eq!((report.total, report.succeeded), (0, 0));
}
