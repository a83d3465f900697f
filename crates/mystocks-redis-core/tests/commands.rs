//! Commands, pipelines and what their errors say, on every kind of address and user.

mod fixture;

use std::time::Duration;

use fixture::{LONG, ask, attached, connected, settings, witness};
use mystocks_redis_core::{Call, ErrorKind, RedisManager};
use mystocks_testkit::{RedisServer, eventually};
use redis::{cmd, pipe};

#[tokio::test]
async fn commands_pipelines_and_transactions() {
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let () = ask(&manager, cmd("SET").arg("k").arg(7)).await.unwrap();
    assert_eq!(ask::<i64>(&manager, cmd("GET").arg("k")).await.unwrap(), 7);
    let missing: Option<String> = ask(&manager, cmd("GET").arg("none")).await.unwrap();
    assert_eq!(missing, None);
    let mut both = pipe();
    both.cmd("INCR").arg("k").ignore().cmd("GET").arg("k");
    let (value,): (i64,) = manager.pipeline(&both, Call::once()).await.unwrap();
    assert_eq!(value, 8);
    let mut atomic = pipe();
    atomic.atomic().cmd("INCR").arg("k").cmd("INCR").arg("k");
    let values: Vec<i64> = manager.pipeline(&atomic, Call::once()).await.unwrap();
    assert_eq!(values, [9, 10]);
    let none: Vec<i64> = manager.pipeline(&pipe(), Call::once()).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn the_database_of_the_settings_is_used_also_by_dedicated_connections() {
    let server = RedisServer::start().await;
    let mut chosen = settings(&server.url());
    chosen.database = 5;
    let manager = RedisManager::start(&chosen).await.unwrap();
    attached(&manager).await;
    let () = ask(&manager, cmd("SET").arg("k").arg("five")).await.unwrap();
    let mut own = manager.dedicated().await.unwrap();
    let there: String = cmd("GET").arg("k").query_async(&mut own).await.unwrap();
    assert_eq!(there, "five");
    let mut direct = witness(&server).await;
    let in_one: Option<String> = cmd("GET").arg("k").query_async(&mut direct).await.unwrap();
    assert_eq!(in_one, None);
    let () = cmd("SELECT").arg(5).query_async(&mut direct).await.unwrap();
    let in_five: String = cmd("GET").arg("k").query_async(&mut direct).await.unwrap();
    assert_eq!(in_five, "five");
}

#[tokio::test]
async fn a_unix_socket_with_a_password() {
    let server = RedisServer::builder().unix_socket().password("hunter2").start().await;
    let manager = connected(&server.url()).await;
    let () = ask(&manager, cmd("SET").arg("k").arg("v")).await.unwrap();
    let mut own = manager.dedicated().await.unwrap();
    let value: String = cmd("GET").arg("k").query_async(&mut own).await.unwrap();
    assert_eq!(value, "v");
}

#[tokio::test]
async fn an_acl_user_may_do_what_it_may_and_comes_back_after_it_was_deleted() {
    let server = RedisServer::start().await;
    let mut direct = witness(&server).await;
    let mut allow = cmd("ACL");
    allow.arg(&["SETUSER", "alice", "on", ">s3same", "~mine:*", "+get", "+select", "+set", "+ping"]);
    let () = allow.query_async(&mut direct).await.unwrap();
    let mut chosen = settings(&server.url());
    chosen.username = Some("alice".to_owned());
    chosen.password = Some("s3same".to_owned().into());
    let manager = RedisManager::start(&chosen).await.unwrap();
    attached(&manager).await;
    let () = ask(&manager, cmd("SET").arg("mine:k").arg("v")).await.unwrap();
    let denied = ask::<()>(&manager, cmd("DEL").arg("mine:k")).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Auth);
    assert!(manager.health_check().await.is_up(), "may not ask TIME, but is served");
    let () = cmd("ACL").arg(&["DELUSER", "alice"]).query_async(&mut direct).await.unwrap();
    eventually("the deleted user is refused", LONG, async || {
        let refused = ask::<String>(&manager, cmd("GET").arg("mine:k")).await;
        refused.is_err_and(|error| error.kind() == ErrorKind::Auth)
    })
    .await;
    let () = allow.query_async(&mut direct).await.unwrap();
    attached(&manager).await;
}

