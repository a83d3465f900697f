//! The settings as plain data, and their defaults.

use std::path::PathBuf;
use std::time::Duration;

use crate::Secret;

/// Every setting of the platform; `Default` is what holds when nothing is configured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Where Redis is and how connections behave.
    pub redis: RedisSettings,
    /// The cache.
    pub cache: CacheSettings,
    /// The message bus.
    pub bus: BusSettings,
    /// The distributed locks.
    pub lock: LockSettings,
    /// The sessions.
    pub session: SessionSettings,
    /// What is handed on to other programs and never used here.
    pub other_programs: OtherPrograms,
    /// The write-through of hot data to durable storage.
    pub fixation: FixationSettings,
}

/// Where Redis is and how connections behave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// The server's address. Default: `localhost:6379` without TLS.
    pub endpoint: Endpoint,
    /// The ACL user; `None` is the server's default user. Default: none.
    pub username: Option<String>,
    /// The password; never empty. Default: none.
    pub password: Option<Secret>,
    /// The database number. Default: 1.
    pub database: u32,
    /// How many dedicated connections one process may hold, at least 1. Default: 50.
    pub max_connections: usize,
    /// How long one command may take. Default: 5 s.
    pub socket_timeout: Duration,
    /// How long connecting may take. Default: 5 s.
    pub connect_timeout: Duration,
    /// The pause between two background health checks; not configurable by a key. Default: 30 s.
    pub health_check_interval: Duration,
    /// Accepted because the Python side needs it; without effect here. Default: true.
    pub decode_responses: bool,
}

/// The address of a Redis server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A host and port.
    Tcp {
        /// A host name or an IP address; an IPv6 address stands without brackets.
        host: String,
        /// The port, never 0.
        port: u16,
        /// Whether the connection is encrypted (`rediss://`).
        tls: bool,
    },
    /// A unix socket.
    Unix {
        /// The socket's file, an absolute path.
        path: PathBuf,
    },
}

/// The cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// How long an entry lives when the caller names no other time, never zero. Default: 3600 s.
    pub ttl: Duration,
    /// The text every cache key begins with. Default: `mystocks:`.
    pub prefix: String,
    /// Whether Redis takes part; switched off, a read is L1 and computation. Default: true.
    pub enabled: bool,
}

/// The message bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusSettings {
    /// The text every channel name begins with. Default: `mystocks:`.
    pub channel_prefix: String,
    /// Whether Redis takes part; switched off, events stay within the process. Default: true.
    pub enabled: bool,
}

/// The distributed locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockSettings {
    /// The text every lock key begins with. Default: `mystocks:lock:`.
    pub prefix: String,
    /// How long a lock is held when the caller names no other time, never zero. Default: 30 s.
    pub default_timeout: Duration,
    /// Whether Redis takes part; switched off, a lock excludes within the process only. Default: true.
    pub enabled: bool,
}

/// The sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSettings {
    /// The text every session key begins with. Default: `mystocks:session:`.
    pub prefix: String,
    /// How long a session lives, never zero. Default: 86400 s.
    pub ttl: Duration,
}

/// What is handed on to other programs and never used here.
///
/// The URLs are [`Secret`]s, as they may carry a password.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OtherPrograms {
    /// Celery's broker, with `${NAME}` filled in. Default: none.
    pub celery_broker_url: Option<Secret>,
    /// Celery's result backend, with `${NAME}` filled in. Default: none.
    pub celery_result_backend: Option<Secret>,
}

/// The write-through of hot data to durable storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixationSettings {
    /// How often hot data is written through before it expires, never zero. Default: 300 s.
    pub interval: Duration,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            username: None,
            password: None,
            database: 1,
            max_connections: 50,
            socket_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            health_check_interval: Duration::from_secs(30),
            decode_responses: true,
        }
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::Tcp { host: "localhost".to_string(), port: 6379, tls: false }
    }
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { ttl: Duration::from_secs(3600), prefix: "mystocks:".to_string(), enabled: true }
    }
}

impl Default for BusSettings {
    fn default() -> Self {
        Self { channel_prefix: "mystocks:".to_string(), enabled: true }
    }
}

impl Default for LockSettings {
    fn default() -> Self {
        Self { prefix: "mystocks:lock:".to_string(), default_timeout: Duration::from_secs(30), enabled: true }
    }
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { prefix: "mystocks:session:".to_string(), ttl: Duration::from_secs(86_400) }
    }
}

impl Default for FixationSettings {
    fn default() -> Self {
        Self { interval: Duration::from_secs(300) }
    }
}
