//! The table a run prints and the file it writes.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::rounds::Times;

/// One comparison. `ratio` is a cost, ours divided by the baseline's: below 1 is better.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) ours: f64,
    pub(crate) baseline: f64,
    pub(crate) baseline_name: String,
    pub(crate) unit: &'static str,
    pub(crate) ratio: f64,
    pub(crate) bound: Option<f64>,
    #[serde(skip)]
    spread: Option<(f64, f64)>,
}

impl Row {
    /// Compares times per operation.
    pub(crate) fn times(
        name: &str,
        ours: &Times,
        baseline_name: &str,
        baseline: &Times,
        bound: Option<f64>,
    ) -> Self {
        let ratio = ours.ratio(baseline);
        Self {
            name: name.to_owned(),
            ours: ours.median(),
            baseline: baseline.median(),
            baseline_name: baseline_name.to_owned(),
            unit: "ns",
            ratio: ratio.median,
            bound,
            spread: Some((ratio.low, ratio.high)),
        }
    }

    /// Compares counts; `bound` is on ours divided by the baseline's, where 0 of 0 is 1.
    pub(crate) fn counts(
        name: &str,
        unit: &'static str,
        ours: f64,
        baseline_name: &str,
        baseline: f64,
    ) -> Self {
        let ratio = if ours <= baseline { 1.0 } else { ours / baseline };
        let baseline_name = baseline_name.to_owned();
        Self {
            name: name.to_owned(),
            ours,
            baseline,
            baseline_name,
            unit,
            ratio,
            bound: Some(1.0),
            spread: None,
        }
    }

    /// Compares figures that are no medians of rounds.
    pub(crate) fn figures(
        name: &str,
        unit: &'static str,
        ours: f64,
        baseline_name: &str,
        baseline: f64,
        bound: Option<f64>,
    ) -> Self {
        let baseline_name = baseline_name.to_owned();
        Self {
            name: name.to_owned(),
            ours,
            baseline,
            baseline_name,
            unit,
            ratio: ours / baseline,
            bound,
            spread: None,
        }
    }

    fn is_within_bound(&self) -> bool {
        self.bound.is_none_or(|bound| self.ratio <= bound)
    }
}

/// Below that two decimals say nothing.
const SMALL: f64 = 0.095;

fn short(ratio: f64) -> String {
    if ratio < SMALL { format!("{ratio:.4}") } else { format!("{ratio:.2}") }
}

#[derive(Debug, Default)]
pub(crate) struct Report(pub(crate) Vec<Row>);

impl Report {
    pub(crate) fn is_within_bounds(&self) -> bool {
        self.0.iter().all(Row::is_within_bound)
    }

    #[expect(clippy::print_stdout, reason = "the table is what the command is for")]
    pub(crate) fn print(&self) {
        println!(
            "{:<44} {:>12} {:>12}  {:<34} {:>6} {:>13} {:>6}",
            "what", "ours", "baseline", "baseline is", "ratio", "quartiles", "bound"
        );
        for row in &self.0 {
            let spread = row.spread.map_or(String::new(), |(low, high)| format!("{low:.2}..{high:.2}"));
            let spread = if row.ratio < SMALL { String::new() } else { spread };
            let bound = row.bound.map_or_else(|| "-".to_owned(), short);
            let broken = if row.is_within_bound() { "" } else { "  BROKEN" };
            println!(
                "{:<44} {:>9.0} {:<2} {:>9.0} {:<2}  {:<34} {:>6} {spread:>13} {bound:>6}{broken}",
                row.name,
                row.ours,
                row.unit,
                row.baseline,
                row.unit,
                row.baseline_name,
                short(row.ratio)
            );
        }
    }

    pub(crate) fn write(&self, folder: &Path, area: &str) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let file = folder.join(format!("{area}.json"));
        let text = serde_json::to_string_pretty(&self.0)? + "\n";
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))
    }
}
