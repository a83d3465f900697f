//! What only the inside of the store can do: stop between its steps.

use std::time::Duration;

use ::redis::cmd;
use mystocks_config::RedisSettings;
use mystocks_testkit::RedisServer;

use super::*;
use crate::id::SessionId;

const MINUTE: Duration = Duration::from_secs(60);

async fn store() -> (RedisServer, RedisManager, RedisSessions) {
    let server = RedisServer::start().await;
    let manager = RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap();
    let sessions = RedisSessions::new(manager.clone(), &Keyspace::default());
    (server, manager, sessions)
}

#[tokio::test]
async fn a_creation_under_way_fails_when_all_are_revoked() {
    let (_server, _, sessions) = store().await;
    let id = SessionId::random().unwrap();
    let (handle, proof) = (id.handle(), id.proof());
    let draft = Draft {
        handle: &handle,
        proof: &proof,
        user: Some("ann"),
        data: b"{}",
        idle: MINUTE,
        absolute: MINUTE,
    };
    let at = sessions.enter("ann", &handle, MINUTE).await.unwrap();
    // Being looked at does it no harm.
    assert_eq!(sessions.list("ann").await.unwrap(), []);
    let revoked = sessions.revoke(&Revoke::OfUser("ann")).await.unwrap();
    assert_eq!(revoked.sessions, 0);
    let error = sessions.write(&draft, Some(("ann", &at))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone);
    assert_eq!(sessions.list("ann").await.unwrap(), []);
    // One that is only looked at is created and then found.
    let other = SessionId::random().unwrap();
    let (handle, proof) = (other.handle(), other.proof());
    let at = sessions.enter("ann", &handle, MINUTE).await.unwrap();
    assert_eq!(sessions.list("ann").await.unwrap(), []);
    sessions.write(&Draft { handle: &handle, proof: &proof, ..draft }, Some(("ann", &at))).await.unwrap();
    assert_eq!(sessions.list("ann").await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_entered_in_the_list_of_its_user_is_not_created() {
    let (_server, manager, sessions) = store().await;
    let key = sessions.user_key("create", "ann").unwrap();
    manager.query::<()>(cmd("SET").arg(key.as_str()).arg("no list"), Call::once()).await.unwrap();
    let id = SessionId::random().unwrap();
    let (handle, proof) = (id.handle(), id.proof());
    let draft = Draft {
        handle: &handle,
        proof: &proof,
        user: Some("ann"),
        data: b"{}",
        idle: MINUTE,
        absolute: MINUTE,
    };
    assert_eq!(sessions.create(&draft).await.unwrap_err().kind(), ErrorKind::Backend);
    let claim = Claim { handle: &handle, proof: &proof, revoke_replayed: false };
    let load = Load { most_bytes: None, touch: None };
    assert_eq!(
        sessions.load(&claim, load).await.unwrap(),
        Found::Gone,
        "nobody could revoke it with the others"
    );
}

#[tokio::test]
async fn a_creation_that_comes_after_its_grave_was_closed_fails() {
    let (_server, _, sessions) = store().await;
    let id = SessionId::random().unwrap();
    let (handle, proof) = (id.handle(), id.proof());
    let draft = Draft {
        handle: &handle,
        proof: &proof,
        user: Some("ann"),
        data: b"{}",
        idle: MINUTE,
        absolute: 2 * MINUTE,
    };
    let at: u64 = sessions.enter("ann", &handle, MINUTE).await.unwrap().parse().unwrap();
    for late in [at - 31_000, at + 31_000] {
        let error = sessions.write(&draft, Some(("ann", &late.to_string()))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone);
    }
    let record = sessions.write(&draft, Some(("ann", &(at - 20_000).to_string()))).await.unwrap();
    assert_eq!(record.absolute_end, at + 100_000, "it counts from when it was entered");
}

#[tokio::test]
async fn the_list_of_a_user_forgets_what_is_gone_and_what_is_not_ours() {
    let (_server, manager, sessions) = store().await;
    let key = sessions.user_key("list", "ann").unwrap();
    let members = async || {
        let mut all = cmd("ZRANGE");
        all.arg(key.as_str()).arg(0).arg(-1);
        manager.query::<Vec<String>>(&all, Call::repeatable()).await.unwrap()
    };
    let now = manager.server_now_ms();
    let handle = |digit: char| SessionHandle::parse(&digit.to_string().repeat(32)).unwrap();
    let (old, young) = (Entry::of(&handle('a'), now - 61_000), Entry::of(&handle('b'), now - 1_000));
    let mut add = cmd("ZADD");
    add.arg(key.as_str());
    for member in [old.member(), young.member(), b"stranger", b"\xff:1", b"cc:12"] {
        add.arg(now + 100_000).arg(member);
    }
    // More than a page of them.
    for n in 0..PAGE {
        add.arg(now + 200_000).arg(Entry::of(&SessionId::random().unwrap().handle(), n as u64).member());
    }
    manager.query::<u64>(&add, Call::once()).await.unwrap();
    assert_eq!(sessions.list("ann").await.unwrap(), []);
    assert_eq!(members().await, [String::from_utf8(young.member().to_vec()).unwrap()]);

    // What has reached its absolute end goes when the next session is entered, and the list ends with the last of them.
    let mut add = cmd("ZADD");
    add.arg(key.as_str()).arg(now - 1).arg(old.member());
    manager.query::<u64>(&add, Call::once()).await.unwrap();
    sessions.enter("ann", &handle('d'), MINUTE).await.unwrap();
    assert_eq!(members().await.len(), 2);
    let left: i64 = manager.query(cmd("PTTL").arg(key.as_str()), Call::repeatable()).await.unwrap();
    assert!((50_000..=60_000).contains(&left), "{left}");
    sessions.enter("ann", &handle('e'), Duration::from_secs(5)).await.unwrap();
    let left: i64 = manager.query(cmd("PTTL").arg(key.as_str()), Call::repeatable()).await.unwrap();
    assert!(left > 40_000, "one that ends earlier takes nothing from the others: {left}");
}

#[test]
fn both_sides_mean_the_same_grave() {
    let script = include_str!("session.lua");
    assert!(script.contains(&format!("local GRAVE = {}\n", GRAVE.as_millis())));
    assert!(2 * LATE <= GRAVE);
}