#[tokio::test]
async fn a_wrong_password_is_said_without_showing_it_and_tried_again() {
    let server = RedisServer::builder().password("right").start().await;
    let mut chosen = settings(&server.url());
    chosen.password = Some("wr0ng-hunter2".to_owned().into());
    let manager = RedisManager::start(&chosen).await.unwrap();
    let error = ask::<String>(&manager, &cmd("PING")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(!error.is_retryable());
    let health = manager.health_check().await;
    assert!(!health.is_up());
    let own = manager.dedicated().await.unwrap_err();
    assert_eq!(own.kind(), ErrorKind::Auth);
    let said = format!("{error} {error:?} {health:?} {manager:?} {own} {own:?}");
    assert!(!said.contains("hunter2"), "{said}");
    assert!(said.contains("authentication failed"), "{said}");
    let client = redis::Client::open(server.url()).unwrap();
    let mut direct = client.get_multiplexed_async_connection().await.unwrap();
    let mut change = cmd("CONFIG");
    change.arg(&["SET", "requirepass", "wr0ng-hunter2"]);
    let () = change.query_async(&mut direct).await.unwrap();
    attached(&manager).await;
}

#[tokio::test]
async fn a_password_that_was_not_given_is_missed_in_whatever_database() {
    let server = RedisServer::builder().password("right").start().await;
    for database in [0, 1] {
        let mut chosen = settings(&server.url());
        chosen.password = None;
        chosen.database = database;
        let manager = RedisManager::start(&chosen).await.unwrap();
        let error = ask::<String>(&manager, &cmd("PING")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "database {database}: {error}");
    }
}

#[tokio::test]
async fn errors_of_the_server_have_their_kind_and_show_no_value() {
    let server = RedisServer::builder().config_line("maxmemory-policy noeviction").start().await;
    let manager = connected(&server.url()).await;
    let () = ask(&manager, cmd("SET").arg("k").arg("top-secret")).await.unwrap();
    let wrong_type = ask::<i64>(&manager, cmd("LPUSH").arg("k").arg("x")).await.unwrap_err();
    assert_eq!(wrong_type.kind(), ErrorKind::Server);
    assert!(wrong_type.to_string().starts_with("query LPUSH \"k\": redis refused, WRONGTYPE"));
    let reply = ask::<i64>(&manager, cmd("GET").arg("k")).await.unwrap_err();
    assert_eq!(reply.kind(), ErrorKind::Reply);
    assert_eq!(reply.to_string(), "query GET \"k\": unexpected reply, expected i64");
    let unknown = ask::<()>(&manager, cmd("NOSUCH").arg("top-secret")).await.unwrap_err();
    let said = format!("{reply:?} {unknown} {unknown:?} {wrong_type:?}");
    assert!(!said.contains("top-secret"), "{said}");
    let () = ask(&manager, cmd("CONFIG").arg(&["SET", "maxmemory", "1"])).await.unwrap();
    let full = ask::<()>(&manager, cmd("SET").arg("k").arg("v")).await.unwrap_err();
    assert_eq!((full.kind(), full.is_retryable()), (ErrorKind::Server, false));
    let () = ask(&manager, cmd("CONFIG").arg(&["SET", "maxmemory", "0"])).await.unwrap();
    let () = ask(&manager, cmd("REPLICAOF").arg("127.0.0.1").arg(1)).await.unwrap();
    let replica = ask::<()>(&manager, cmd("SET").arg("k").arg("v")).await.unwrap_err();
    assert_eq!((replica.kind(), replica.is_retryable()), (ErrorKind::Unavailable, true));
}

#[tokio::test]
async fn commands_that_would_harm_the_others_are_refused_before_they_are_sent() {
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let blocking = ask::<()>(&manager, cmd("BLPOP").arg("q").arg(0)).await.unwrap_err();
    assert_eq!(blocking.kind(), ErrorKind::Config);
    assert!(blocking.to_string().contains("dedicated()"), "{blocking}");
    let mut selecting = pipe();
    selecting.cmd("SELECT").arg(3).cmd("SET").arg("k").arg("v");
    let refused = manager.pipeline::<()>(&selecting, Call::once()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Config);
    assert!(!ask::<bool>(&manager, cmd("EXISTS").arg("k")).await.unwrap());
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let good = settings("redis://127.0.0.1:1/1");
    let mut cases = [good.clone(), good.clone(), good];
    cases[0].max_connections = 0;
    cases[1].socket_timeout = Duration::ZERO;
    cases[2].connect_timeout = Duration::ZERO;
    let keys = ["REDIS_MAX_CONNECTIONS", "REDIS_SOCKET_TIMEOUT", "REDIS_SOCKET_CONNECT_TIMEOUT"];
    for (case, key) in cases.iter().zip(keys) {
        let error = RedisManager::start(case).await.unwrap_err();
        assert_eq!((error.kind(), error.subject()), (ErrorKind::Config, key));
    }
}
