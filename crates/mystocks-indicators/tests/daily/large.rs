//! More rows than go to the database at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::civil::Date;
use mystocks_bus::{Delivery, IndicatorEvent};
use mystocks_indicators::{
    DailyReport, DailyTask, Error, ErrorKind, MemoryResults, ResultRow, Results, Symbol, TaskRecord,
};

use crate::rig::{Market, Rig, name, symbol};

/// Results that count the rows of each write, of which some fail.
#[derive(Debug, Clone, Default)]
struct Counted {
    held: MemoryResults,
    writes: Arc<Mutex<Vec<usize>>>,
    /// Which writes fail, from 0 on, and which are refused.
    fail: BTreeSet<usize>,
    refuse: BTreeSet<usize>,
}

#[async_trait]
impl Results for Counted {
    async fn recorded(
        &self,
        symbols: &[Symbol],
        codes: &[Arc<str>],
        days: &[Date],
    ) -> Result<HashMap<(Symbol, Arc<str>), Date>, Error> {
        self.held.recorded(symbols, codes, days).await
    }
    async fn write(&self, rows: &[ResultRow]) -> Result<u64, Error> {
        let at = {
            let mut writes = self.writes.lock().unwrap();
            writes.push(rows.len());
            writes.len() - 1
        };
        if self.fail.contains(&at) {
            return Err(Error::new(ErrorKind::Source, "write", "rows"));
        }
        if self.refuse.contains(&at) {
            return Err(Error::new(ErrorKind::InvalidArgument, "write", "rows"));
        }
        self.held.write(rows).await
    }
    async fn task(&self, task_id: &str) -> Result<Option<TaskRecord>, Error> {
        self.held.task(task_id).await
    }
    async fn record_task(&self, task: &TaskRecord) -> Result<(), Error> {
        self.held.record_task(task).await
    }
}

/// 200 days of nine series, less the heads.
const ROWS: usize = 200 * 9 - 179;
const STOCKS: usize = 40;

async fn run(rig: &Rig, results: &Counted) -> DailyReport {
    let job = rig.job_with(results.clone()).chunk(64);
    let task = DailyTask { full: true, ..DailyTask::new("all of it") };
    let begun = async {
        // All symbols are one chunk.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        job.work().await.unwrap()
    };
    let (report, worker) = tokio::join!(job.run(&task, |_| {}), begun);
    worker.shutdown().await;
    report.unwrap().unwrap()
}

fn market() -> Market {
    Market::new(u32::try_from(STOCKS).unwrap(), 200)
}

#[tokio::test(start_paused = true)]
async fn rows_go_to_the_database_in_pieces_and_are_counted_together() {
    let (rig, results) = (Rig::new(market()), Counted::default());
    let report = run(&rig, &results).await;
    assert_eq!((report.succeeded, report.rows), (STOCKS as u64, (STOCKS * ROWS) as u64));
    assert_eq!(results.held.len(), STOCKS * ROWS);
    let writes = results.writes.lock().unwrap().clone();
    assert_eq!(writes.iter().sum::<usize>(), STOCKS * ROWS, "none is written twice");
    assert!(writes.iter().all(|rows| *rows <= 50_000) && writes.len() >= 2, "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_piece_that_fails_has_only_those_done_again_that_had_rows_left() {
    let (rig, results) = (Rig::new(market()), Counted { fail: BTreeSet::from([1]), ..Counted::default() });
    let report = run(&rig, &results).await;
    assert_eq!((report.succeeded, results.held.len()), (STOCKS as u64, STOCKS * ROWS));
    let again = rig.market.loads().values().filter(|loads| **loads > 1).count();
    // All rows of the first thirty are in the first piece.
    assert_eq!(again, STOCKS - 50_000 / ROWS, "{:?}", rig.market.loads());
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_is_not_asked_to_write_the_other_pieces() {
    let (rig, results) = (Rig::new(market()), Counted { fail: BTreeSet::from([0]), ..Counted::default() });
    let report = run(&rig, &results).await;
    assert_eq!((report.succeeded, results.held.len()), (STOCKS as u64, STOCKS * ROWS));
    // All come again, also those whose rows were to be written after the piece that failed.
    assert!(rig.market.loads().values().all(|loads| *loads == 2), "{:?}", rig.market.loads());
    let writes = results.writes.lock().unwrap().clone();
    assert_eq!(writes[1..].iter().sum::<usize>(), STOCKS * ROWS, "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_goes_away_while_it_is_asked_symbol_by_symbol_is_waited_for_once() {
    let results = Counted { refuse: [0].into(), fail: [1].into(), ..Counted::default() };
    let rig = Rig::new(Market::new(10, 60));
    let report = run(&rig, &results).await;
    let all = results.held.len();
    assert_eq!((report.succeeded, report.rows), (10, all as u64));
    let writes = results.writes.lock().unwrap().clone();
    assert_eq!(writes[..2], [all, all / 10], "all together, then the first alone");
    assert_eq!(writes[2..].iter().sum::<usize>(), all, "{writes:?}");
    // The others were not asked for while the database was away: all come again.
    assert!(rig.market.loads().values().all(|loads| *loads == 2), "{:?}", rig.market.loads());
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_refused_harms_no_other_of_its_piece_and_its_stock_is_not_told_of() {
    let market = market();
    let long = "a-name-of-more-than-twenty";
    market.list(long, 3, 200);
    let (rig, results) = (Rig::new(market), Counted::default());
    let mut stocks = rig.bus.subscribe(IndicatorEvent::topic()).await.unwrap();
    let report = run(&rig, &results).await;
    assert_eq!((report.succeeded, report.rows), (STOCKS as u64, (STOCKS * ROWS) as u64));
    assert_eq!(report.failed.keys().collect::<Vec<_>>(), [&symbol(long)]);
    rig.bus.publish(&marker()).await.unwrap();
    let mut told = BTreeSet::new();
    loop {
        let Some(Delivery::Event(event)) = stocks.next().await else { panic!("the marker comes") };
        let IndicatorEvent::StockCompleted(stock) = &event.event else { panic!("{event:?}") };
        if stock.stock_code == "marker" {
            break;
        }
        assert!(told.insert(stock.stock_code.clone()), "{} is told of twice", stock.stock_code);
    }
    let expected: BTreeSet<String> = (0..STOCKS).map(|seed| name(u32::try_from(seed).unwrap())).collect();
    assert_eq!(told, expected);
}

fn marker() -> IndicatorEvent {
    IndicatorEvent::StockCompleted(mystocks_bus::StockCompleted {
        timestamp: mystocks_bus::NaiveUtc::now(),
        version: "1.0".to_owned(),
        stock_code: "marker".to_owned(),
        indicators: Vec::new(),
        success_count: 0,
        failed_count: 0,
        calculation_time_ms: 0.0,
        from_cache_count: 0,
    })
}
