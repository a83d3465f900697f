//! What a process is to do, and what it has to say afterwards.

use std::time::Duration;

use mystocks_cache::CacheStats;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) url: String,
    /// The Redis behind the loaders, which is always there.
    pub(crate) source: String,
    pub(crate) seed: u64,
    pub(crate) per_second: u64,
    pub(crate) lasts: Duration,
}

/// The ledger of one process.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Requests begun, those that were answered (with a value, nothing or an error) and those that were cancelled.
    pub(crate) begun: u64,
    pub(crate) answered: u64,
    pub(crate) cancelled: u64,
    /// Answers that were errors, and how many of them the loader had made.
    pub(crate) failed: u64,
    pub(crate) wanted_failures: u64,
    pub(crate) l1: u64,
    pub(crate) l2: u64,
    pub(crate) loaded: u64,
    pub(crate) joined: u64,
    pub(crate) stale: u64,
    pub(crate) negative: u64,
    pub(crate) errors: u64,
    pub(crate) loads: u64,
    pub(crate) heard: u64,
    pub(crate) store_errors: u64,
    pub(crate) changes: u64,
    pub(crate) in_flight: u64,
    pub(crate) tasks_left: u64,
    /// Resident memory in kilobytes: after the warm-up and at the end.
    pub(crate) memory: (u64, u64),
    /// Reads of which the version was judged, those that were too old, and those that were so during an outage.
    pub(crate) judged: u64,
    pub(crate) too_old: u64,
    pub(crate) old_in_outage: u64,
    pub(crate) p99_us: u64,
}

impl Report {
    pub(crate) fn count(&mut self, stats: &CacheStats) {
        (self.l1, self.l2, self.loaded) = (stats.l1_hits, stats.l2_hits, stats.loaded);
        (self.joined, self.stale, self.negative) = (stats.joined, stats.stale, stats.negative);
        (self.errors, self.loads, self.heard) = (stats.errors, stats.loads, stats.heard);
        (self.store_errors, self.in_flight) = (stats.store_errors, stats.in_flight);
    }

    fn counted(&self) -> u64 {
        self.l1 + self.l2 + self.loaded + self.joined + self.stale + self.negative + self.errors
    }

    /// What is not as it is promised.
    pub(crate) fn complaints(&self, lasts: Duration) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut promise = |holds: bool, text: String| {
            if !holds {
                complaints.push(text);
            }
        };
        promise(
            self.answered == self.counted(),
            format!("{} answered, {} in the ledger", self.answered, self.counted()),
        );
        promise(
            self.begun == self.answered + self.cancelled,
            format!("{} begun, {} answered, {} cancelled", self.begun, self.answered, self.cancelled),
        );
        promise(
            self.failed == self.errors,
            format!("{} errors returned, {} counted", self.failed, self.errors),
        );
        promise(
            self.failed == self.wanted_failures,
            format!("{} errors, of which the loaders made {}", self.failed, self.wanted_failures),
        );
        promise(self.in_flight == 0, format!("{} flights are left", self.in_flight));
        promise(self.tasks_left == 0, format!("{} tasks are left", self.tasks_left));
        promise(self.too_old == 0, format!("{} reads were stale beyond the bound", self.too_old));
        promise(self.judged > 0, "no read was judged".to_owned());
        let (early, late) = self.memory;
        // A shorter soak ends before L1 and the allocator have settled.
        promise(
            lasts < Duration::from_secs(300) || late * 100 <= early * 105,
            format!("memory grew from {early} to {late} kB"),
        );
        complaints
    }
}

/// One figure of a process.
type Figure = fn(&Report) -> u64;

/// Prints one row a process and one of all.
pub(crate) fn print(reports: &[Report], lasts: Duration) {
    let all = |what: Figure| reports.iter().map(what).sum::<u64>();
    let rows: [(&str, Figure); 22] = [
        ("requests begun", |of| of.begun),
        ("answered", |of| of.answered),
        ("cancelled", |of| of.cancelled),
        ("  from L1", |of| of.l1),
        ("  from L2", |of| of.l2),
        ("  loaded", |of| of.loaded),
        ("  joined", |of| of.joined),
        ("  stale", |of| of.stale),
        ("  negative", |of| of.negative),
        ("  errors", |of| of.errors),
        ("  sum of these", Report::counted),
        ("loaders run", |of| of.loads),
        ("changes made", |of| of.changes),
        ("changes heard", |of| of.heard),
        ("failures of L2", |of| of.store_errors),
        ("reads judged", |of| of.judged),
        ("too old", |of| of.too_old),
        ("old in an outage", |of| of.old_in_outage),
        ("flights and tasks left", |of| of.in_flight + of.tasks_left),
        ("kB after warm-up", |of| of.memory.0),
        ("kB at the end", |of| of.memory.1),
        ("p99 us", |of| of.p99_us),
    ];
    for (name, what) in rows {
        let each: String = reports.iter().map(|report| format!("{:>12}", what(report))).collect();
        println!("{name:<24}{each}{:>14}", if name == "p99 us" { 0 } else { all(what) });
    }
    println!("{:.0} requests a second\n", all(|of| of.begun) as f64 / lasts.as_secs_f64());
}
