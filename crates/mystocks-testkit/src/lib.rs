//! Unpublished: private Redis and PostgreSQL servers and a fault proxy for the tests of the workspace.
//!
//! [`RedisServer`] starts a real `redis-server` of its own: own port, own folder, loopback only, nothing persisted, gone when the
//! value is dropped, also when the test panics. [`PostgresServer`] does the same with a PostgreSQL cluster. [`FaultProxy`] stands between a client and a server and breaks the connections in
//! the ways a network does. [`eventually`] waits for a condition instead of sleeping and hoping.
//!
//! Nothing here skips: without a server to start the test fails and says how to get one.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use mystocks_testkit::{FaultProxy, RedisServer};
//!
//! let server = RedisServer::start().await;
//! let proxy = FaultProxy::start(server.address()).await;
//! assert!(server.url().starts_with("redis://127.0.0.1:"));
//! proxy.black_hole(); // what is connected now hears nothing any more
//! proxy.heal();
//! # }
//! ```
//!
//! Everything works in any tokio runtime: servers are started on a blocking thread, and the proxy runs on a thread of its own. With paused time
//! (`start_paused`) the proxy's delays and the deadline of [`eventually`] are still real time; only its waiting between two looks is virtual.

mod binary;
mod certificate;
mod eventually;
mod info;
mod postgres;
mod proxy;
mod pump;
mod server;
mod signal;
mod spec;

pub use eventually::eventually;
pub use info::number_in;
pub use postgres::{PLATFORM_TABLES, PostgresServer, PostgresServerBuilder};
pub use proxy::FaultProxy;
pub use pump::Line;
pub use server::RedisServer;
pub use spec::RedisServerBuilder;
