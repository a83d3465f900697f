//! What happened, and what a read may therefore answer.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub(crate) const KEYS: usize = 5;
pub(crate) const TAGS: usize = 2;
/// After this time every other process knows of a change.
const HEARD: Duration = Duration::from_millis(50);
/// After this time a process that hears nothing serves nothing older.
const UNHEARD: Duration = Duration::from_millis(1_300);

/// A value: what the database said, and when it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Datum {
    pub(crate) key: usize,
    pub(crate) version: u64,
    pub(crate) read: u64,
    pub(crate) tags: [bool; TAGS],
}

/// What a change ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Covers {
    Key(usize),
    /// A value for this key was set.
    Set(usize),
    /// This key, by a pattern.
    Match(usize),
    Tag(usize),
    All,
}

impl Covers {
    fn key(self) -> Option<usize> {
        match self {
            Self::Key(key) | Self::Set(key) | Self::Match(key) => Some(key),
            Self::Tag(_) | Self::All => None,
        }
    }
}

#[derive(Debug)]
struct Change {
    covers: Covers,
    node: usize,
    began: u64,
    began_at: Instant,
    returned_at: Option<Instant>,
}

/// The oldest answers that a read which begins now may get: by tags, and at all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Floor {
    any: u64,
    tags: [u64; TAGS],
    node: usize,
    key: usize,
}

/// The database, and the history of one world.
#[derive(Debug)]
pub(crate) struct Ledger {
    clock: AtomicU64,
    history: Mutex<History>,
}

#[derive(Debug, Default)]
struct History {
    versions: [u64; KEYS],
    changes: Vec<Change>,
    /// When each node's link was cut and healed.
    cuts: Vec<(usize, Instant, Option<Instant>)>,
    hurried: bool,
    /// The last stamp and version that L2 got, by keys.
    written: [(u64, u64); KEYS],
    figures: Figures,
    failure: Option<String>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { clock: AtomicU64::new(1), history: Mutex::default() }
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap()
    }

    /// Asks the database.
    pub(crate) fn ask(&self, key: usize, tags: [bool; TAGS]) -> Datum {
        let mut history = self.history();
        history.figures.loads += 1;
        Datum { key, version: history.versions[key], read: self.tick(), tags }
    }

    /// Changes what `covers` in the database, and enters that the caches are going to be told; returns the change's number.
    pub(crate) fn change(&self, node: usize, covers: Covers) -> (usize, u64) {
        let mut history = self.history();
        for (key, version) in history.versions.iter_mut().enumerate() {
            if covers.key().is_none_or(|only| only == key) {
                *version += 1;
            }
        }
        let began = self.tick();
        history.figures.changes += 1;
        let change = Change { covers, node, began, began_at: Instant::now(), returned_at: None };
        history.changes.push(change);
        (history.changes.len() - 1, began)
    }

    pub(crate) fn changed(&self, change: usize) {
        self.history().changes[change].returned_at = Some(Instant::now());
    }

    /// Enters that readers wait for L2 no longer than it may take: L2 is away for them, and what only a lost link put in
    /// doubt may be served.
    pub(crate) fn hurry(&self) {
        self.history().hurried = true;
    }

    pub(crate) fn version(&self, key: usize) -> u64 {
        self.history().versions[key]
    }

    pub(crate) fn link(&self, node: usize, cut: bool) {
        let mut history = self.history();
        let open = history.cuts.iter_mut().find(|(of, _, healed)| *of == node && healed.is_none());
        match (open, cut) {
            (Some(open), false) => open.2 = Some(Instant::now()),
            (None, true) => history.cuts.push((node, Instant::now(), None)),
            _ => {}
        }
    }

    /// Returns what a read on `node` that begins now has to be newer than.
    pub(crate) fn floor(&self, node: usize, key: usize) -> Floor {
        let history = self.history();
        let mut floor = Floor { node, key, ..Floor::default() };
        for change in history.changes.iter().filter(|change| history.is_known(change, node)) {
            match change.covers {
                Covers::Tag(tag) => floor.tags[tag] = floor.tags[tag].max(change.began),
                covers if covers.key().is_none_or(|only| only == key) => {
                    floor.any = floor.any.max(change.began);
                }
                _ => {}
            }
        }
        floor
    }

    /// Judges what a read answered.
    pub(crate) fn judge(&self, floor: &Floor, how: &str, datum: &Datum) {
        let mut history = self.history();
        history.figures.checked += 1;
        let tagged = floor.tags.iter().zip(datum.tags).filter(|(_, has)| *has).map(|(least, _)| *least);
        let least = tagged.fold(floor.any, u64::max);
        if datum.key != floor.key {
            history.fail(format!("node {} got {datum:?} for key {}", floor.node, floor.key));
        } else if datum.read < least {
            let change = history.changes.iter().find(|change| change.began == least);
            let cuts: Vec<_> = history.cuts.iter().filter(|(of, ..)| *of == floor.node).collect();
            let now = Instant::now();
            let what = format!(
                "at {now:?} node {} {how}: stale {datum:?} after {change:?}; its link: {cuts:?}",
                floor.node
            );
            history.fail(what);
        }
    }

    /// Judges what L2 has just got.
    pub(crate) fn wrote(&self, stamp: u64, datum: &Datum) {
        let mut history = self.history();
        history.figures.commits += 1;
        let (last, version) = history.written[datum.key];
        if stamp <= last || datum.version < version {
            history.fail(format!("L2 went back: {datum:?} at {stamp} after version {version} at {last}"));
        }
        history.written[datum.key] = (stamp, datum.version);
    }

    pub(crate) fn fail(&self, what: String) {
        self.history().fail(what);
    }

    pub(crate) fn count(&self, what: impl FnOnce(&mut Figures)) {
        what(&mut self.history().figures);
    }

    pub(crate) fn verdict(&self) -> Result<Figures, String> {
        let history = self.history();
        history.failure.clone().map_or(Ok(history.figures), Err)
    }
}

