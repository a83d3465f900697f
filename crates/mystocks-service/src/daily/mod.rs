//! `mystocks daily`: the indicators of the whole market, and `--worker`: work for it from another machine.

mod setup;
mod show;

use std::process::ExitCode;

use anyhow::{Context, Result};
use mystocks_indicators::{DailyReport, DailyTask};
use serde_json::json;

use crate::cli;
use crate::daily::setup::Setup;
use crate::daily::show::Show;
use crate::say;

/// So many reasons are shown; all of them are recorded with the task.
const SHOWN: usize = 10;

/// Runs the job, or works for it until it is interrupted.
pub(crate) async fn run(arguments: &cli::Daily) -> Result<ExitCode> {
    let setup = Setup::open(arguments).await?;
    let ended = if arguments.worker { work(&setup).await } else { run_task(arguments, &setup).await };
    setup.close().await;
    ended
}

async fn work(setup: &Setup) -> Result<ExitCode> {
    let worker = setup.job.work().await?;
    say::interrupted().await;
    worker.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

async fn run_task(arguments: &cli::Daily, setup: &Setup) -> Result<ExitCode> {
    let task = DailyTask {
        task_id: arguments.task_id(),
        up_to: arguments.up_to,
        symbols: arguments.symbols()?,
        full: arguments.full,
        again: arguments.again,
    };
    let worker = if arguments.no_worker { None } else { Some(setup.job.work().await?) };
    let mut show = Show::new();
    let ended = tokio::select! {
        ended = setup.job.run(&task, |progress| show.progress(progress)) => Some(ended),
        () = say::interrupted() => None,
    };
    show.end();
    if let Some(worker) = worker {
        worker.shutdown().await;
    }
    let ended = ended.context("finish: interrupted; the same command goes on")?;
    let Some(report) = ended? else {
        say::answer(arguments.json, &json!({ "task_id": task.task_id, "status": "elsewhere" }), || {
            format!("daily: another process runs {}", task.task_id)
        })?;
        return Ok(ExitCode::SUCCESS);
    };
    let is_well = report.failed.is_empty();
    say::answer(arguments.json, &machine(&task.task_id, &report), || human(&task.task_id, &report))?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn machine(task_id: &str, report: &DailyReport) -> serde_json::Value {
    let reasons = |of: &std::collections::BTreeMap<mystocks_indicators::Symbol, String>| {
        of.iter()
            .map(|(symbol, reason)| (symbol.to_string(), json!(reason)))
            .collect::<serde_json::Map<_, _>>()
    };
    json!({
        "task_id": task_id,
        "status": if report.failed.is_empty() { "completed" } else { "failed" },
        "total": report.total,
        "succeeded": report.succeeded,
        "failed": reasons(&report.failed),
        "skipped": reasons(&report.skipped),
        "series": report.series,
        "rows": report.rows,
        "resumed": report.resumed,
        "seconds": report.took.as_secs_f64(),
        "done_before": report.done_before.map(|time| time.to_string()),
    })
}

fn human(task_id: &str, report: &DailyReport) -> String {
    if let Some(time) = report.done_before {
        return format!(
            "{task_id}: done before, at {time}: {} symbols, {} computed, {} skipped; nothing was done now, --again does it again",
            report.total,
            report.succeeded,
            report.total.saturating_sub(report.succeeded)
        );
    }
    let mut text = format!(
        "{task_id}: {} symbols in {:.1} s: {} computed ({} series, {} new rows), {} skipped, {} failed",
        report.total,
        report.took.as_secs_f64(),
        report.succeeded,
        report.series,
        report.rows,
        report.skipped.len(),
        report.failed.len()
    );
    if report.resumed > 0 {
        text.push_str(&format!("; {} were finished before", report.resumed));
    }
    for (what, all) in [("failed", &report.failed), ("skipped", &report.skipped)] {
        for (symbol, reason) in all.iter().take(SHOWN) {
            text.push_str(&format!("\n  {what} {symbol}: {reason}"));
        }
        if all.len() > SHOWN {
            text.push_str(&format!("\n  … and {} more {what}", all.len() - SHOWN));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_was_done_before_says_when_and_how_to_do_it_again() {
        let mut report = DailyReport::default();
        (report.total, report.succeeded) = (12, 10);
        assert!(human("daily-2024-06-28", &report).starts_with("daily-2024-06-28: 12 symbols in 0.0 s"));
        assert_eq!(machine("nightly", &report)["done_before"], json!(null));
        report.done_before = Some(jiff::Timestamp::UNIX_EPOCH);
        let expected = "daily-2024-06-28: done before, at 1970-01-01T00:00:00Z: 12 symbols, 10 computed, 2 skipped; \
                        nothing was done now, --again does it again";
        assert_eq!(human("daily-2024-06-28", &report), expected);
        assert_eq!(machine("nightly", &report)["done_before"], json!("1970-01-01T00:00:00Z"));
        assert_eq!(machine("nightly", &report)["status"], json!("completed"));
    }
}
