//! An L1 hit against a bare moka `get` of an `Arc`.

use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result};
use mystocks_cache::{Cache, CacheHub, Coherence, MemoryStore};
use mystocks_keys::Keyspace;
use tokio::time::Instant;

use super::value::{self, Sample, Value};
use crate::report::Row;
use crate::rounds::interleave;

const READS: usize = 200_000;
const BOUND: f64 = 1.2;

#[derive(Clone)]
struct Sides {
    cache: Cache<String, Value>,
    moka: moka::sync::Cache<String, Arc<Value>>,
    keys: Arc<Vec<String>>,
}

impl Sides {
    async fn warm(coherence: Coherence) -> Result<Self> {
        let (keyspace, store) = (Keyspace::default(), MemoryStore::new());
        let cache = match coherence {
            Coherence::Off => Cache::builder("bench", &keyspace).store(store).build()?,
            Coherence::Backplane => CacheHub::memory(&store, &keyspace).cache("bench").build()?,
        };
        let moka = moka::sync::Cache::builder().max_capacity(1 << 30).weigher(|_, _| 4096).build();
        let keys = Arc::new(value::keys(value::KEYS));
        // In random order, so that neither side lies better in memory: filled one after the other, the ratio is
        // anything from 0.9 to 1.3, whichever side is the first.
        let mut fills: Vec<(usize, bool)> =
            (0..keys.len()).flat_map(|seed| [(seed, true), (seed, false)]).collect();
        fastrand::Rng::with_seed(1).shuffle(&mut fills);
        for (seed, is_ours) in fills {
            let key = keys.get(seed).context("a seed has a key")?;
            if is_ours {
                cache
                    .get_or_compute(key, move |_| async move { Ok::<_, Infallible>(Value::sample(seed)) })
                    .await?;
            } else {
                // As ours does: in a task. Where a value lies depends on the thread that made it.
                let (moka, key) = (moka.clone(), key.clone());
                let mut task = tokio::task::JoinSet::new();
                task.spawn(async move { moka.insert(key, Arc::new(Value::sample(seed))) });
                task.join_all().await;
            }
        }
        Ok(Self { cache, moka, keys })
    }

    fn raw(&self) {
        for read in 0..READS {
            black_box(self.moka.get(&self.keys[read * 7919 % self.keys.len()]));
        }
    }

    async fn ours(&self) -> Result<()> {
        for read in 0..READS {
            let key = &self.keys[read * 7919 % self.keys.len()];
            black_box(self.cache.get_or_compute(key, |_| async { Err::<Value, _>(std::fmt::Error) }).await?);
        }
        Ok(())
    }
}

pub(crate) async fn run(rounds: usize, tasks: &[usize], coherence: Coherence) -> Result<Vec<Row>> {
    let sides = Sides::warm(coherence).await?;
    let mut rows = Vec::new();
    for &tasks in tasks {
        let [raw, ours] = interleave(rounds, |side| {
            let sides = sides.clone();
            async move {
                let began = Instant::now();
                let work = |sides: Sides| async move {
                    if side == 0 {
                        sides.raw();
                        Ok(())
                    } else {
                        sides.ours().await
                    }
                };
                on_tasks(tasks, sides, work).await?;
                Ok(began.elapsed() / u32::try_from(READS)?)
            }
        })
        .await?;
        rows.push(Row::times(
            &format!("L1 hit, {tasks} tasks"),
            &ours,
            "moka get of an Arc",
            &raw,
            Some(BOUND),
        ));
    }
    let stats = sides.cache.stats();
    anyhow::ensure!(
        stats.loads == value::KEYS as u64 && stats.errors == 0,
        "every read was to be an L1 hit: {stats:?}"
    );
    Ok(rows)
}

async fn on_tasks<Fut: Future<Output = Result<()>> + Send + 'static>(
    tasks: usize,
    sides: Sides,
    work: impl Fn(Sides) -> Fut,
) -> Result<()> {
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..tasks {
        running.spawn(work(sides.clone()));
    }
    running.join_all().await.into_iter().collect()
}

/// Counts what a hundred thousand hits allocate, on one thread.
pub(crate) fn allocations(coherence: Coherence) -> Result<Option<Row>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let sides = runtime.block_on(Sides::warm(coherence))?;
    // moka buffers reads and settles them every so often; that is its own allocating, not the hit's.
    let raw = allocation_counter::measure(|| sides.raw()).count_total;
    let mut outcome = Ok(());
    let ours = allocation_counter::measure(|| outcome = runtime.block_on(sides.ours())).count_total;
    outcome.context("read from L1")?;
    // That settling is not the same work twice; a hit that allocates does so every time.
    let per_hit = |count: u64| (count as f64 / READS as f64 * 1000.0).floor() / 1000.0;
    Ok(Some(Row::counts("allocations per L1 hit", "", per_hit(ours), "moka get of an Arc", per_hit(raw))))
}