impl History {
    fn is_known(&self, change: &Change, node: usize) -> bool {
        let Some(returned) = change.returned_at else { return false };
        if change.node == node {
            return true;
        }
        let now = Instant::now();
        let mut from = returned + HEARD;
        for (_, cut, healed) in self.cuts.iter().filter(|(of, ..)| *of == node) {
            let may_be_missed =
                *cut <= returned + HEARD && healed.is_none_or(|healed| healed + HEARD >= change.began_at);
            if self.hurried && may_be_missed {
                return false;
            }
            match healed {
                None => return returned + UNHEARD < now,
                Some(healed) if *healed + HEARD >= change.began_at => from = from.max(*healed + HEARD),
                Some(_) => {}
            }
        }
        from < now
    }

    fn fail(&mut self, what: String) {
        self.failure.get_or_insert(what);
    }
}

/// How much was tried.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) worlds: u64,
    pub(crate) checked: u64,
    pub(crate) changes: u64,
    pub(crate) loads: u64,
    pub(crate) commits: u64,
    pub(crate) stale: u64,
    pub(crate) errors: u64,
    pub(crate) abandoned: u64,
    pub(crate) cuts: u64,
    pub(crate) l1: u64,
    pub(crate) l2: u64,
    pub(crate) refreshes: u64,
    pub(crate) overtaken: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, more: &Self) {
        for (sum, more) in [
            (&mut self.worlds, more.worlds),
            (&mut self.checked, more.checked),
            (&mut self.changes, more.changes),
            (&mut self.loads, more.loads),
            (&mut self.commits, more.commits),
            (&mut self.stale, more.stale),
            (&mut self.errors, more.errors),
            (&mut self.abandoned, more.abandoned),
            (&mut self.cuts, more.cuts),
            (&mut self.l1, more.l1),
            (&mut self.l2, more.l2),
            (&mut self.refreshes, more.refreshes),
            (&mut self.overtaken, more.overtaken),
        ] {
            *sum += more;
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checked, changes, loads, commits, stale, errors, abandoned, cuts, l1, l2, .. } = self;
        write!(
            f,
            "{checked} reads judged ({l1} from L1, {l2} from L2, {stale} served stale), {changes} changes, "
        )?;
        write!(
            f,
            "{loads} questions to the database, {commits} writes to L2, {} early refreshes, ",
            self.refreshes
        )?;
        write!(f, "{} loads overtaken, {errors} loads failed, ", self.overtaken)?;
        write!(f, "{abandoned} callers went away, {cuts} links cut")
    }
}
