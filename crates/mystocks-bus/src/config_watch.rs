//! Settings that are read anew when somebody says that they changed.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use mystocks_config::{
    BusSettings, CacheSettings, Loader, LockSettings, RedisSettings, SessionSettings, Settings,
};
use tokio::sync::{Mutex, watch};

use crate::bus::Bus;
use crate::error::Error;
use crate::event::ConfigReloaded;
use crate::feed::Overflow;
use crate::listener::Listener;
use crate::metric;
use crate::subscription::Delivery;
use crate::topics::Topics;

/// Reads the settings anew on each `config:reloaded`, and tells each section's watchers when that section differs.
///
/// It also reads them anew when it starts and after every [`Gap`](crate::Gap), in which an event may have been missed. Settings that cannot be read
/// leave everything as it was. Which configuration the event names is not looked at: the programs of the platform do not name them alike.
///
/// Dropping it ends that; the receivers keep what they saw last.
#[derive(Debug)]
#[must_use = "dropping it ends the watching"]
pub struct ConfigWatch {
    sections: Arc<Sections>,
    listener: Listener,
}

/// How often a [`ConfigWatch`] read the settings anew, by what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ConfigReloads {
    /// Something differed.
    pub changed: u64,
    /// Nothing differed.
    pub unchanged: u64,
    /// They could not be read, and stay what they were.
    pub failed: u64,
}

impl ConfigWatch {
    /// Begins to watch, with `initial` as what was read so far; `loader` knows the files and the environment.
    ///
    /// The files are read again, the environment is the one that the loader was given.
    ///
    /// # Errors
    /// As [`Bus::subscribe`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(bus: &Bus, loader: Loader, initial: Settings) -> Result<Self, Error> {
        let sections = Arc::new(Sections::new(loader, initial));
        let topics = Topics::from(ConfigReloaded::topic()).overflow(Overflow::Conflate).messages(16);
        let reader = Arc::clone(&sections);
        let listener = bus
            .on_delivery(topics, move |delivery: Delivery<ConfigReloaded>| {
                let reader = Arc::clone(&reader);
                async move {
                    match delivery {
                        Delivery::Event(event) => {
                            tracing::debug!(config_type = event.config_type, "settings are read anew");
                        }
                        Delivery::Gap(_) => tracing::debug!("settings are read anew after a gap"),
                    }
                    reader.read().await;
                }
            })
            .await?;
        // They may have changed between the first read and the subscription.
        sections.read().await;
        Ok(Self { sections, listener })
    }

    /// Returns the settings as they were last read.
    pub fn settings(&self) -> Settings {
        self.sections.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Watches where Redis is and how connections behave.
    pub fn redis(&self) -> watch::Receiver<RedisSettings> {
        self.sections.redis.subscribe()
    }

    /// Watches the settings of the cache.
    pub fn cache(&self) -> watch::Receiver<CacheSettings> {
        self.sections.cache.subscribe()
    }

    /// Watches the settings of the bus.
    pub fn bus(&self) -> watch::Receiver<BusSettings> {
        self.sections.bus.subscribe()
    }

    /// Watches the settings of the locks.
    pub fn lock(&self) -> watch::Receiver<LockSettings> {
        self.sections.lock.subscribe()
    }

    /// Watches the settings of the sessions.
    pub fn session(&self) -> watch::Receiver<SessionSettings> {
        self.sections.session.subscribe()
    }

    /// Returns how often they were read anew.
    pub fn reloads(&self) -> ConfigReloads {
        self.sections.counters.snapshot()
    }

    /// Goes on until the bus is shut down or dropped, without this handle; receivers must have been taken before.
    pub fn detach(self) {
        self.listener.detach();
    }
}

struct Sections {
    loader: Arc<Loader>,
    settings: RwLock<Settings>,
    redis: watch::Sender<RedisSettings>,
    cache: watch::Sender<CacheSettings>,
    bus: watch::Sender<BusSettings>,
    lock: watch::Sender<LockSettings>,
    session: watch::Sender<SessionSettings>,
    /// Held from before the files are read, so that what was read later is also told later.
    turn: Mutex<()>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    changed: AtomicU64,
    unchanged: AtomicU64,
    failed: AtomicU64,
}

impl Counters {
    fn snapshot(&self) -> ConfigReloads {
        ConfigReloads {
            changed: self.changed.load(Ordering::Acquire),
            unchanged: self.unchanged.load(Ordering::Acquire),
            failed: self.failed.load(Ordering::Acquire),
        }
    }
}

impl Sections {
    fn new(loader: Loader, initial: Settings) -> Self {
        Self {
            loader: Arc::new(loader),
            redis: watch::Sender::new(initial.redis.clone()),
            cache: watch::Sender::new(initial.cache.clone()),
            bus: watch::Sender::new(initial.bus.clone()),
            lock: watch::Sender::new(initial.lock.clone()),
            session: watch::Sender::new(initial.session.clone()),
            settings: RwLock::new(initial),
            turn: Mutex::default(),
            counters: Counters::default(),
        }
    }

    async fn read(&self) {
        let _turn = self.turn.lock().await;
        let loader = Arc::clone(&self.loader);
        let (counter, outcome) = match tokio::task::spawn_blocking(move || loader.load()).await {
            Ok(Ok(settings)) => match self.take(settings) {
                true => (&self.counters.changed, "changed"),
                false => (&self.counters.unchanged, "unchanged"),
            },
            Ok(Err(error)) => {
                tracing::warn!(%error, "settings cannot be read anew and stay what they were");
                (&self.counters.failed, "failed")
            }
            Err(_) => {
                // What it panicked with may show a value.
                tracing::warn!(error = "it panicked", "settings cannot be read anew and stay what they were");
                (&self.counters.failed, "failed")
            }
        };
        counter.fetch_add(1, Ordering::AcqRel);
        metric::config_reload(outcome);
    }

    /// Tells the watchers of what differs, and returns whether anything does.
    fn take(&self, settings: Settings) -> bool {
        let mut held = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        if *held == settings {
            return false;
        }
        held.clone_from(&settings);
        drop(held);
        tell(&self.redis, settings.redis);
        tell(&self.cache, settings.cache);
        tell(&self.bus, settings.bus);
        tell(&self.lock, settings.lock);
        tell(&self.session, settings.session);
        true
    }
}

fn tell<T: PartialEq>(watchers: &watch::Sender<T>, section: T) {
    watchers.send_if_modified(|held| {
        let differs = *held != section;
        *held = section;
        differs
    });
}

impl fmt::Debug for Sections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sections").field("loader", &self.loader).finish_non_exhaustive()
    }
}
