//! The one connection of all subscriptions, and what keeps it alive.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::board::Order;
use crate::core::Core;
use crate::failure::Reason;
use crate::pulse::{BEAT, NO_OWN_LIMIT, Pulse};
use crate::slot::STEADY;
use crate::topic::Topic;
use crate::{backoff, metric};

/// The name of this connection among the lanes.
const LANE: &str = "subscription";

/// How long a refused channel is left alone.
const REFUSAL_PAUSE: Duration = Duration::from_secs(2);

struct Link {
    connection: MultiplexedConnection,
    pulse: Pulse,
    ended: CancellationToken,
    /// When the last question was asked that has been answered: all that was published before has come.
    whole_until: Instant,
}

impl Core {
    /// Keeps the subscriptions' connection until the end, from the first subscription on.
    pub(crate) async fn keep_subscribed(&self) {
        let keeping = async {
            let mut failures = 0;
            let mut whole_until = Instant::now();
            loop {
                self.board.wanted().await;
                match self.link().await {
                    Err(error) => {
                        let reason = Reason(&error);
                        tracing::debug!(lane = LANE, %reason, "cannot connect to redis");
                        self.board.lost(whole_until);
                    }
                    Ok(mut link) => {
                        let since = Instant::now();
                        self.tend_link(&mut link).await;
                        whole_until = link.whole_until;
                        if since.elapsed() >= STEADY {
                            failures = 0;
                            continue;
                        }
                    }
                }
                failures += 1;
                sleep(backoff::resubscribe(failures)).await;
            }
        };
        self.stop.run_until_cancelled(keeping).await;
        self.board.close();
    }

    async fn link(&self) -> RedisResult<Link> {
        let generation = self.board.begin();
        let board = Arc::clone(&self.board);
        let dialed = self.dialer.dial_for_pushes(move |push| board.hear(generation, push)).await?;
        let (mut connection, driver, pulse) = dialed;
        // The pulse says when to give up.
        connection.set_response_timeout(NO_OWN_LIMIT);
        Ok(Link { connection, pulse, ended: self.drive(driver), whole_until: Instant::now() })
    }

    /// Returns when the connection is lost.
    async fn tend_link(&self, link: &mut Link) {
        metric::connect(LANE);
        tracing::info!(lane = LANE, "connected to redis");
        self.board.reached();
        let ended = link.ended.clone();
        let _end_it = ended.clone().drop_guard();
        let reason = tokio::select! {
            () = ended.cancelled() => "closed",
            reason = self.converse(link) => reason,
        };
        if self.stop.is_cancelled() {
            return;
        }
        self.board.lost(link.whole_until);
        metric::loss(LANE, reason);
        tracing::warn!(lane = LANE, reason, "lost a connection to redis");
    }

    /// Tells the server who subscribes to what, and asks it for life in between.
    async fn converse(&self, link: &mut Link) -> &'static str {
        let mut refused = HashSet::new();
        let mut refused_at: Option<Instant> = None;
        let mut answered_at = Instant::now();
        loop {
            let orders = self.board.orders();
            if orders.is_empty() && timeout_at(answered_at + BEAT, self.board.changed()).await.is_ok() {
                continue;
            }
            if refused_at.is_some_and(|since| since.elapsed() >= REFUSAL_PAUSE) {
                refused_at = None;
                self.board.retry_refused();
            }
            let pipeline = pipeline(&orders);
            let asked_at = Instant::now();
            let sending = link.connection.send_packed_commands(&pipeline, 0, pipeline.len());
            let replies = match link.pulse.answered(sending).await {
                None => return "silent",
                Some(Err(_)) => return "closed",
                Some(Ok(replies)) => replies,
            };
            link.whole_until = asked_at;
            answered_at = Instant::now();
            for (order, reply) in orders.iter().zip(&replies) {
                if let (Order::Subscribe(topic), Value::ServerError(error)) = (order, reply) {
                    if refused.insert(topic.clone()) {
                        tracing::warn!(channel = %topic.name(), reason = error.code(), "redis refuses a subscription");
                    }
                    self.board.refused(topic);
                    refused_at.get_or_insert_with(Instant::now);
                }
            }
        }
    }
}

/// One command for each channel: a refused one takes no other with it. Nothing to say is a `PING`.
fn pipeline(orders: &[Order]) -> redis::Pipeline {
    let mut pipeline = redis::pipe();
    for order in orders {
        let (command, topic) = match order {
            Order::Subscribe(topic @ Topic::Channel(_)) => ("SUBSCRIBE", topic),
            Order::Subscribe(topic @ Topic::Pattern(_)) => ("PSUBSCRIBE", topic),
            Order::Unsubscribe(topic @ Topic::Channel(_)) => ("UNSUBSCRIBE", topic),
            Order::Unsubscribe(topic @ Topic::Pattern(_)) => ("PUNSUBSCRIBE", topic),
        };
        pipeline.cmd(command).arg(&**topic.name());
    }
    if orders.is_empty() {
        pipeline.cmd("PING");
    }
    pipeline
}
