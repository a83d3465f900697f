//! An L2 hit with 1 to 1,024 callers, each with keys of its own, against raw code and against two peer crates.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::sample::{FourKib, Quote};
use crate::read_path::sides::{Coherence, L1_TTL, Side, Sides};
use crate::read_path::value::{self, Sample};
use crate::report::Row;
use crate::rounds::interleave;

/// So many that each of 1,024 callers has eight to itself.
const KEYS: usize = 8 * 1024;

/// How many callers, and what an L2 hit may cost of the raw code's: at 256 and 1,024 callers 1.4 and 1.8 times
/// as many reads are promised.
const BOUNDS: [(usize, f64); 4] = [(1, 1.15), (16, 1.15), (256, 1.0 / 1.4), (1_024, 1.0 / 1.8)];

pub(crate) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let mut rows = hits::<Quote>(redis, rounds, "100 B", true).await?;
    rows.extend(hits::<FourKib>(redis, rounds, "4 KiB", false).await?);
    Ok(rows)
}

async fn hits<V: Sample>(redis: &str, rounds: usize, size: &str, bounded: bool) -> Result<Vec<Row>> {
    const ALONE: [Side; 3] = [Side::Raw, Side::WithoutL1, Side::Hitbox];
    const FILLED: [Side; 2] = [Side::Peer, Side::WithL1];
    let keys = value::keys(KEYS).into_iter().map(|key| format!("{}-{key}", size.replace(' ', ""))).collect();
    let sides = Sides::<V>::warm(redis, keys, Coherence::Backplane).await?;
    let mut rows = Vec::new();
    for (callers, bound) in BOUNDS {
        let before = sides.without_l1.stats().l2_hits;
        // Enough that starting and ending the callers does not count.
        let times = if callers < 256 { 1 } else { 4 };
        let [raw, ours, hitbox] =
            interleave(rounds, |side| measure(&sides, callers, times, ALONE[side])).await?;
        let [peer, filled] = interleave(rounds, |side| measure(&sides, callers, 1, FILLED[side])).await?;
        let what = |l1: &str| format!("L2 hit of {size}, L1 {l1}, {callers} callers");
        rows.push(Row::times(&what("off"), &ours, "raw GET, decode", &raw, bounded.then_some(bound)));
        rows.push(Row::times(&what("off"), &ours, "hitbox 0.2, Redis alone", &hitbox, None));
        rows.push(Row::times(&what("filled"), &filled, "multi-tier-cache 0.6, L1 filled", &peer, None));
        let hits = sides.without_l1.stats().l2_hits - before;
        let expected = ((rounds + 1) * times * KEYS) as u64;
        ensure!(hits == expected, "{expected} L2 hits were due: {:?}", sides.without_l1.stats());
    }
    let (alone, filled) = (sides.without_l1.stats(), sides.with_l1.stats());
    let expected = (BOUNDS.len() * (rounds + 1) * KEYS) as u64;
    ensure!(
        filled.l2_hits == expected && filled.l1_hits + alone.l1_hits == 0,
        "{expected} L2 hits were due: {filled:?}, {alone:?}"
    );
    Ok(rows)
}

async fn measure<V: Sample>(sides: &Sides<V>, callers: usize, times: usize, side: Side) -> Result<Duration> {
    let mut sides = sides.clone();
    sides.empty_l1(side);
    tokio::time::sleep(2 * L1_TTL).await;
    let began = Instant::now();
    sides.pass(callers, times, side).await?;
    Ok(began.elapsed() / u32::try_from(times * KEYS)?)
}
