//! A market of made-up stocks: real daily series under other names, scaled and shaken, the same ones in every run.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::SinkExt;
use jiff::civil::{Date, Weekday, date};
use tokio_postgres::Client;

/// So many days every stock has.
pub(crate) const DAYS: usize = 250;
const SEED: u64 = 20_261_123;
/// How far a price is shaken.
const SHAKEN: f64 = 0.002;
const COPY: &str = "COPY daily_kline (symbol, trade_date, open, high, low, close, volume, amount, adj_factor, pre_close, \
     change, pct_chg, created_at, updated_at) FROM STDIN";

/// Open, high, low, close and volume of a day with trade.
#[derive(Debug, Clone, Copy)]
struct Day {
    prices: [f64; 4],
    volume: u64,
}

/// Stocks that all have the same days, and one day more that is yet to come.
#[derive(Debug)]
pub(crate) struct Market {
    symbols: Vec<String>,
    /// For each symbol the days, the one that is yet to come last.
    series: Vec<Vec<Day>>,
    dates: Vec<Date>,
}

impl Market {
    /// Makes `count` stocks from the real series that are there: those beside the project, else its own sample.
    ///
    /// # Errors
    /// A folder that cannot be read, or one without a series that is long enough.
    pub(crate) fn new(count: usize) -> Result<Self> {
        let real = real_series()?;
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut series = Vec::with_capacity(count);
        for stock in 0..count {
            let source = &real[stock % real.len()];
            let from = random.usize(..=source.len() - DAYS - 1);
            let scale = 0.5 + random.f64();
            let days = source.iter().skip(from).take(DAYS + 1);
            series.push(days.map(|day| shaken(day, scale, &mut random)).collect());
        }
        let symbols = (0..count).map(|stock| format!("{:06}.SH", 600_000 + stock)).collect();
        let weekdays = date(2025, 1, 2).series(jiff::ToSpan::day(1));
        let weekdays = weekdays.filter(|day| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday));
        Ok(Self { symbols, series, dates: weekdays.take(DAYS + 1).collect() })
    }

    pub(crate) fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// Puts all days but the one to come into an empty `daily_kline`, symbol by symbol as a first load writes them.
    pub(crate) async fn fill(&self, client: &Client) -> Result<()> {
        self.copy(client, 0..DAYS).await?;
        settle(client).await
    }

    /// Lets the day to come happen.
    pub(crate) async fn next_day(&self, client: &Client) -> Result<()> {
        self.copy(client, DAYS..DAYS + 1).await
    }

    /// Makes the day to come one that is yet to come.
    pub(crate) async fn take_back(&self, client: &Client) -> Result<()> {
        let day = self.dates.last().context("a market without days")?;
        client.batch_execute(&format!("DELETE FROM daily_kline WHERE trade_date = '{day}'")).await?;
        settle(client).await
    }

    async fn copy(&self, client: &Client, days: std::ops::Range<usize>) -> Result<()> {
        let sink = client.copy_in(COPY).await.context("fill daily_kline")?;
        let mut sink = std::pin::pin!(sink);
        for (symbol, series) in self.symbols.iter().zip(&self.series) {
            let mut text = String::new();
            for at in days.clone() {
                line(&mut text, symbol, self.dates[at], series[at], at.checked_sub(1).map(|at| series[at]))?;
            }
            sink.send(Bytes::from(text)).await?;
        }
        sink.finish().await.context("fill daily_kline")?;
        Ok(())
    }
}

/// Leaves nothing to the server that it would do later; a vacuum stands alone, outside of any transaction.
async fn settle(client: &Client) -> Result<()> {
    client.batch_execute("VACUUM ANALYZE daily_kline").await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

fn line(text: &mut String, symbol: &str, date: Date, day: Day, before: Option<Day>) -> Result<()> {
    let Day { prices: [open, high, low, close], volume } = day;
    let before = before.map_or(open, |before| before.prices[3]);
    let change = close - before;
    // What the column can hold: the volume of an index is that of a market.
    let amount = (close * volume as f64).min(9e12);
    writeln!(
        text,
        "{symbol}\t{date}\t{open:.4}\t{high:.4}\t{low:.4}\t{close:.4}\t{volume}\t{amount:.2}\t1\t{before:.4}\t{change:.4}\t{:.4}\t\
         {date} 16:30:00\t{date} 16:30:00",
        100.0 * change / before
    )?;
    Ok(())
}

fn shaken(day: &Day, scale: f64, random: &mut fastrand::Rng) -> Day {
    let mut price = |price: f64| {
        let shaken = price * scale * (1.0 + SHAKEN * (2.0 * random.f64() - 1.0));
        (shaken * 1e4).round() / 1e4
    };
    let [open, high, low, close] = day.prices.map(&mut price);
    let (high, low) = (high.max(open).max(close), low.min(open).min(close));
    Day { prices: [open, high, low, close], volume: day.volume + random.u64(..1_000) }
}

/// The days with trade of every real series that has enough of them, in the order of their names.
fn real_series() -> Result<Vec<Vec<Day>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let beside = root.join("../shared/data/bars");
    let folder = if beside.is_dir() { beside } else { root.join("data/sample") };
    let entries = fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|is| is == "csv"));
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let days: Vec<Day> = text.lines().skip(1).filter_map(day).collect();
        if days.len() > DAYS {
            all.push(days);
        }
    }
    ensure!(!all.is_empty(), "{} has no series of more than {DAYS} days", folder.display());
    Ok(all)
}

/// Reads a line of symbol, date, four prices, volume; `None` for a day without trade.
fn day(line: &str) -> Option<Day> {
    let fields: Vec<&str> = line.split(',').collect();
    let number = |at: usize| fields.get(at)?.parse::<f64>().ok().filter(|number| *number > 0.0);
    let volume = fields.get(6)?.parse::<u64>().ok().filter(|volume| *volume > 0)?;
    Some(Day { prices: [number(2)?, number(3)?, number(4)?, number(5)?], volume })
}
