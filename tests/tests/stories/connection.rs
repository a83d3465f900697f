//! From the settings a person writes to a connection, and nothing of the password on the way.

use std::fmt::Write as _;
use std::fs;
use std::sync::{Arc, Mutex};

use mystocks_config::{Loader, Settings};
use mystocks_redis_core::redis::cmd;
use mystocks_redis_core::{Call, ErrorKind, RedisManager};
use mystocks_testkit::RedisServer;
use tempfile::TempDir;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::raw::Raw;

/// As people have them; each of these characters means something in a URL or in a `.env` file.
const PASSWORD: &str = "s@p:e/r#c%1 x";
const ENCODED: &str = "s%40p%3Ae%2Fr%23c%251%20x";
const USER: &str = "market-data";

async fn server() -> RedisServer {
    let user = format!("user {USER} on \">{PASSWORD}\" ~* &* +@all");
    RedisServer::builder().password("ofthedefaultuser").config_line(&user).start().await
}

fn load(dotenv: &str, environment: &[(&str, &str)]) -> Settings {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(".env"), dotenv).unwrap();
    Loader::in_folder(folder.path()).environment(environment.iter().copied()).load().unwrap()
}

/// Connects with `settings` and asserts as whom, and to which database.
async fn assert_connects(settings: &Settings, user: &str, database: u32, server: &RedisServer) {
    let manager = RedisManager::start(&settings.redis).await.unwrap();
    assert!(manager.health_check().await.is_up(), "{:?}", manager.health_check().await);
    let whoami: String = manager.query(cmd("ACL").arg("WHOAMI"), Call::repeatable()).await.unwrap();
    assert_eq!(whoami, user);
    let _: () = manager.query(cmd("SET").arg("mark").arg(database), Call::once()).await.unwrap();
    let url = format!("redis://:ofthedefaultuser@127.0.0.1:{}/{database}", server.port());
    let mark: Option<u32> = Raw::connect(&url).await.ask(&["GETDEL", "mark"]).await;
    assert_eq!(mark, Some(database), "it is in database {database}");
    manager.shutdown().await;
}

#[tokio::test]
async fn every_way_to_write_the_settings_down_connects() {
    let server = server().await;
    let port = server.port().to_string();
    let socket = server.unix_path().display().to_string();

    let parts = load(
        "REDIS_HOST=127.0.0.1 # here\nREDIS_PORT=${CACHE_PORT}\nREDIS_DB=3\nREDIS_PASSWORD=ofthedefaultuser\n",
        &[("CACHE_PORT", &port)],
    );
    assert_connects(&parts, "default", 3, &server).await;

    let url = load(&format!("REDIS_URL=redis://{USER}:{ENCODED}@127.0.0.1:{port}/4\n"), &[]);
    assert_connects(&url, USER, 4, &server).await;

    // The URL leaves the password to its own key, and another key has the last word on the database.
    let mixed = load(
        &format!("REDIS_URL=redis+unix://{USER}@{socket}?db=5\nREDIS_PASSWORD='{PASSWORD}'\n"),
        &[("REDIS_APP_CACHE_DB", "6")],
    );
    assert_connects(&mixed, USER, 6, &server).await;

    // The environment wins over the file.
    let wrong = format!("REDIS_URL=redis://{USER}:wrong@127.0.0.1:{port}/7\n");
    let right = format!("redis+unix://{USER}:{ENCODED}@{socket}?db=8");
    assert_connects(&load(&wrong, &[("REDIS_URL", &right)]), USER, 8, &server).await;
}

/// Everything that was logged by whatever crate, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test(flavor = "current_thread")]
async fn a_refused_password_is_said_and_never_shown() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut server = server().await;
    let port = server.port();
    let wrong = load(&format!("REDIS_URL=redis://{USER}:{ENCODED}-not@127.0.0.1:{port}/1\n"), &[]);
    let manager = RedisManager::start(&wrong.redis).await.unwrap();
    let refused = manager.health_check().await;
    let error = manager.query::<()>(cmd("SET").arg("k").arg("the-value"), Call::once()).await.unwrap_err();
    assert_eq!(
        (refused.is_up(), error.kind(), error.is_retryable()),
        (false, ErrorKind::Auth, false),
        "{error}"
    );
    let mut said =
        format!("{wrong:?} {manager:?} {refused:?} {error:?} {error} {}", wrong.redis.display_url());
    assert!(manager.dedicated().await.is_err());
    manager.shutdown().await;

    // The same with the right one, and the server gone under it.
    let right = load(&format!("REDIS_URL=redis://{USER}:{ENCODED}@127.0.0.1:{port}/1\n"), &[]);
    let manager = RedisManager::start(&right.redis).await.unwrap();
    assert!(manager.health_check().await.is_up());
    server.kill().await;
    let error = manager.query::<()>(cmd("SET").arg("k").arg("the-value"), Call::once()).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let down = manager.health_check().await;
    write!(said, "{right:?} {manager:?} {down:?} {error:?} {error}").unwrap();
    manager.shutdown().await;

    assert!(said.contains("***"), "{said}");
    let log = log.text();
    assert!(log.lines().count() > 2, "the log is heard: {log}");
    for text in [&said, &log] {
        for secret in [PASSWORD, ENCODED, "s@p", "s%40p", "the-value"] {
            assert!(!text.contains(secret), "{secret:?} in {text}");
        }
    }
}
