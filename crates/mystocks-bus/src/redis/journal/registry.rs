//! Which channels have journals: who listens to a pattern cannot know otherwise what it missed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mystocks_redis_core::{Call, Error as Cause, Script};
use tokio::time::Instant;

use super::{LIFE_MILLIS, Streams};

static REGISTER: Script = Script::new(include_str!("register.lua"));

/// After so long a channel that is published on is registered again.
const ANEW: Duration = Duration::from_secs(60 * 60);

/// So long after it was registered a channel may have a journal: registered anew or not, it had its last message soon after that hour.
pub(super) const REGISTERED_MILLIS: u64 = LIFE_MILLIS + 2 * ANEW.as_secs() * 1000;

/// What this process has registered, and when.
#[derive(Debug, Default)]
pub(super) struct Registry {
    known: Mutex<HashMap<String, Instant>>,
}

impl Registry {
    /// Registers those of the channels that are not; before anything is published on them, so that whoever finds one in no journal may be sure.
    pub(super) async fn register(&self, streams: &Streams, names: &[&str]) -> Result<(), Cause> {
        let unknown: Vec<&str> = {
            let known = self.known();
            let is_known = |name: &str| known.get(name).is_some_and(|since| since.elapsed() < ANEW);
            names.iter().copied().filter(|name| !is_known(name)).collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let key = streams.keyspace.journals().channels();
        // It outlives the journal by far.
        let life = (2 * LIFE_MILLIS).to_string();
        let mut args = vec![life.as_bytes()];
        args.extend(unknown.iter().map(|name| name.as_bytes()));
        let begun = Instant::now();
        streams.redis.script::<u8>(&REGISTER, &[key.as_str()], &args, Call::repeatable()).await?;
        let mut known = self.known();
        if known.len() == known.capacity() {
            known.retain(|_, since| since.elapsed() < ANEW);
        }
        known.extend(unknown.into_iter().map(|name| (name.to_owned(), begun)));
        Ok(())
    }

    pub(super) fn forget(&self, names: &[&str]) {
        let mut known = self.known();
        for name in names {
            known.remove(*name);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
