//! The cache of a hub, which hears the other processes: hits in L1, hits in L2 with few and with very many callers, misses.

mod cold;
mod l2;
mod sample;

use anyhow::Result;

use crate::read_path::l1;
use crate::read_path::sides::Coherence;
use crate::report::Report;

pub(crate) fn run(redis: &str, rounds: usize) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut report = Report::default();
    report.0.extend(l1::allocations(Coherence::Backplane)?);
    runtime.block_on(async {
        report.0.extend(l1::run(rounds, &[1, 2, 8], Coherence::Backplane).await?);
        report.0.extend(l2::run(redis, rounds).await?);
        report.0.extend(cold::run(redis, rounds).await?);
        anyhow::Ok(())
    })?;
    Ok(report)
}
