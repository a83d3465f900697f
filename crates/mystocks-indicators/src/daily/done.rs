//! Tasks that were done before.

use std::collections::BTreeMap;

use mystocks_bus::Json;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::daily::coordinator::versions;
use crate::daily::plan::{Params, Plan};
use crate::daily::tally::{DailyReport, digest};
use crate::daily::{DailyJob, DailyTask};
use crate::error::Error;
use crate::symbol::Symbol;
use crate::task_record::TaskStatus;
use crate::version::hexadecimal;

/// What is read of the summary that is recorded with a task.
#[derive(Deserialize)]
struct Summary {
    total: u64,
    success: u64,
    series: u64,
    rows: u64,
    bars: String,
    #[serde(default)]
    skipped_reasons: BTreeMap<String, String>,
}

/// Returns what the task came to, if it was done with success, by this plan, of the bars that these symbols have now.
pub(super) async fn report(
    job: &DailyJob,
    task: &DailyTask,
    plan: &Plan,
) -> Result<Option<DailyReport>, Error> {
    let Some(record) = job.results.task(&task.task_id).await? else { return Ok(None) };
    let (TaskStatus::Success, Some(completed)) = (record.status, record.completed) else { return Ok(None) };
    let bars = job.tools.tiers.source.fingerprint();
    let symbols = selection(task);
    let is_it = Params::read(&task.task_id, record.params.as_ref())
        .is_ok_and(|params| params.is_of(&task.task_id, plan, &bars, symbols.as_deref()));
    // A summary that somebody else wrote says nothing.
    let Some(summary) = record.result_summary.as_ref().filter(|_| is_it).and_then(read) else {
        return Ok(None);
    };
    if summary.bars != bars_of(job, task).await? {
        return Ok(None);
    }
    Ok(Some(DailyReport {
        total: summary.total,
        succeeded: summary.success,
        series: summary.series,
        rows: summary.rows,
        skipped: summary
            .skipped_reasons
            .into_iter()
            .filter_map(|(symbol, reason)| Some((Symbol::new(&symbol).ok()?, reason)))
            .collect(),
        done_before: Some(completed),
        ..DailyReport::default()
    }))
}

/// Returns what tells the bars that the task would be computed from now from all others.
async fn bars_of(job: &DailyJob, task: &DailyTask) -> Result<String, Error> {
    let mut symbols = match &task.symbols {
        Some(symbols) => symbols.clone(),
        None => job.tools.tiers.source.symbols().await?,
    };
    symbols.sort_unstable();
    symbols.dedup();
    let versions = versions(job, &symbols).await?;
    Ok(digest(symbols.iter().zip(versions.iter().map(Option::as_deref))))
}

fn read(summary: &Json) -> Option<Summary> {
    summary.to_deserialize().ok()
}

/// Returns what tells the chosen symbols from every other choice, none for all.
pub(super) fn selection(task: &DailyTask) -> Option<String> {
    let mut symbols: Vec<&Symbol> = task.symbols.as_ref()?.iter().collect();
    symbols.sort_unstable();
    symbols.dedup();
    let mut digest = Sha256::new();
    for symbol in symbols {
        digest.update(symbol.as_str());
        digest.update([0]);
    }
    Some(hexadecimal(&digest.finalize(), 16))
}
