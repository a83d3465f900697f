//! Subscriptions to channels.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::RedisManager;
use crate::board::{Board, Inbox, Message};
use crate::mailbox::{Mailbox, Notice};
use crate::topic::Topic;

/// What happens on a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server has confirmed all channels: no later message is missed until [`Event::Down`].
    Up,
    /// A message, in the order the server sent it.
    Message {
        /// The channel it came on.
        channel: Arc<str>,
        /// What was published.
        payload: Bytes,
    },
    /// Messages may be missed from here on until [`Event::Up`]: the connection is lost, not there yet, refused, or this subscription did not keep up.
    Down {
        /// What was published before has come.
        since: Instant,
    },
    /// Nothing comes any more: the manager was shut down. Only who [listens](RedisManager::listen) is told; [`Subscription::next`] answers `None`.
    Closed,
}

/// A subscription to channels, which comes back by itself after every loss; dropping it unsubscribes.
pub struct Subscription {
    id: u64,
    board: Arc<Board>,
    mailbox: Arc<Mailbox<Message>>,
}

impl RedisManager {
    /// Subscribes to all of `channels`, also while Redis is down; at most `capacity` messages wait for [`Subscription::next`].
    ///
    /// All subscriptions of a manager share one connection beside those for commands. It is asked for life every 400 ms, so a loss is seen
    /// within a second even when the network says nothing. A subscription that does not keep up holds up nobody: what does not fit is lost to
    /// it, and marked by [`Event::Down`] and [`Event::Up`] in its place.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = mystocks_testkit::RedisServer::start().await;
    /// # let settings = mystocks_config::RedisSettings::from_url(&server.url())?;
    /// use mystocks_redis_core::{Call, Event, RedisManager};
    ///
    /// let redis = RedisManager::start(&settings).await?;
    /// let mut news = redis.subscribe(&["news"], 1000);
    /// assert_eq!(news.next().await, Some(Event::Up)); // what is published from now on arrives
    /// let _: u64 = redis.query(redis::cmd("PUBLISH").arg("news").arg("hello"), Call::once()).await?;
    /// let Some(Event::Message { channel, payload }) = news.next().await else { panic!("a message") };
    /// assert_eq!((&*channel, &*payload), ("news", &b"hello"[..]));
    /// # Ok(()) }
    /// ```
    pub fn subscribe(&self, channels: &[&str], capacity: usize) -> Subscription {
        let board = Arc::clone(&self.core().board);
        let mailbox = Arc::new(Mailbox::new("subscription", capacity));
        let id = board.join(Topic::channels(channels), Arc::clone(&mailbox) as Arc<dyn Inbox>);
        Subscription { id, board, mailbox }
    }
}

impl Subscription {
    /// Waits for the next event; `None` after [`RedisManager::shutdown`] or with the manager's last clone, when all has been taken.
    ///
    /// The first event is [`Event::Up`], or [`Event::Down`] when connecting failed or nothing was confirmed within 1.5 s. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        Some(match self.mailbox.next().await? {
            Notice::Up => Event::Up,
            Notice::Down(since) => Event::Down { since },
            Notice::Message((channel, payload)) => Event::Message { channel, payload },
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.board.leave(self.id);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).finish_non_exhaustive()
    }
}
