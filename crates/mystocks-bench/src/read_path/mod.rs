//! The read path: what a hit costs in each tier.

mod hitbox;
pub(crate) mod l1;
mod l2;
mod many;
mod peer;
pub(crate) mod sides;
pub(crate) mod value;

use anyhow::Result;

use crate::report::Report;
use sides::Coherence;

pub(crate) fn run(redis: &str, rounds: usize) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut report = Report::default();
    report.0.extend(l1::allocations(Coherence::Off)?);
    runtime.block_on(async {
        report.0.extend(l1::run(rounds, &[1, 2], Coherence::Off).await?);
        report.0.extend(l2::run(redis, rounds).await?);
        report.0.extend(many::run(redis, rounds).await?);
        anyhow::Ok(())
    })?;
    Ok(report)
}
