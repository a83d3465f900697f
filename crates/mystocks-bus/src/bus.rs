//! The front: what callers publish with and subscribe to.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use mystocks_config::BusSettings;
use mystocks_keys::Keyspace;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use tracing::instrument;

use crate::envelope::Envelope;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::feed::Feed;
use crate::hub;
use crate::listener::{self, Listener};
use crate::memory::MemoryTransport;
use crate::metric;
use crate::payload;
use crate::subscription::{Delivery, Received, Subscription};
use crate::topic::Topic;
use crate::topics::Topics;
use crate::transport::{Ear, Outgoing, Transport};

/// How long [`Bus::subscribe`] waits for the transport before it leaves the rest to the background.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1500);

/// Publishes events and hands them to those who subscribed; cloning it is cheap.
///
/// Events are live: who is not subscribed at that moment does not get them, and who was cut off is told so.
///
/// Dropping its last clone ends every subscription as [`shutdown`](Self::shutdown) does: what waits can still be taken, and handlers
/// handle it, but nobody waits for them. A handler that owns a clone keeps the bus until it is shut down.
#[derive(Clone)]
pub struct Bus {
    shared: Arc<Shared>,
}

struct Shared {
    transport: Arc<dyn Transport>,
    keyspace: Keyspace,
    source: String,
    feeds: Mutex<Feeds>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Feeds {
    open: Vec<Weak<Feed>>,
    hubs: Vec<Weak<hub::Shared>>,
    is_closed: bool,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let feeds = self.feeds.get_mut().unwrap_or_else(PoisonError::into_inner);
        feeds.open.iter().filter_map(Weak::upgrade).for_each(|feed| feed.close());
        feeds.hubs.iter().filter_map(Weak::upgrade).for_each(|hub| hub.close());
    }
}

