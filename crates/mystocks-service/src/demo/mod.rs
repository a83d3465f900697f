//! The main job on real bars: computed once, then served from L2 and L1, with the cost of each tier measured.

mod cleaning;
mod clock;
mod read;
mod recompute;
mod report;
mod second;
mod settle;
mod setup;

use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use mystocks_cache::Tier;
use mystocks_keys::Prefixes;

use crate::cli;
use crate::demo::read::Job;
use crate::demo::report::{Report, Skipped, TierReport};
use crate::demo::setup::{L2, Setup};

pub(crate) use second::read_back;

/// The fewest reads from which the percentiles of a tier are taken.
const L2_READS: usize = 2_000;
const L1_READS: usize = 20_000;

/// Runs the demo; succeeds when every read came from the tier it was meant for, with equal values.
pub(crate) async fn run(arguments: &cli::Demo) -> Result<ExitCode> {
    let prefix = format!("{}demo-{:08x}:", Prefixes::default().cache, fastrand::u32(..));
    let setup = Setup::open(&arguments.bars, arguments.redis.as_deref(), &prefix).await?;
    let ended = measure(arguments, &setup, &prefix).await;
    let closed = setup.close().await;
    let report = ended?;
    report.print(arguments.json)?;
    closed?;
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(arguments: &cli::Demo, setup: &Setup, prefix: &str) -> Result<Report> {
    let symbols = setup.indicators.symbols().await.context("list the series")?;
    let skipped = Skipped::all(setup.bars.skipped().await.context("list the series")?);
    ensure!(
        !symbols.is_empty(),
        "find bars in {}: expected CSV files SYMBOL.csv{}",
        arguments.bars.display(),
        skipped.first().map(|first| format!(", skipped {first}")).unwrap_or_default()
    );
    settle::wait(&arguments.bars, &symbols).await;
    let job = Job::daily(&symbols);

    let computed = job.read(&setup.indicators, "computing", 1).await;
    if let (0, [first, others @ ..]) = (computed.answered(), computed.failures().as_slice()) {
        bail!("compute anything: {first}; and {} others likewise", others.len());
    }
    let from_l2 = {
        let rounds = L2_READS.div_ceil(job.len());
        job.read_each_round(&setup.indicators, "reading L2", rounds, || setup.indicators.drop_l1()).await
    };
    let from_l1 = job.read(&setup.indicators, "reading L1", L1_READS.div_ceil(job.len())).await;
    let baseline = recompute::measure(&arguments.bars, &symbols).await?;
    let second = match (&setup.l2, &arguments.redis) {
        (L2::Redis(_), Some(url)) => Some(second::process(&arguments.bars, url, prefix, &computed).await?),
        _ => None,
    };
    let tiers = [(Tier::L3, &computed), (Tier::L2, &from_l2), (Tier::L1, &from_l1)]
        .map(|(tier, reads)| TierReport::new(tier, reads, &baseline, &computed));
    Ok(Report {
        l2: setup.l2.name(),
        symbols: symbols.len(),
        skipped,
        indicators: job.labels(),
        results: computed.answered(),
        cleaning: cleaning::report(&setup.bars, &symbols).await?,
        failures: computed.failures(),
        store_errors: setup.indicators.stats().store_errors,
        recomputing: baseline.recomputing.summary(),
        computing_alone: baseline.computing_alone.summary(),
        tiers,
        second_process: second,
    })
}
