//! Reading the same keys over and over, and when which version was seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::ask::{Sighting, Watched, now_us};
use crate::desk::Shop;

/// How many readers share the keys, so that one that waits for a load does not stop the others.
const READERS: usize = 4;

/// A watch that goes on until it is dropped.
pub(crate) struct Watch {
    watched: Arc<Mutex<Watched>>,
    _readers: JoinSet<()>,
}

impl Watch {
    pub(crate) fn start(shop: &Shop, names: &[String], pause: Duration, compute: Duration) -> Self {
        let watched = Arc::new(Mutex::new(Watched::default()));
        let mut readers = JoinSet::new();
        for part in names.chunks(names.len().div_ceil(READERS).max(1)) {
            let (shop, part, watched) = (shop.clone(), part.to_vec(), Arc::clone(&watched));
            readers.spawn(async move {
                loop {
                    for name in &part {
                        let began = now_us();
                        let read = shop.read(name, compute).await;
                        let mut watched = watched.lock().unwrap();
                        watched.reads += 1;
                        match read {
                            Ok(read) => note(&mut watched.seen, name, read.value.version, began),
                            Err(error) => watched.errors.push(error.to_string()),
                        }
                    }
                    tokio::time::sleep(pause).await;
                }
            });
        }
        Self { watched, _readers: readers }
    }

    pub(crate) fn so_far(&self) -> Watched {
        self.watched.lock().unwrap().clone()
    }
}

fn note(seen: &mut BTreeMap<String, Vec<Sighting>>, name: &str, version: u64, at: u64) {
    let sightings = match seen.get_mut(name) {
        Some(sightings) => sightings,
        None => seen.entry(name.to_owned()).or_default(),
    };
    match sightings.last_mut() {
        Some(last) if last.version == version => last.last_us = at,
        _ => sightings.push(Sighting { version, first_us: at, last_us: at }),
    }
}

impl Watched {
    /// The start of the last read of `name` that was answered with less than `version`.
    pub(crate) fn last_below(&self, name: &str, version: u64) -> Option<u64> {
        let old = self.seen.get(name)?.iter().filter(|sighting| sighting.version < version);
        old.map(|sighting| sighting.last_us).max()
    }

    /// The keys of which an older version was seen after a newer one.
    pub(crate) fn went_back(&self) -> Vec<&str> {
        let back = self.seen.iter().filter(|(_, sightings)| !sightings.is_sorted_by_key(|one| one.version));
        back.map(|(name, _)| name.as_str()).collect()
    }
}
