//! `mystocks verify` before servers that refuse, hang or are not there: the right verdict, a sentence that helps, and an end in time.

use std::time::Duration;

use mystocks_testkit::{FaultProxy, RedisServer, eventually};

use crate::raw::Raw;
use crate::run::Desk;
use crate::verify::{detail, failed, statuses};

const PATIENCE: Duration = Duration::from_secs(30);

/// Asserts that there is no connection, and what is said of it.
async fn assert_unconnected(desk: &Desk, wanted: &[&str]) {
    let run = desk.run(&["verify", "--json"]).await;
    let said = failed(&run, &["connection"]).remove(0);
    for text in wanted {
        assert!(said.contains(text), "{text:?} in {said:?}");
    }
    let tried = statuses(&run).into_iter().filter(|(_, status)| status == "not tried").count();
    assert_eq!(tried, 4, "{run:?}");
    assert!(!run.out.contains("sesame") && !run.err.contains("sesame"), "{run:?}");
    let text = desk.run(&["verify"]).await;
    assert_eq!(text.code, Some(1), "{text:?}");
    assert!(
        text.out.contains("connection  FAILED") && text.out.contains("\n0 of 5 checks passed"),
        "{text:?}"
    );
}

#[tokio::test]
async fn a_wrong_password_and_a_missing_one_are_told_apart() {
    let server = RedisServer::builder().password("other").start().await;
    let place = |user: &str| format!("redis://{user}127.0.0.1:{}/1", server.port());
    let wrong = Desk::of(&place(":sesame42@"));
    assert_unconnected(&wrong, &[&place(":***@"), "refuses the login", "REDIS_PASSWORD"]).await;
    let named = Desk::of(&place("app:sesame42@"));
    assert_unconnected(&named, &[&place("app:***@"), "of the user app", "REDIS_URL"]).await;
    let missing = Desk::of(&place(""));
    assert_unconnected(&missing, &[&place(""), "asks for a password and none is set", "REDIS_PASSWORD"])
        .await;
}

#[tokio::test]
async fn where_nobody_is_the_address_is_named() {
    let mut server = RedisServer::start().await;
    let url = server.url();
    server.stop().await;
    let wanted = [&*url, "nothing answers", "refused", "start the server there", "REDIS_URL"];
    assert_unconnected(&Desk::of(&url), &wanted).await;
    let socket = server.unix_path();
    let desk = Desk::of(&format!("redis+unix://:sesame42@{}", socket.display()));
    assert_unconnected(&desk, &[socket.to_str().unwrap(), "nothing answers"]).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_told_from_one_that_is_not_there() {
    let server = RedisServer::start().await;
    server.pause();
    let wanted = ["takes connections and does not answer within 2 s", "hangs", &server.url()];
    assert_unconnected(&Desk::of(&server.url()), &wanted).await;
    server.resume();
    let proxy = FaultProxy::start(server.address()).await;
    proxy.hang_new(true);
    assert_unconnected(&Desk::of(&proxy.url(1)), &["takes connections and does not answer within 2 s"]).await;
    let left: u64 = Raw::connect(&server.url()).await.ask(&["DBSIZE"]).await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_replica_is_named_for_what_it_is() {
    let primary = RedisServer::start().await;
    let line = format!("replicaof 127.0.0.1 {}", primary.port());
    let replica = RedisServer::builder().config_line(&line).start().await;
    let mut raw = Raw::connect(&replica.url()).await;
    eventually("the replica follows", PATIENCE, async || {
        raw.ask::<String>(&["INFO", "replication"]).await.contains("master_link_status:up")
    })
    .await;
    let run = Desk::of(&replica.url()).run(&["verify", "--json"]).await;
    for said in failed(&run, &["cache", "bus", "lock"]) {
        let place = replica.url();
        assert!(said.contains(&format!("{place} is a read-only replica; point REDIS_HOST")), "{said}");
    }
    assert!(detail(&run, "connection").contains(&replica.url()));
    let left: u64 = Raw::connect(&primary.url()).await.ask(&["DBSIZE"]).await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_user_without_rights_is_told_which() {
    let reader = "user reader on >sesame ~* &* +@read +@connection +@pubsub +time +select";
    let deaf = "user deaf on >sesame ~* resetchannels +@all";
    let server = RedisServer::builder().config_line(reader).config_line(deaf).start().await;
    let url = |user: &str| format!("redis://{user}:sesame@127.0.0.1:{}/1", server.port());

    let run = Desk::of(&url("reader")).run(&["verify", "--json"]).await;
    for said in failed(&run, &["cache", "bus", "lock"]) {
        for text in ["the user reader may not (NOPERM", "ACL", "~mystocks:*"] {
            assert!(said.contains(text), "{text:?} in {said:?}");
        }
    }
    assert!(!run.out.contains("sesame"), "{run:?}");

    // Everything but channels: only the message is lost, and with it the bus.
    let run = Desk::of(&url("deaf")).run(&["verify", "--json"]).await;
    let said = failed(&run, &["bus"]).remove(0);
    assert!(
        said.contains("the user deaf may not (NOPERM") && said.contains("channels &mystocks:*"),
        "{said}"
    );
    let left: u64 = Raw::connect(&server.url()).await.ask(&["DBSIZE"]).await;
    assert_eq!(left, 0, "the checks that failed took theirs away too");
}