impl Bus {
    /// Makes a bus on `transport`, whose own events name `source` as their origin, such as `indicators`.
    ///
    /// With `settings.enabled` off, `transport` is not used: events stay within this bus, which is said once in the log.
    pub fn new(
        transport: impl Transport,
        settings: &BusSettings,
        keyspace: &Keyspace,
        source: impl Into<String>,
    ) -> Self {
        let transport: Arc<dyn Transport> = if settings.enabled {
            Arc::new(transport)
        } else {
            tracing::warn!("REDIS_ENABLE_PUBSUB is off: events stay within this process");
            Arc::new(MemoryTransport::new())
        };
        let shared = Shared {
            transport,
            keyspace: keyspace.clone(),
            source: source.into(),
            feeds: Mutex::default(),
            tasks: TaskTracker::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Makes a bus in memory, with the default prefixes.
    pub fn memory() -> Self {
        let (settings, keyspace) = (BusSettings::default(), Keyspace::default());
        Self::new(MemoryTransport::new(), &settings, &keyspace, "memory")
    }

    /// Publishes `event` on [its topics](Event::topics), and returns how many listeners it had on all of them.
    ///
    /// A process that reads one connection for many subscriptions counts as one listener of each topic. 0 is no error: nobody listened.
    ///
    /// # Errors
    /// - [`ErrorKind::Encode`] for an event without a JSON form, [`ErrorKind::InvalidArgument`] for a topic that cannot be. Nothing was published.
    /// - [`ErrorKind::Unavailable`], [`ErrorKind::Transport`] when the server cannot be reached, or refuses.
    /// - [`ErrorKind::Unknown`] when it did not answer: it may have been published.
    /// - [`ErrorKind::Closed`] after [`Bus::shutdown`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open on which topics it was published.
    pub async fn publish<E: Event>(&self, event: &E) -> Result<u64, Error> {
        self.broadcast(&event.topics(), event).await
    }

    /// Publishes `event` on `topic`, as [`publish`](Self::publish) does.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    pub async fn publish_to<E: Event>(&self, topic: &Topic<E>, event: &E) -> Result<u64, Error> {
        self.broadcast(std::slice::from_ref(topic), event).await
    }

    /// Publishes `event` on each of `topics`, in one round trip, and returns how many listeners it had on all of them.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    #[instrument(name = "bus.publish", level = "debug", skip_all, fields(r#type = E::TYPE))]
    pub async fn broadcast<E: Event>(&self, topics: &[Topic<E>], event: &E) -> Result<u64, Error> {
        const OPERATION: &str = "publish on";
        let subject = || topics.first().map(Topic::text).unwrap_or_default();
        if self.is_closed() {
            return Err(Error::new(ErrorKind::Closed, OPERATION, subject()));
        }
        let channels = topics.iter().map(|topic| {
            topic.channel(&self.shared.keyspace).map_err(|error| {
                Error::new(ErrorKind::InvalidArgument, OPERATION, topic.text()).with_source(error)
            })
        });
        let channels = channels.collect::<Result<Vec<_>, _>>()?;
        let payload = payload::encode(event, || Envelope::new(event, &self.shared.source))
            .map_err(|error| Error::new(ErrorKind::Encode, OPERATION, subject()).with_source(error))?;
        let messages: Vec<_> =
            channels.iter().map(|channel| Outgoing { channel, payload: &payload }).collect();
        let begun = Instant::now();
        let published = self.shared.transport.publish(&messages).await;
        let outcome = match &published {
            Ok(receivers) if receivers.iter().all(|count| *count == 0) => "unheard",
            Ok(_) => "published",
            Err(_) => "failed",
        };
        metric::published(E::TYPE, outcome, begun.elapsed());
        Ok(published?.into_iter().sum())
    }

    /// Subscribes to `topics`, and returns when all that is published from now on will come.
    ///
    /// When the transport cannot be reached it returns after 1.5 s and goes on trying by itself: then the first thing that comes is a
    /// [`Gap`](crate::Gap) since this call.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidArgument`] for a topic or a pattern that cannot be, a queue without room, and a way to overflow that the
    ///   transport cannot serve.
    /// - [`ErrorKind::Closed`] after [`Bus::shutdown`].
    ///
    /// # Cancel safety
    /// Dropping the future unsubscribes.
    pub async fn subscribe<E: Event>(&self, topics: impl Into<Topics<E>>) -> Result<Subscription<E>, Error> {
        let topics = topics.into();
        let interest = topics.interest(&self.shared.keyspace)?;
        let begun = Instant::now();
        let feed = Arc::new(Feed::new(topics.backlog, payload::key_of::<E>));
        let name = topics.name();
        self.keep(&feed, &name)?;
        let ear = Arc::clone(&feed) as Arc<dyn Ear>;
        let listening = self.shared.transport.listen(&interest, ear)?;
        let prefix = self.shared.keyspace.prefixes().bus.len();
        let subscription = Subscription::new(feed, prefix, listening);
        let mut live = subscription.live();
        let feed = subscription.feed();
        let waiting = timeout(PATIENCE, live.wait_for(|_| feed.is_settled())).await;
        if self.is_closed() {
            return Err(Error::new(ErrorKind::Closed, "subscribe to", name));
        }
        if waiting.is_err() {
            tracing::warn!(r#type = E::TYPE, "a subscription waits for its transport");
            feed.owe(begun);
        }
        Ok(subscription)
    }

    /// Subscribes to `topics` and calls `handler` with one event after the other; gaps are logged.
    ///
    /// It has a task of its own: a slow handler fills its own queue only, and one that panics loses that event only.
    ///
    /// # Errors
    /// As [`Bus::subscribe`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn on<E, F>(
        &self,
        topics: impl Into<Topics<E>>,
        mut handler: impl FnMut(Received<E>) -> F + Send + 'static,
    ) -> Result<Listener, Error>
    where
        E: Event,
        F: Future<Output = ()> + Send + 'static,
    {
        let events = move |delivery| {
            let handling = match delivery {
                Delivery::Event(received) => Some(handler(received)),
                Delivery::Gap(_) => None,
            };
            async move {
                if let Some(handling) = handling {
                    handling.await;
                }
            }
        };
        self.on_delivery(topics, events).await
    }

    /// Subscribes to `topics` and calls `handler` with one event or gap after the other, as [`on`](Self::on) does.
    ///
    /// # Errors
    /// As [`Bus::subscribe`].
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn on_delivery<E, F>(
        &self,
        topics: impl Into<Topics<E>>,
        handler: impl FnMut(Delivery<E>) -> F + Send + 'static,
    ) -> Result<Listener, Error>
    where
        E: Event,
        F: Future<Output = ()> + Send + 'static,
    {
        let topics = topics.into();
        let name = topics.name();
        let subscription = self.subscribe(topics).await?;
        let listener = Listener::new(subscription.feed());
        // Under its lock, so that no shutdown has returned when the task begins.
        let feeds = self.feeds();
        if feeds.is_closed {
            return Err(Error::new(ErrorKind::Closed, "subscribe to", name));
        }
        self.shared.tasks.spawn(listener::serve(subscription, listener.stop(), handler));
        Ok(listener)
    }

    /// Ends every subscription and refuses new ones and publications; returns when all handlers have handled what waited for them.
    ///
    /// A handler that awaits it waits for itself. Dropping the future leaves the bus shut down, and the handlers to themselves.
    pub async fn shutdown(&self) {
        let (open, hubs) = {
            let mut feeds = self.feeds();
            feeds.is_closed = true;
            (std::mem::take(&mut feeds.open), std::mem::take(&mut feeds.hubs))
        };
        hubs.iter().filter_map(Weak::upgrade).for_each(|hub| hub.close());
        open.iter().filter_map(Weak::upgrade).for_each(|feed| feed.close());
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Remembers `feed` for the shutdown.
    fn keep(&self, feed: &Arc<Feed>, subject: &str) -> Result<(), Error> {
        let mut feeds = self.feeds();
        if feeds.is_closed {
            return Err(Error::new(ErrorKind::Closed, "subscribe to", subject));
        }
        // Half of them at most are gone, which costs each new one two looks.
        if feeds.open.len() == feeds.open.capacity() {
            feeds.open.retain(|feed| feed.strong_count() > 0);
        }
        feeds.open.push(Arc::downgrade(feed));
        Ok(())
    }

    /// Makes what a hub consists of, and remembers it for the shutdown.
    pub(crate) fn make_hub(&self) -> Arc<hub::Shared> {
        let hub = hub::Shared::new(Arc::clone(&self.shared.transport), self.shared.keyspace.clone());
        let hub = Arc::new(hub);
        let mut feeds = self.feeds();
        if feeds.is_closed {
            hub.close();
        } else {
            feeds.hubs.retain(|hub| hub.strong_count() > 0);
            feeds.hubs.push(Arc::downgrade(&hub));
        }
        hub
    }

    fn is_closed(&self) -> bool {
        self.feeds().is_closed
    }

    fn feeds(&self) -> std::sync::MutexGuard<'_, Feeds> {
        self.shared.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("transport", &self.shared.transport).finish_non_exhaustive()
    }
}
