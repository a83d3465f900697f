//! `bench daily`: the evening of a market of 5,000 stocks, against the same bytes with nothing computed and against plain Python.

mod floor;
mod ours;
mod plain_python;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio_postgres::Client;

use self::floor::Floor;
use self::ours::{Ours, Ran};
use self::plain_python::{PlainPython, STOCKS as PYTHON_STOCKS};
use crate::market::Market;
use crate::postgres;
use crate::report::{Report, Row};
use crate::rounds::Times;

const STOCKS: usize = 5_000;
/// The indicators of the default plan: as many rows of each stock come with each day.
const INDICATORS: usize = 9;
const SMA20: &str = "SMA(timeperiod=20)";
/// What the job may cost over the floor, over Python, and how many MB of memory.
const OVER_FLOOR: f64 = 2.0;
const OVER_PYTHON: f64 = 1.0 / 30.0;
const MEGABYTES: f64 = 256.0;

/// What the sides needed for a stock, in each round.
#[derive(Default)]
struct Rounds {
    cold: Vec<Duration>,
    incremental: Vec<Duration>,
    warm: Vec<Duration>,
    floor: Vec<Duration>,
    python: Vec<Duration>,
    peak_kilobytes: u64,
}

/// What one round needs.
struct Evening<'a> {
    market: &'a Market,
    client: &'a Client,
    ours: Ours,
    python: PlainPython,
    /// The last SMA20 of the stocks that Python computes, added up, as we recorded them.
    sma20: f64,
}

pub(crate) fn run(redis: &str, rounds: usize) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(redis, rounds))
}

async fn measure(redis: &str, rounds: usize) -> Result<Report> {
    let market = Market::new(STOCKS)?;
    let server = postgres::server().await;
    let raw = postgres::connect(&server.url()).await?;
    market.fill(&raw.client).await?;
    let mut evening = Evening {
        market: &market,
        client: &raw.client,
        ours: Ours::new(&server.url(), redis)?,
        python: PlainPython::new(&server.url(), redis)?,
        sma20: f64::NAN,
    };
    // The first run fills the caches of the servers, and says what the floor has to move.
    let mut floor = Floor::connect(&server.url(), redis).await?;
    floor.empty().await?;
    evening.cold("warm-up").await?;
    evening.sma20 = evening.recorded_sma20().await?;
    floor.learn().await?;
    let mut measured = Rounds::default();
    for round in 0..rounds {
        for turn in 0..3 {
            floor.empty().await?;
            match (round + turn) % 3 {
                0 => evening.ours(round, &mut measured).await?,
                1 => measured.floor.push(floor.run().await? / u32::try_from(STOCKS)?),
                _ => measured.python.push(evening.python().await?),
            }
        }
    }
    Ok(measured.report())
}

impl Evening<'_> {
    async fn ours(&self, round: usize, measured: &mut Rounds) -> Result<()> {
        let cold = self.cold(&format!("cold-{round}")).await?;
        self.market.next_day(self.client).await?;
        let incremental = self.run(&format!("incremental-{round}"), STOCKS * INDICATORS, 2).await?;
        let warm = self.run(&format!("warm-{round}"), 0, 2).await?;
        self.market.take_back(self.client).await?;
        let peaks = [&cold, &incremental, &warm].map(|ran| ran.peak_kilobytes);
        measured.peak_kilobytes = peaks.into_iter().max().unwrap_or(0).max(measured.peak_kilobytes);
        let stocks = u32::try_from(STOCKS)?;
        measured.cold.push(cold.took / stocks);
        measured.incremental.push(incremental.took / stocks);
        measured.warm.push(warm.took / stocks);
        Ok(())
    }

    async fn cold(&self, task: &str) -> Result<Ran> {
        self.run(task, STOCKS * INDICATORS, 1).await
    }

    /// Runs the job, which is to write so many rows: then there are those of so many days.
    async fn run(&self, task: &str, rows: usize, days: usize) -> Result<Ran> {
        let ran = self.ours.run(task).await?;
        let said = &ran.said;
        ensure!(
            (said.total, said.succeeded, said.rows) == (STOCKS, STOCKS, rows)
                && said.failed.is_empty()
                && said.skipped.is_empty(),
            "{task} was to write {rows} rows of {STOCKS} stocks, and says {said:?}"
        );
        let held: i64 =
            self.client.query_one("SELECT count(*) FROM indicator_data", &[]).await?.try_get(0)?;
        let wanted = i64::try_from(days * STOCKS * INDICATORS)?;
        ensure!(held == wanted, "after {task} indicator_data has {held} rows, not {wanted}");
        let query = "SELECT status FROM indicator_tasks WHERE task_id = $1";
        let status: String = self.client.query_one(query, &[&task]).await?.try_get(0)?;
        ensure!(status == "success", "{task} is recorded as {status}");
        Ok(ran)
    }

    /// Runs Python for some of the stocks; what it computed has to be what we do.
    async fn python(&self) -> Result<Duration> {
        let said = self.python.run(self.python_stocks()).await?;
        let wanted = (PYTHON_STOCKS, PYTHON_STOCKS * INDICATORS, PYTHON_STOCKS * INDICATORS);
        ensure!(
            (said.symbols, said.series, said.rows) == wanted,
            "Python was to compute {INDICATORS} series of {PYTHON_STOCKS} stocks, and says {said:?}"
        );
        for theirs in [said.sma20, self.recorded_sma20().await?] {
            ensure!(
                (theirs - self.sma20).abs() <= 1e-9 * self.sma20.abs(),
                "the last SMA20 of {PYTHON_STOCKS} stocks sum to {theirs} in Python and to {} here",
                self.sma20
            );
        }
        Ok(Duration::from_secs_f64(said.seconds) / u32::try_from(PYTHON_STOCKS)?)
    }

    async fn recorded_sma20(&self) -> Result<f64> {
        let query =
            "SELECT sum(value) FROM indicator_data WHERE indicator_code = $1 AND stock_code = ANY($2)";
        let row = self.client.query_one(query, &[&SMA20, &self.python_stocks()]).await?;
        row.try_get(0).context("no SMA20 is recorded")
    }

    fn python_stocks(&self) -> &[String] {
        self.market.symbols().get(..PYTHON_STOCKS).unwrap_or_default()
    }
}

impl Rounds {
    fn report(self) -> Report {
        let Self { cold, incremental, warm, floor, python, peak_kilobytes } = self;
        let [cold, incremental, warm, floor, python] =
            [cold, incremental, warm, floor, python].map(|all| Times::of(&all));
        let over_floor = |name: &str, times: &Times, bound| {
            Row::times(name, times, "same bytes, nothing computed", &floor, bound)
        };
        let beside = format!("plain Python, {PYTHON_STOCKS} stocks");
        let peak = peak_kilobytes as f64 / 1024.0;
        Report(vec![
            over_floor("cold run, a stock", &cold, Some(OVER_FLOOR)),
            Row::times("cold run, a stock", &cold, &beside, &python, Some(OVER_PYTHON)),
            over_floor("run with one more day, a stock", &incremental, None),
            over_floor("run with nothing new, a stock", &warm, None),
            over_floor("plain Python, a stock", &python, None),
            Row::figures("peak memory of a run", "MB", peak, "what it may be", MEGABYTES, Some(1.0)),
        ])
    }
}
