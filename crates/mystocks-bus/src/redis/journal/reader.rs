//! One listening: what is pushed goes straight to the ear, what was missed is read first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mystocks_redis_core::{Error as Cause, ErrorKind as CauseKind, Event, Listening as Pushed};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::state::State;
use super::store::Store;
use crate::error::{Error, ErrorKind};
use crate::hush::Hush;
use crate::transport::{Ear, Interest, Source, since};

/// So long it waits before it asks again what was not answered.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Reader {
    pub(super) store: Store,
    pub(super) interest: Interest,
    pub(super) ear: Arc<dyn Ear>,
    /// Locked within the connection's lock: what ends the pushing is dropped without it.
    state: Mutex<State>,
    changed: Notify,
    slot: Mutex<Slot>,
}

enum Slot {
    Empty,
    Held(#[expect(dead_code, reason = "it is there to be dropped")] Pushed),
    Ended,
}

/// Ends the listening when it is dropped.
pub(super) struct Leaves {
    reader: Arc<Reader>,
    _task: AbortOnDropHandle<()>,
}

impl Drop for Leaves {
    fn drop(&mut self) {
        self.reader.state().end(false);
        let held = std::mem::replace(&mut *self.reader.slot(), Slot::Ended);
        drop(held);
    }
}

impl Reader {
    pub(super) fn start(
        store: Store,
        interest: &Interest,
        ear: Arc<dyn Ear>,
        tasks: &TaskTracker,
        runtime: &Handle,
    ) -> Result<Leaves, Error> {
        if let Source::Channels(channels) = &interest.source {
            for channel in channels {
                store.keyspace.journal(channel).map_err(|error| {
                    Error::new(ErrorKind::InvalidArgument, "subscribe to", channel.name()).with_source(error)
                })?;
            }
        }
        let state = State::new(Arc::clone(&ear), store.keyspace.clone());
        let reader = Arc::new(Self {
            store,
            interest: interest.clone(),
            ear,
            state: Mutex::new(state),
            changed: Notify::new(),
            slot: Mutex::new(Slot::Empty),
        });
        let task = tasks.spawn_on(Arc::clone(&reader).run(), runtime);
        Ok(Leaves { reader, _task: AbortOnDropHandle::new(task) })
    }

    async fn run(self: Arc<Self>) {
        let mut hush = Hush::default();
        // Where it begins has to be known before anything is pushed: what is pushed and lost before that would be missed by nobody.
        while let Err(error) = self.begin().await {
            if error.kind() == CauseKind::Closed {
                return self.state().end(true);
            }
            self.state().absent(self.is_given());
            pause(&mut hush, &error).await;
        }
        self.attach();
        while !self.state().has_ended() {
            self.changed.notified().await;
            while let Some(turn) = self.is_behind() {
                if let Err(error) = self.catch_up(turn).await {
                    pause(&mut hush, &error).await;
                }
            }
        }
    }

    async fn begin(&self) -> Result<(), Cause> {
        let begun = Instant::now();
        let mut standing = self.store.standing(self.pattern()).await?;
        let channels = match &self.interest.source {
            Source::Channels(channels) => channels.clone(),
            Source::Pattern(_) => std::mem::take(&mut standing.channels),
        };
        let journals: Vec<_> =
            channels.iter().filter_map(|channel| self.store.keyspace.journal(channel).ok()).collect();
        let ends = self.store.ends(journals.iter()).await?;
        let wall =
            UNIX_EPOCH.checked_add(Duration::from_millis(standing.now)).unwrap_or_else(SystemTime::now);
        let mut state = self.state();
        state.begin(begun, standing);
        for (channel, end) in channels.iter().zip(ends) {
            let given = self.interest.after.get(channel).map(|id| (*id, Some(since(*id, wall, begun))));
            state.admit(channel, given.or(end.map(|end| (end.last, None))));
        }
        Ok(())
    }

    /// Has everything pushed from now on.
    fn attach(self: &Arc<Self>) {
        let reader = Arc::clone(self);
        let hear = move |event| reader.hear(event);
        let pushed = match &self.interest.source {
            Source::Channels(_) => {
                let journals = self.state().journals();
                let names: Vec<&str> = journals.iter().map(|(live, _)| &**live).collect();
                self.store.redis.listen(&names, hear)
            }
            Source::Pattern(pattern) => {
                let pattern = self.store.keyspace.journal_pattern(pattern);
                self.store.redis.listen_by_pattern(&[&pattern], hear)
            }
        };
        let mut slot = self.slot();
        if matches!(*slot, Slot::Empty) {
            *slot = Slot::Held(pushed);
        } else {
            drop(slot);
            drop(pushed);
        }
    }

    fn hear(&self, event: Event) {
        let mut state = self.state();
        match event {
            Event::Message { channel, payload } => return state.push(&channel, payload),
            Event::Up => state.up(),
            Event::Down { since } => state.down(since),
            Event::Closed => state.end(true),
        }
        self.changed.notify_one();
    }

    /// Returns whether it is known already where all of it begins.
    fn is_given(&self) -> bool {
        match &self.interest.source {
            Source::Channels(channels) => {
                channels.iter().all(|channel| self.interest.after.contains_key(channel))
            }
            Source::Pattern(_) => false,
        }
    }

    fn is_behind(&self) -> Option<u64> {
        self.state().is_behind()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pause(hush: &mut Hush, error: &Cause) {
    if let Some(times) = hush.say() {
        tracing::warn!(%error, times, "a listener cannot read what it missed yet");
    }
    sleep(PAUSE).await;
}
