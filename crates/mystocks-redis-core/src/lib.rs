//! One connection story for Redis: shared connections, supervision, retries, scripts, health.
//!
//! A [`RedisManager`] sends short commands on shared multiplexed connections and reconnects them by itself: when a connection breaks, and
//! also when it goes silent, which the stock clients never notice. While Redis is down every call fails at once. Commands that
//! may happen twice ([`Call::repeatable`]) are sent again when their connection fails; others ([`Call::once`]) never. Large values travel on
//! [`Lane::Bulk`], commands that wait on a [`Dedicated`] connection.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = mystocks_testkit::RedisServer::start().await;
//! # let url = server.url();
//! use mystocks_config::RedisSettings;
//! use mystocks_redis_core::{Call, Lane, RedisManager, Script};
//! use redis::cmd;
//!
//! static ADD: Script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
//!
//! let redis = RedisManager::start(&RedisSettings::from_url(&url)?).await?;
//! let _: () = redis.query(cmd("SET").arg("greeting").arg("hello"), Call::repeatable()).await?;
//! let text: String = redis.query(cmd("GET").arg("greeting"), Call::repeatable()).await?;
//! assert_eq!(text, "hello");
//!
//! let series: Option<Vec<u8>> = redis.query(cmd("GET").arg("series"), Call::repeatable().on(Lane::Bulk)).await?;
//! assert_eq!(series, None);
//! let sum: i64 = redis.script(&ADD, &["sum"], &[b"5"], Call::once()).await?;
//! assert_eq!(sum, 5);
//!
//! let mut own = redis.dedicated().await?; // BLPOP would hold up everybody on a shared connection
//! let popped: Option<(String, String)> = cmd("BLPOP").arg("queue").arg(0.01).query_async(&mut own).await?;
//! assert_eq!(popped, None);
//! assert!(redis.health().borrow().is_up());
//! redis.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! [`RedisManager::subscribe`] gives messages that are missed only where it says so; [`RedisManager::start_tracked`] tells of changes to what was
//! read.
//!
//! An ACL user needs `SELECT` and `PING` beside its own commands, and `TIME` for [`RedisManager::server_now_ms`]; for subscriptions `SUBSCRIBE`,
//! `UNSUBSCRIBE` and the channels (`&pattern`), for tracking `CLIENT`, or `CLIENT|TRACKING` and `CLIENT|CACHING`. Both of these need Redis 6 or
//! later, because their connections speak RESP3.
//!
//! `rediss://` trusts what the machine trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` are read by rustls-native-certs), and makes *ring* the process's TLS
//! provider unless one is installed already.

mod backoff;
mod board;
mod call;
mod clock;
mod core;
mod dial;
mod error;
mod exchange;
mod failure;
mod fence;
mod global;
mod health;
mod link;
mod listening;
mod mailbox;
mod manager;
pub mod metric;
mod pool;
mod pulse;
mod runs;
mod script;
mod slot;
mod stream;
mod subject;
mod subscription;
mod topic;
mod tracking;

pub use call::{BULK_FROM, Call, Lane};
pub use error::{Error, ErrorKind};
pub use health::{Health, State, Usage};
pub use listening::Listening;
pub use manager::RedisManager;
pub use pool::Dedicated;
pub use redis;
pub use script::{Script, ScriptRun};
pub use subscription::{Event, Subscription};
pub use tracking::{Touched, Tracking};
