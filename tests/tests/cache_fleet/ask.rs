//! What a process of the fleet can be asked, and what it answers.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mystocks_cache::Policy;
use serde::{Deserialize, Serialize};

/// The cached value: the version that the source had when its load began, and the process that loaded it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) maker: u32,
}

/// How a process's cache is set up; everything else is the default.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// The Redis that is L2.
    pub(crate) url: String,
    /// The Redis that plays the source behind the loaders; it is always there.
    pub(crate) source: String,
    pub(crate) is_tracked: bool,
    pub(crate) is_shared: bool,
    pub(crate) ttl: Duration,
    pub(crate) l1_ttl: Duration,
    pub(crate) early: f64,
    pub(crate) l2_timeout: Duration,
    pub(crate) tag: Option<String>,
}

impl Setup {
    pub(crate) fn new(url: &str, source: &str) -> Self {
        Self {
            url: url.to_owned(),
            source: source.to_owned(),
            is_tracked: false,
            is_shared: false,
            ttl: Duration::from_secs(3600),
            l1_ttl: Duration::from_secs(3600),
            early: 0.0,
            l2_timeout: Duration::from_millis(250),
            tag: None,
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            ttl: self.ttl,
            l1_ttl: self.l1_ttl,
            jitter: 0.0,
            early_refresh: self.early,
            l2_timeout: self.l2_timeout,
            ..Policy::default()
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    Open(Setup),
    /// So many callers ask for one key at the time `at_us`.
    Herd {
        name: String,
        callers: usize,
        compute: Duration,
        at_us: u64,
    },
    /// Starts a load that takes so long, and answers when its loader runs.
    Lead {
        name: String,
        compute: Duration,
    },
    Read {
        names: Vec<String>,
    },
    Peek {
        names: Vec<String>,
    },
    Warm {
        names: Vec<String>,
    },
    Invalidate {
        names: Vec<String>,
    },
    Set {
        names: Vec<String>,
        version: u64,
    },
    Tag(String),
    Watch {
        names: Vec<String>,
        pause: Duration,
        compute: Duration,
    },
    Watched,
    Steady(Load),
    Figures,
    Rest,
    State,
}

/// A steady load: half of the requests go to a few keys that L1 holds, half to keys nobody asked this process for yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) per_second: u64,
    pub(crate) cold_half: bool,
    pub(crate) names: Vec<String>,
    pub(crate) compute: Duration,
}

/// What a herd got.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Herd {
    /// How many callers got which value.
    pub(crate) got: BTreeMap<String, usize>,
    pub(crate) took_us: Vec<u64>,
}

/// A value as a process read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Got {
    pub(crate) version: u64,
    pub(crate) tier: String,
}

/// When reads that began then were answered with this version.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Sighting {
    pub(crate) version: u64,
    pub(crate) first_us: u64,
    pub(crate) last_us: u64,
}

/// What a watching process saw of each key, in the order it saw it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Watched {
    pub(crate) seen: BTreeMap<String, Vec<Sighting>>,
    pub(crate) reads: u64,
    pub(crate) errors: Vec<String>,
}

/// What became of a steady load since the last time it was asked.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) requests: u64,
    pub(crate) errors: Vec<String>,
    /// What a request took beyond the compute it waited for, in microseconds, sorted.
    pub(crate) added_us: Vec<u64>,
    /// The keys that were loaded more than once, and when.
    pub(crate) loaded_again: Vec<String>,
    pub(crate) most_loads_at_once: u64,
    pub(crate) loader_waits: u64,
}

/// How a process stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stand {
    pub(crate) reads: bool,
    pub(crate) writes: bool,
    pub(crate) hears_others: bool,
    pub(crate) queued: u64,
    pub(crate) store_errors: u64,
    pub(crate) loads: u64,
    pub(crate) refreshes: u64,
    pub(crate) in_flight: u64,
}

/// Microseconds since the Unix epoch: the one clock that all processes here share.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_micros()).unwrap()
}

/// The value below which `percent` of the sorted values are.
pub(crate) fn percentile(sorted: &[u64], percent: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index of a short list"
    )]
    let at = (sorted.len().saturating_sub(1) as f64 * percent / 100.0).round() as usize;
    sorted.get(at).copied().unwrap_or(0)
}
