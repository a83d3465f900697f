//! What the demo says at the end.

use std::io::{self, Write as _};

use anyhow::{Context, Result};
use mystocks_cache::Tier;
use serde::Serialize;

use crate::demo::cleaning::Cleaning;
use crate::demo::clock::Summary;
use crate::demo::read::Reads;
use crate::demo::recompute::Baseline;
use crate::demo::second::SecondProcess;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) l2: &'static str,
    pub(crate) symbols: usize,
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

/// What one tier's reads cost. A factor is how many times faster the median read is; below 1 the tier loses.
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
    factor_over_recomputing: f64,
    factor_over_computing_alone: f64,
}

impl TierReport {
    pub(crate) fn new(tier: Tier, reads: &Reads, baseline: &Baseline, computed: &Reads) -> Self {
        let Summary { reads: count, p50_us, p99_us } = reads.latencies.summary();
        let equal =
            computed.digests.iter().filter(|(name, digest)| reads.digests.get(*name) == Some(*digest));
        Self {
            tier: tier.to_string(),
            reads: count,
            hits: reads.tiers.get(&tier).copied().unwrap_or(0),
            equal: equal.count(),
            p50_us,
            p99_us,
            factor_over_recomputing: baseline.recomputing.summary().p50_us / p50_us,
            factor_over_computing_alone: baseline.computing_alone.summary().p50_us / p50_us,
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
                "{} series, {} bars of {} rows; {} results: {}",
                self.symbols,
                self.cleaning.bars,
                self.cleaning.rows,
                self.results,
                self.indicators.join(" ")
            ),
            format!("L2 is in {}.", self.l2),
            String::new(),
            format!(
                "{:<34} {:>7} {:>7} {:>10} {:>10} {:>12} {:>12}",
                "", "reads", "hits", "p50 µs", "p99 µs", "× recompute", "× kernel"
            ),
        ];
        let alone = |what: &str, summary: &Summary| {
            let Summary { reads, p50_us, p99_us } = summary;
            format!("{what:<34} {reads:>7} {:>7} {p50_us:>10.2} {p99_us:>10.2}", "-")
        };
        lines.push(alone("recompute: read the bars, compute", &self.recomputing));
        lines.push(alone("kernel: compute, bars at hand", &self.computing_alone));
        for tier in &self.tiers {
            let what = match tier.tier.as_str() {
                "L3" => "L3: load, compute, store",
                "L2" => "L2: read, decode",
                _ => "L1: in this process",
            };
            lines.push(format!(
                "{what:<34} {:>7} {:>7} {:>10.2} {:>10.2} {:>12.2} {:>12.2}",
                tier.reads,
                tier.hits,
                tier.p50_us,
                tier.p99_us,
                tier.factor_over_recomputing,
                tier.factor_over_computing_alone
            ));
        }
        lines.push(String::new());
        lines.extend(self.verdicts());
        lines.extend(self.second_process.iter().map(|second| {
            format!(
                "A second process ({}) found {} of {} results in L2, {} equal bit for bit, and computed {}; p50 {:.2} µs.",
                second.pid, second.l2_hits, self.results, second.equal, second.recomputed, second.latencies.p50_us
            )
        }));
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
        let cached = self.tiers.iter().filter(|tier| tier.tier != "L3");
        cached.map(|tier| {
            let says = |factor: f64| {
                if factor >= 1.0 {
                    format!("{factor:.1} times faster than")
                } else {
                    format!("{:.1} times SLOWER than", 1.0 / factor)
                }
            };
            format!(
                "A read from {} is {} reading the bars and computing, and {} the kernel alone.",
                tier.tier,
                says(tier.factor_over_recomputing),
                says(tier.factor_over_computing_alone)
            )
        })
    }
}
