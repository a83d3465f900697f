//! The read path: what a hit costs in each tier.

mod l1;
mod l2;
mod many;
mod peer;
mod value;

use anyhow::Result;

use crate::report::Report;

pub(crate) fn run(redis: &str, rounds: usize) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut report = Report::default();
    report.0.extend(l1::allocations()?);
    runtime.block_on(async {
        report.0.extend(l1::run(rounds).await?);
        report.0.extend(l2::run(redis, rounds).await?);
        report.0.extend(many::run(redis, rounds).await?);
        anyhow::Ok(())
    })?;
    Ok(report)
}
