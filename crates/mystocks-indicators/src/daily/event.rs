//! What the processes of a daily job tell each other, durably.

use std::borrow::Cow;

use mystocks_bus::{Event, Topic};
use serde::{Deserialize, Serialize};

use crate::symbol::Symbol;

/// The durable topic of the symbols that are to be computed.
pub(super) const WORK: &str = "indicators.daily.work";
/// The durable topic of what became of them.
pub(super) const OUTCOMES: &str = "indicators.daily.outcomes";
/// The group of all workers, on any number of machines.
pub(super) const GROUP: &str = "workers";

/// One symbol that is to be computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Work {
    pub(super) task_id: String,
    /// Which run of the task it is of: what its [`Params`](super::plan::Params) say.
    pub(super) run: String,
    pub(super) symbol: String,
    /// How often it was tried before it was handed on.
    #[serde(default)]
    pub(super) tried: u64,
    /// How often a worker handed it on that has other bars.
    #[serde(default)]
    pub(super) handed_on: u32,
}

impl Work {
    pub(super) fn new(task_id: &str, run: &str, symbol: &Symbol) -> Self {
        let symbol = symbol.as_str().to_owned();
        Self { task_id: task_id.to_owned(), run: run.to_owned(), symbol, tried: 0, handed_on: 0 }
    }
}

/// What became of some symbols; without any, a mark that its writer waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcomes {
    pub(super) task_id: String,
    pub(super) run: String,
    #[serde(default)]
    pub(super) mark: String,
    #[serde(default)]
    pub(super) symbols: Vec<Outcome>,
}

/// What became of one symbol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) symbol: String,
    pub(super) verdict: Verdict,
    /// How many indicators were computed.
    pub(super) computed: u64,
    /// How many rows were new or other than those that were recorded.
    pub(super) rows: u64,
    /// The version of the bars that it was computed from; none when there were none, or they could not be read.
    #[serde(default)]
    pub(super) version: Option<String>,
}

impl Outcome {
    /// What became of a symbol of which nothing was computed.
    pub(super) fn nothing(symbol: &str, verdict: Verdict) -> Self {
        Self { symbol: symbol.to_owned(), verdict, computed: 0, rows: 0, version: None }
    }

    /// Returns whether `later` says more than a repetition does.
    pub(super) fn gives_way_to(&self, later: &Self) -> bool {
        let is_failed = |outcome: &Self| matches!(outcome.verdict, Verdict::Failed(_));
        // One that failed without bars says nothing of those that it was computed from.
        let is_of_other_bars =
            later.version != self.version && (later.version.is_some() || !is_failed(later));
        is_failed(self) || is_of_other_bars
    }
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// What can be computed was.
    Succeeded,
    /// There was nothing to compute, for this reason.
    Skipped(String),
    /// It could not be computed, for this reason.
    Failed(String),
}

macro_rules! durable {
    ($event:ty, $name:literal, $topic:expr, $key:expr) => {
        impl Event for $event {
            const TYPE: &'static str = $name;

            fn topics(&self) -> Vec<Topic<Self>> {
                vec![Topic::new($topic)]
            }

            fn key(&self) -> Option<Cow<'_, str>> {
                let key: fn(&Self) -> &str = $key;
                Some(Cow::Borrowed(key(self)))
            }
        }
    };
}

durable!(Work, "indicators.daily.work", WORK, |work| &work.symbol);
durable!(Outcomes, "indicators.daily.outcomes", OUTCOMES, |outcomes| &outcomes.task_id);
