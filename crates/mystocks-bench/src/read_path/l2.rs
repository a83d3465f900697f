//! An L2 hit against raw code on the same kind of connection, and against the peer crate.
//!
//! Without an L1 the raw code is GET and decode. With one, whoever writes it by hand also looks into a moka first and
//! puts the value there afterwards, and so does the raw code here.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::sides::{Coherence, L1_TTL, Side, Sides};
use super::value::{self, KEYS, Value};
use crate::report::Row;
use crate::rounds::interleave;

const BOUND: f64 = 1.15;
/// How often a side reads every key in one round.
const PASSES: usize = 3;

const SIDES: [Side; 5] = [Side::Raw, Side::WithoutL1, Side::RawWithMoka, Side::WithL1, Side::Peer];

pub(crate) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let sides = Sides::<Value>::warm(redis, value::keys(KEYS), Coherence::Off).await?;
    let before = sides.without_l1.stats();
    let mut rows = Vec::new();
    for callers in [1, 16, 256] {
        let times = interleave(rounds, |side| {
            let mut sides = sides.clone();
            async move {
                let side = SIDES[side];
                let mut spent = Duration::ZERO;
                for _ in 0..PASSES {
                    sides.empty_l1(side);
                    tokio::time::sleep(2 * L1_TTL).await;
                    let began = Instant::now();
                    sides.pass(callers, 1, side).await?;
                    spent += began.elapsed();
                }
                Ok(spent / u32::try_from(PASSES * sides.keys.len())?)
            }
        });
        let [raw, without_l1, raw_with_moka, with_l1, peer] = times.await?;
        let what = |l1: &str| format!("L2 hit, L1 {l1}, {callers} callers");
        rows.push(Row::times(&what("off"), &without_l1, "raw GET, decode", &raw, Some(BOUND)));
        rows.push(Row::times(
            &what("filled"),
            &with_l1,
            "raw moka, GET, decode, moka",
            &raw_with_moka,
            Some(BOUND),
        ));
        rows.push(Row::times(&what("filled"), &with_l1, "raw GET, decode", &raw, None));
        rows.push(Row::times(&what("filled"), &with_l1, "multi-tier-cache", &peer, None));
    }
    let expected = (3 * (rounds + 1) * PASSES * sides.keys.len()) as u64;
    for (cache, hits) in [(&sides.without_l1, before.l2_hits), (&sides.with_l1, 0)] {
        let stats = cache.stats();
        ensure!(
            stats.l2_hits - hits == expected && stats.l1_hits == 0,
            "{expected} L2 hits were due: {stats:?}"
        );
    }
    Ok(rows)
}
