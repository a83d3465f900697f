//! Subscriptions that are called instead of asked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::time::Instant;

use crate::RedisManager;
use crate::board::{Board, Inbox, Message};
use crate::subscription::Event;
use crate::topic::Topic;

/// A subscription that calls a function with each event; dropping it unsubscribes.
pub struct Listening {
    id: u64,
    board: Arc<Board>,
}

impl RedisManager {
    /// Subscribes to all of `channels` as [`subscribe`](Self::subscribe) does, and calls `hear` with each event.
    ///
    /// It is called where the connection is read, which saves the time until another task runs, and holds up every other
    /// subscription of the manager: it has to be quick, and must not wait, subscribe or end a subscription. The first event is
    /// [`Event::Up`], or [`Event::Down`] when connecting failed; the last, after [`RedisManager::shutdown`], is [`Event::Closed`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = mystocks_testkit::RedisServer::start().await;
    /// # let settings = mystocks_config::RedisSettings::from_url(&server.url())?;
    /// use mystocks_redis_core::{Call, Event, RedisManager};
    ///
    /// let redis = RedisManager::start(&settings).await?;
    /// let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    /// let _listening = redis.listen(&["news"], move |event| drop(sender.send(event)));
    /// assert_eq!(events.recv().await, Some(Event::Up));
    /// let _: u64 = redis.query(redis::cmd("PUBLISH").arg("news").arg("hello"), Call::once()).await?;
    /// let Some(Event::Message { payload, .. }) = events.recv().await else { panic!("a message") };
    /// assert_eq!(&*payload, b"hello");
    /// # Ok(()) }
    /// ```
    pub fn listen(&self, channels: &[&str], hear: impl Fn(Event) + Send + Sync + 'static) -> Listening {
        self.listen_to(Topic::channels(channels), hear)
    }

    /// Subscribes to all channels that match one of `patterns`, in Redis' glob syntax, as [`listen`](Self::listen) does.
    ///
    /// A message comes once for each of the patterns that its channel matches.
    pub fn listen_by_pattern(
        &self,
        patterns: &[&str],
        hear: impl Fn(Event) + Send + Sync + 'static,
    ) -> Listening {
        self.listen_to(Topic::patterns(patterns), hear)
    }

    fn listen_to(
        &self,
        topics: impl Iterator<Item = Topic>,
        hear: impl Fn(Event) + Send + Sync + 'static,
    ) -> Listening {
        let board = Arc::clone(&self.core().board);
        let ear = Ear { hear, stands: AtomicU8::new(UNDECIDED) };
        let id = board.join(topics, Arc::new(ear));
        Listening { id, board }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.board.leave(self.id);
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("id", &self.id).finish_non_exhaustive()
    }
}

const UNDECIDED: u8 = 0;
const UP: u8 = 1;
const DOWN: u8 = 2;
const CLOSED: u8 = 3;

/// Calls `hear`, always under the board's lock.
struct Ear<F> {
    hear: F,
    stands: AtomicU8,
}

impl<F: Fn(Event) + Send + Sync> Ear<F> {
    fn stand(&self, stand: u8, event: Event) {
        if self.stands.swap(stand, Ordering::Relaxed) != stand {
            (self.hear)(event);
        }
    }
}

impl<F: Fn(Event) + Send + Sync> Inbox for Ear<F> {
    fn up(&self) {
        self.stand(UP, Event::Up);
    }

    fn down(&self, since: Instant) {
        self.stand(DOWN, Event::Down { since });
    }

    fn deliver(&self, (channel, payload): Message) {
        if self.stands.load(Ordering::Relaxed) == UP {
            (self.hear)(Event::Message { channel, payload });
        }
    }

    fn close(&self) {
        self.stand(CLOSED, Event::Closed);
    }
}
