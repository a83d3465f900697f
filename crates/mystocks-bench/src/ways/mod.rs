//! `bench ways`: by which way an indicator is read in which state of the caches, and whether the one that is chosen is the cheapest.

mod lane;
mod state;

use anyhow::{Context, Result, ensure};
use mystocks_indicators::Way;

use self::lane::{Lane, Servers};
use self::state::{STATES, State};
use crate::market::Market;
use crate::postgres;
use crate::report::{Report, Row};

/// So many stocks are read in a pass, each once.
const STOCKS: usize = 64;
/// Passes before anything counts, so that the costs are known, and in a round.
const FIRST: usize = 6;
const PASSES: usize = 4;
/// What the way that is chosen may cost over the best one.
const BOUND: f64 = 1.2;

/// What is read: another one in every pass, so that nothing is there that the state does not have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    Cheap,
    Dear,
}

pub(crate) fn run(redis: &str, rounds: usize) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(redis, rounds))
}

async fn measure(redis: &str, rounds: usize) -> Result<Report> {
    ensure!(FIRST + rounds * PASSES <= lane::MOST_PASSES, "fewer rounds: there are not so many indicators");
    let market = Market::new(STOCKS)?;
    let server = postgres::server().await;
    let raw = postgres::connect(&server.url()).await?;
    market.fill(&raw.client).await?;
    let servers =
        Servers { database: server.url(), redis: redis.to_owned(), symbols: market.symbols().to_vec() };
    let mut rows = Vec::new();
    for wanted in [Wanted::Cheap, Wanted::Dear] {
        for state in STATES {
            rows.extend(measure_state(&servers, wanted, &state, rounds).await?);
        }
    }
    Ok(Report(rows))
}

async fn measure_state(servers: &Servers, wanted: Wanted, state: &State, rounds: usize) -> Result<Vec<Row>> {
    servers.flush().await?;
    let mut lanes = Vec::new();
    for way in state.ways.iter().copied().map(Some).chain([None]) {
        lanes.push(Lane::open(servers, wanted, state, way, lanes.len()).await?);
    }
    for lane in &mut lanes {
        lane.round(FIRST).await?;
    }
    let count = lanes.len();
    let mut taken = vec![Vec::new(); count];
    for round in 0..rounds {
        for turn in 0..count {
            let at = (round + turn) % count;
            taken[at].push(lanes[at].round(PASSES).await?);
        }
    }
    let mut rows = Vec::new();
    let name = |what: &str| format!("{wanted:?} one, {}: {what}", state.name);
    let times: Vec<_> = taken.iter().map(|rounds| crate::rounds::Times::of(rounds)).collect();
    let by_way: Vec<(Way, _)> = state.ways.iter().copied().zip(&times).collect();
    let best = by_way.iter().min_by(|one, other| one.1.median().total_cmp(&other.1.median()));
    let (best, best_times) = best.context("a state without ways")?;
    for (way, times) in &by_way {
        rows.push(Row::times(&name(&format!("only {way}")), times, &best.to_string(), best_times, None));
    }
    let chosen = times.last().context("a state without lanes")?;
    rows.push(Row::times(&name("chosen"), chosen, &best.to_string(), best_times, Some(BOUND)));
    for lane in lanes {
        lane.close().await;
    }
    Ok(rows)
}
