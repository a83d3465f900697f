//! Taking what is free and giving it back: one caller, and 64 with keys of their own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mystocks_lock::{LockGuard, Locker, Released};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::peers::{DistributedLocks, Rslock};
use super::plain;
use super::raw::Raw;
use crate::report::Row;
use crate::rounds::interleave;

/// How many cycles a side does in one round.
const CYCLES: usize = 1_536;
const CALLERS: usize = 64;

struct Sides {
    raw: Raw,
    locker: Locker,
    rslock: Rslock,
    distributed: DistributedLocks,
}

/// Who does it.
#[derive(Debug, Clone, Copy)]
enum Side {
    RawPlain,
    RawPlainScript,
    Plain,
    RawFenced,
    Fenced,
    RawPermit,
    Permit,
    Rslock,
    DistributedLock,
}

impl Sides {
    async fn cycle(&self, side: Side, name: &str) -> Result<()> {
        match side {
            Side::RawPlain => self.raw.plain(name).await,
            Side::RawPlainScript => self.raw.plain_with_our_release(name).await,
            Side::RawFenced => self.raw.fenced(name).await,
            Side::RawPermit => self.raw.permit(name).await,
            Side::Plain => give_back(self.locker.try_lock(plain(name)).await?).await,
            Side::Fenced => give_back(self.locker.try_lock(name.to_owned()).await?).await,
            Side::Permit => give_back(self.locker.semaphore(name.to_owned(), 5)?.try_acquire().await?).await,
            Side::Rslock => self.rslock.cycle(name).await,
            Side::DistributedLock => self.distributed.cycle(name).await,
        }
    }
}

pub(super) async fn give_back(guard: Option<LockGuard>) -> Result<()> {
    let released = guard.context("it was to be free")?.release().await?;
    ensure!(released == Released::Released, "it was to be held: {released:?}");
    Ok(())
}

pub(super) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    const LOCKS: [Side; 5] =
        [Side::RawPlain, Side::RawPlainScript, Side::Plain, Side::RawFenced, Side::Fenced];
    const PERMITS: [Side; 2] = [Side::RawPermit, Side::Permit];
    const PEERS: [Side; 4] = [Side::Plain, Side::Fenced, Side::Rslock, Side::DistributedLock];
    let sides = Arc::new(Sides {
        raw: Raw::start(redis).await?,
        locker: super::locker(redis).await?,
        rslock: Rslock::new(&[redis.to_owned()]),
        distributed: DistributedLocks::new(redis).await?,
    });
    let mut rows = Vec::new();
    let scripts = "EVALSHA + EVALSHA of the same";
    for (callers, bounds) in [(1, [1.15, 1.15, 1.30]), (CALLERS, [1.0 / 0.85; 3])] {
        let [raw_plain, raw_script, plain, raw_fenced, fenced] =
            interleave(rounds, |side| pass(&sides, callers, LOCKS[side])).await?;
        let [of_plain, of_fenced, of_both] = bounds.map(Some);
        let what =
            |kind: &str| format!("{kind} cycle, {callers} caller{}", if callers == 1 { "" } else { "s" });
        rows.push(Row::times(&what("plain"), &plain, "SET NX PX + EVALSHA", &raw_plain, of_plain));
        let same = "SET NX PX + EVALSHA of ours";
        rows.push(Row::times(&what("plain"), &plain, same, &raw_script, None));
        rows.push(Row::times(&what("fenced"), &fenced, scripts, &raw_fenced, of_fenced));
        // With many callers it is the server's work, and the scripts do more of it.
        let of_both = of_both.filter(|_| callers == 1);
        rows.push(Row::times(&what("fenced"), &fenced, "SET NX PX + EVALSHA", &raw_plain, of_both));
        rows.push(Row::times(&what("raw fenced"), &raw_fenced, "SET NX PX + EVALSHA", &raw_plain, None));
    }
    let [raw_permit, permit] = interleave(rounds, |side| pass(&sides, 1, PERMITS[side])).await?;
    rows.push(Row::times("semaphore cycle, 1 caller", &permit, scripts, &raw_permit, Some(1.20)));
    for callers in [1, CALLERS] {
        let [plain, fenced, rslock, distributed] =
            interleave(rounds, |side| pass(&sides, callers, PEERS[side])).await?;
        for (peer, times) in [("rslock 0.10", rslock), ("distributed-lock-redis 0.2", distributed)] {
            for (kind, ours) in [("plain", &plain), ("fenced", &fenced)] {
                let what = format!("{kind} cycle beside a peer, callers: {callers}");
                rows.push(Row::times(&what, ours, peer, &times, None));
            }
        }
    }
    sides.locker.shutdown().await;
    Ok(rows)
}

async fn pass(sides: &Arc<Sides>, callers: usize, side: Side) -> Result<Duration> {
    let mut running = JoinSet::new();
    let began = Instant::now();
    for caller in 0..callers {
        let sides = Arc::clone(sides);
        running.spawn(async move {
            let name = format!("cycle-{caller}");
            for _ in 0..CYCLES / callers {
                sides.cycle(side, &name).await.with_context(|| format!("{side:?}"))?;
            }
            anyhow::Ok(())
        });
    }
    running.join_all().await.into_iter().collect::<Result<()>>()?;
    Ok(began.elapsed() / u32::try_from(CYCLES)?)
}
