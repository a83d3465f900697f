//! What the demo says at the end.

use std::fmt;
use std::io::{self, Write as _};

use anyhow::{Context, Result};
use mystocks_cache::Tier;
use serde::Serialize;

use crate::demo::cleaning::Cleaning;
use crate::demo::clock::{Latencies, Summary};
use crate::demo::read::Reads;
use crate::demo::recompute::Baseline;
use crate::demo::second::SecondProcess;

const NOTE: &str = "recompute reads and digests the whole file as the bar source does; reads from L1 and L2 include one stat of the file.";

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) l2: &'static str,
    pub(crate) symbols: usize,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) indicators: Vec<String>,
    pub(crate) results: usize,
    pub(crate) cleaning: Cleaning,
    pub(crate) failures: Vec<String>,
    /// Reads and writes of L2 that failed.
    pub(crate) store_errors: u64,
    pub(crate) recomputing: Summary,
    pub(crate) computing_alone: Summary,
    pub(crate) tiers: [TierReport; 3],
    pub(crate) second_process: Option<SecondProcess>,
}

/// A CSV file of the folder that is none of a symbol.
#[derive(Debug, Serialize)]
pub(crate) struct Skipped {
    file: String,
    reason: String,
}

/// What one tier's reads cost. A factor is how many times faster the median read is; below 1 the tier loses.
///
/// L3 has none: it reads the bars once for all indicators of a symbol, recomputing reads them for each.
#[derive(Debug, Serialize)]
pub(crate) struct TierReport {
    tier: String,
    reads: usize,
    /// The reads that this tier answered.
    hits: usize,
    /// The results whose values are those that were computed, bit for bit.
    equal: usize,
    p50_us: f64,
    p99_us: f64,
    factor_over_recomputing: Option<f64>,
    factor_over_computing_alone: Option<f64>,
}

impl Skipped {
    pub(crate) fn all(skipped: Vec<(String, String)>) -> Vec<Self> {
        skipped.into_iter().map(|(file, reason)| Self { file, reason }).collect()
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file name may hold a line's end or a terminal's commands.
        write!(f, "{}: {}", self.file.escape_debug(), self.reason)
    }
}

impl TierReport {
    pub(crate) fn new(tier: Tier, reads: &Reads, baseline: &Baseline, computed: &Reads) -> Self {
        let Summary { reads: count, p50_us, p99_us } = reads.latencies.summary();
        let equal =
            computed.digests.iter().filter(|(name, digest)| reads.digests.get(*name) == Some(*digest));
        let factor = |of: &Latencies| (tier != Tier::L3).then(|| of.summary().p50_us / p50_us);
        Self {
            tier: tier.to_string(),
            reads: count,
            hits: reads.tiers.get(&tier).copied().unwrap_or(0),
            equal: equal.count(),
            p50_us,
            p99_us,
            factor_over_recomputing: factor(&baseline.recomputing),
            factor_over_computing_alone: factor(&baseline.computing_alone),
        }
    }
}

impl Report {
    /// Returns whether every read came from its tier with the computed values, here and in the second process.
    pub(crate) fn is_sound(&self) -> bool {
        let tiers = self.tiers.iter().all(|tier| tier.hits == tier.reads && tier.equal == self.results);
        let second = self.second_process.as_ref().is_none_or(|second| {
            second.recomputed == 0 && second.l2_hits == self.results && second.equal == self.results
        });
        self.failures.is_empty() && tiers && second
    }

    pub(crate) fn print(&self, json: bool) -> Result<()> {
        let text = if json { serde_json::to_string_pretty(self)? } else { self.text() };
        // Not `println!`, which panics when whoever reads has gone away.
        writeln!(io::stdout(), "{text}").context("print the report")
    }

    fn text(&self) -> String {
        let mut lines = vec![
            format!(
                "{} series{}, {} bars of {} rows; {} results: {}",
                self.symbols,
                if self.skipped.is_empty() {
                    String::new()
                } else {
                    format!(" (skipped files: {})", self.skipped.len())
                },
                self.cleaning.bars,
                self.cleaning.rows,
                self.results,
                self.indicators.join(" ")
            ),
            format!("L2 is in {}.", self.l2),
            String::new(),
            format!(
                "{:<44} {:>7} {:>7} {:>10} {:>10} {:>12} {:>12}",
                "", "reads", "hits", "p50 µs", "p99 µs", "× recompute", "× kernel"
            ),
        ];
        let alone = |what: &str, summary: &Summary| {
            let Summary { reads, p50_us, p99_us } = summary;
            format!("{what:<44} {reads:>7} {:>7} {p50_us:>10.2} {p99_us:>10.2}", "-")
        };
        lines.push(alone("recompute: read the bars, compute", &self.recomputing));
        lines.push(alone("kernel: compute, bars at hand", &self.computing_alone));
        let factor = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |of| format!("{of:.2}"));
        for tier in &self.tiers {
            let what = match tier.tier.as_str() {
                "L3" => "L3: compute, store (bars read once a symbol)",
                "L2" => "L2: read, decode",
                _ => "L1: in this process",
            };
            lines.push(format!(
                "{what:<44} {:>7} {:>7} {:>10.2} {:>10.2} {:>12} {:>12}",
                tier.reads,
                tier.hits,
                tier.p50_us,
                tier.p99_us,
                factor(tier.factor_over_recomputing),
                factor(tier.factor_over_computing_alone)
            ));
        }
        lines.push(NOTE.to_owned());
        lines.push(String::new());
        lines.extend(self.verdicts());
        lines.extend(self.second_process.iter().map(|second| {
            format!(
                "A second process ({}) found {} of {} results in L2, {} equal bit for bit, and computed {}; p50 {:.2} µs.",
                second.pid, second.l2_hits, self.results, second.equal, second.recomputed, second.latencies.p50_us
            )
        }));
        lines.extend(self.skipped.iter().map(|skipped| format!("skipped: {skipped}")));
        for (quirk, count) in &self.cleaning.totals {
            lines.push(format!("cleaning: {quirk}: {count}"));
        }
        lines.extend(self.failures.iter().map(|failure| format!("failed: {failure}")));
        if self.store_errors > 0 {
            lines.push(format!("failed: {} reads and writes of L2", self.store_errors));
        }
        lines.push(if self.is_sound() {
            "Every read came from its tier, with the values that were computed.".to_owned()
        } else {
            "NOT SOUND: a read failed, came from another tier or had other values.".to_owned()
        });
        lines.join("\n")
    }

    /// Says in words where a tier wins and where it does not.
    fn verdicts(&self) -> impl Iterator<Item = String> + '_ {
        self.tiers.iter().filter_map(|tier| {
            let says = |factor: f64| {
                if factor >= 1.0 {
                    format!("{factor:.1} times faster than")
                } else {
                    format!("{:.1} times SLOWER than", 1.0 / factor)
                }
            };
            Some(format!(
                "A read from {} is {} reading the bars and computing, and {} the kernel alone.",
                tier.tier,
                says(tier.factor_over_recomputing?),
                says(tier.factor_over_computing_alone?)
            ))
        })
    }
}

#[cfg(test)]
mod tests;
