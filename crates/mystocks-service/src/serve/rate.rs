//! How many requests one client may make: counted in Redis for all processes, and here alone while Redis is away.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mystocks_keys::Keyspace;
use mystocks_redis_core::{Call, RedisManager, Script};
use tokio::time::Instant;

use crate::metric;

static PAY: Script = Script::new(include_str!("rate.lua"));

/// A request waits no longer for its count.
const PATIENCE: Duration = Duration::from_millis(50);
/// For so long Redis is not asked after it failed to answer.
const REST: Duration = Duration::from_millis(500);
/// Of so many clients this process remembers what they have paid for.
const REMEMBERED: usize = 10_000;

/// Who is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Client<'a> {
    /// The owner of a token.
    Token(&'a str),
    /// Whoever has no token, by address.
    Address(IpAddr),
}

/// The generic cell rate algorithm: each request pays for an interval, and may pay ahead.
#[derive(Debug)]
pub(super) struct Rate {
    price: Duration,
    ahead: Duration,
    redis: Option<RedisManager>,
    keyspace: Keyspace,
    rests_until: Mutex<Option<Instant>>,
    paid: Mutex<HashMap<String, Instant>>,
}

impl Rate {
    /// Lets `per_second` requests through, `burst` at once; `None` when there is no limit.
    pub(super) fn new(
        per_second: u32,
        burst: u32,
        redis: Option<RedisManager>,
        keyspace: &Keyspace,
    ) -> Option<Self> {
        let price = Duration::from_secs(1).checked_div(per_second)?;
        let ahead = price.saturating_mul(burst);
        let (rests_until, paid) = (Mutex::default(), Mutex::default());
        Some(Self { price, ahead, redis, keyspace: keyspace.clone(), rests_until, paid })
    }

    /// Counts a request; returns after what time it may come again when it may not come now.
    pub(super) async fn admit(&self, client: Client<'_>) -> Result<(), Duration> {
        let (kind, who) = match client {
            Client::Token(name) => ("token", name.to_owned()),
            Client::Address(address) => ("address", place(address)),
        };
        let wait = match self.ask(kind, &who).await {
            Some(wait) => wait,
            None => {
                metric::local_rate();
                self.count_here(format!("{kind} {who}"))
            }
        };
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    /// Asks Redis; `None` when it does not answer.
    async fn ask(&self, kind: &str, who: &str) -> Option<Duration> {
        let redis = self.redis.as_ref().filter(|_| !self.rests())?;
        let key = self.keyspace.rate(kind, who).ok()?;
        let [price, ahead] = [self.price, self.ahead].map(|time| time.as_micros().max(1).to_string());
        let args = [price.as_bytes(), ahead.as_bytes()];
        // Once: a request that was counted twice is a smaller evil than one that waits.
        let call = Call::once().timeout(PATIENCE);
        match redis.script::<u64>(&PAY, &[key.as_str()], &args, call).await {
            Ok(wait) => Some(Duration::from_micros(wait)),
            Err(error) => {
                tracing::debug!(%error, "requests are counted in this process alone");
                *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(Instant::now() + REST);
                None
            }
        }
    }

    fn rests(&self) -> bool {
        let until = *self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    fn count_here(&self, client: String) -> Duration {
        let now = Instant::now();
        let mut all = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED && !all.contains_key(&client) {
            all.retain(|_, paid| *paid > now);
            if all.len() >= REMEMBERED {
                // Too many at once: whoever is new pays like one who has paid all there is.
                return self.price;
            }
        }
        let paid = all.get(&client).copied().unwrap_or(now).max(now) + self.price;
        let wait = paid.saturating_duration_since(now + self.ahead);
        if wait.is_zero() {
            all.insert(client, paid);
        }
        wait
    }
}

/// An address as a segment of a key; of IPv6 the network, which one client has to itself.
fn place(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:04x}{b:04x}{c:04x}{d:04x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Client<'_> = Client::Token("here");

    #[tokio::test(start_paused = true)]
    async fn a_burst_may_come_at_once_and_then_one_in_each_interval() {
        let rate = Rate::new(10, 3, None, &Keyspace::default()).unwrap();
        for _ in 0..3 {
            rate.admit(HERE).await.unwrap();
        }
        assert_eq!(rate.admit(HERE).await, Err(Duration::from_millis(100)));
        assert_eq!(rate.admit(HERE).await, Err(Duration::from_millis(100)), "who is refused pays nothing");
        rate.admit(Client::Token("there")).await.unwrap();
        tokio::time::advance(Duration::from_millis(100)).await;
        rate.admit(HERE).await.unwrap();
        assert_eq!(rate.admit(HERE).await, Err(Duration::from_millis(100)));
        tokio::time::advance(Duration::from_secs(9)).await;
        for _ in 0..3 {
            rate.admit(HERE).await.unwrap();
        }
        rate.admit(HERE).await.unwrap_err();
        assert!(Rate::new(0, 3, None, &Keyspace::default()).is_none(), "no limit");
    }

    #[tokio::test(start_paused = true)]
    async fn more_clients_than_are_remembered_wait() {
        let rate = Rate::new(1, 1, None, &Keyspace::default()).unwrap();
        for client in 0..REMEMBERED {
            rate.admit(Client::Token(&client.to_string())).await.unwrap();
        }
        rate.admit(HERE).await.unwrap_err();
        tokio::time::advance(Duration::from_secs(2)).await;
        rate.admit(HERE).await.unwrap();
        assert_eq!(rate.paid.lock().unwrap().len(), 1, "what is over is forgotten");
    }

    #[test]
    fn an_address_is_one_segment_and_a_network_is_one_client() {
        let keys = Keyspace::default();
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "20010db800010002"),
            ("::1", "0000000000000000"),
        ] {
            let place = place(address.parse().unwrap());
            assert_eq!(place, expected);
            keys.rate("address", &place).unwrap();
        }
    }
}
