//! Every source of ticks against the conformance suite of its seam; TDengine stands in for itself, as far as its SQL goes.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use mystocks_indicators::conformance::ticks::TickRig;
use mystocks_indicators::{
    Error, ErrorKind, MemoryTicks, Side, Symbol, TdengineTable, TdengineTicks, TdengineValue, Tick,
    TickRange, TickSource, tick_source_conformance,
};

struct MemoryRig(MemoryTicks);

#[async_trait]
impl TickRig for MemoryRig {
    fn source(&self) -> Arc<dyn TickSource> {
        let source: Arc<dyn TickSource> = Arc::new(self.0.clone());
        Arc::new(source)
    }

    async fn add(&self, symbol: &Symbol, ticks: &[Tick]) {
        self.0.insert(symbol, ticks.iter().copied());
    }
}

mod memory {
    use super::*;

    tick_source_conformance!(MemoryRig(MemoryTicks::new()));
}

const SYMBOLS: &str = "SELECT DISTINCT symbol FROM market.ticks ORDER BY symbol";
const LATEST: &str =
    "SELECT ts, price, volume, amount, side FROM market.ticks WHERE symbol = ? ORDER BY ts DESC LIMIT 1";
const TICKS: &str = "SELECT ts, price, volume, amount, side FROM market.ticks WHERE symbol = ? AND ts >= ? AND ts < ? ORDER BY ts ASC LIMIT ";

type Statement = (String, Vec<TdengineValue>);

/// Knows three statements, and answers them from ticks in memory.
#[derive(Debug, Clone, Default)]
struct StandIn {
    ticks: MemoryTicks,
    asked: Arc<Mutex<Vec<Statement>>>,
    answer: Arc<Mutex<Option<Vec<Vec<TdengineValue>>>>>,
}

fn row(tick: &Tick) -> Vec<TdengineValue> {
    let side = match tick.side {
        Side::Buy => 1,
        Side::Sell => -1,
        Side::Neutral => 0,
    };
    let mut row = vec![TdengineValue::Micros(tick.at.as_microsecond())];
    row.extend([tick.price, tick.volume, tick.amount].map(TdengineValue::Double));
    row.push(TdengineValue::Int(side));
    row
}

#[async_trait]
impl TdengineTable for StandIn {
    async fn query(&self, sql: &str, values: &[TdengineValue]) -> Result<Vec<Vec<TdengineValue>>, Error> {
        self.asked.lock().unwrap().push((sql.to_owned(), values.to_vec()));
        if let Some(answer) = self.answer.lock().unwrap().take() {
            return Ok(answer);
        }
        let symbol = |text: &String| Symbol::new(text).unwrap();
        match (sql, values) {
            (SYMBOLS, []) => {
                let symbols = self.ticks.symbols().await?;
                Ok(symbols.iter().rev().map(|symbol| vec![TdengineValue::Text(symbol.to_string())]).collect())
            }
            (LATEST, [TdengineValue::Text(text)]) => {
                Ok(self.ticks.latest(&symbol(text)).await?.iter().map(row).collect())
            }
            (_, [TdengineValue::Text(text), TdengineValue::Micros(from), TdengineValue::Micros(until)]) => {
                let limit: usize = sql.strip_prefix(TICKS).unwrap().parse().unwrap();
                let all = self.ticks.ticks(&symbol(text), TickRange::ALL, usize::MAX).await?;
                let is_in = |tick: &Tick| (*from..*until).contains(&tick.at.as_microsecond());
                Ok(all.iter().filter(is_in).take(limit).map(|tick| row(&tick)).collect())
            }
            other => panic!("{other:?}"),
        }
    }
}

struct TdengineRig(StandIn);

#[async_trait]
impl TickRig for TdengineRig {
    fn source(&self) -> Arc<dyn TickSource> {
        Arc::new(TdengineTicks::new(self.0.clone(), "market.ticks").unwrap())
    }

    async fn add(&self, symbol: &Symbol, ticks: &[Tick]) {
        self.0.ticks.insert(symbol, ticks.iter().copied());
    }
}

mod tdengine {
    use super::*;

    tick_source_conformance!(TdengineRig(StandIn::default()));
}

#[tokio::test]
async fn what_is_asked_is_bound_and_what_is_no_tick_is_refused() {
    let stand_in = StandIn::default();
    let ticks = TdengineTicks::new(stand_in.clone(), "market.ticks").unwrap();
    let symbol = Symbol::new("600519.SH").unwrap();
    let range = TickRange { from: Timestamp::UNIX_EPOCH, until: Timestamp::from_microsecond(7).unwrap() };
    assert!(ticks.ticks(&symbol, range, 5).await.unwrap().is_empty());
    let asked = stand_in.asked.lock().unwrap().pop().unwrap();
    let bound = [TdengineValue::Text("600519.SH".into()), TdengineValue::Micros(0), TdengineValue::Micros(7)];
    assert_eq!(asked, (format!("{TICKS}6"), bound.to_vec()));
    let good = row(&Tick { at: range.from, price: 1.0, volume: 2.0, amount: 2.0, side: Side::Sell });
    let mut missing = good.clone();
    missing[1] = TdengineValue::Null;
    *stand_in.answer.lock().unwrap() = Some(vec![missing]);
    assert!(ticks.latest(&symbol).await.unwrap().unwrap().price.is_nan());
    for (place, wrong) in
        [(0, TdengineValue::Null), (1, TdengineValue::Text("x".into())), (4, TdengineValue::Double(1.0))]
    {
        let mut bad = good.clone();
        bad[place] = wrong;
        *stand_in.answer.lock().unwrap() = Some(vec![good.clone(), bad]);
        assert_eq!(ticks.latest(&symbol).await.unwrap_err().kind(), ErrorKind::Malformed, "{place}");
    }
    for name in ["", "a.b.c", "ticks; DROP TABLE ticks", "1a", "`a`"] {
        let error = TdengineTicks::new(StandIn::default(), name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}");
    }
}
