//! When sessions end, to the millisecond.

use std::time::SystemTime;

use mystocks_keys::Key;
use mystocks_redis_core::{Call, RedisManager};
use mystocks_session::{Keyspace, Policy, Rotated, SessionId, Sessions};
use tokio::time::{advance, sleep};

use crate::world::{Desk, World, manager, millis, secs, to};

/// Loading is no use here: the tests look without touching.
fn minute() -> Policy {
    Policy {
        idle: secs(60),
        absolute: secs(150),
        touch_on_load: false,
        touch_share: 0.5,
        ..Policy::default()
    }
}

async fn is_there(sessions: &Sessions<Desk>, id: &SessionId) -> bool {
    let loaded = sessions.load(id).await.unwrap().is_some();
    let handle = id.handle();
    let listed = sessions.list("ann").await.unwrap().iter().any(|info| info.handle == handle);
    assert_eq!(loaded, listed);
    loaded
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_ends_to_the_millisecond() {
    let world = World::memory();
    let (sessions, _) = world.sessions(&minute());
    let (id, _) = sessions.create(Some("ann"), Desk::default()).await.unwrap();
    advance(millis(59_999)).await;
    assert!(is_there(&sessions, &id).await);
    advance(millis(1)).await;
    assert!(!is_there(&sessions, &id).await);
}

#[tokio::test(start_paused = true)]
async fn a_touch_moves_the_idle_end_and_not_the_absolute_one() {
    let world = World::memory();
    let (sessions, _) = world.sessions(&minute());
    let (id, created) = sessions.create(Some("ann"), Desk::default()).await.unwrap();
    // Not due before half of the idle time has passed.
    advance(millis(29_999)).await;
    assert!(sessions.touch(&id).await.unwrap());
    assert_eq!(sessions.load(&id).await.unwrap().unwrap().info(), created.info());
    advance(millis(1)).await;
    assert!(sessions.touch(&id).await.unwrap());
    let touched = sessions.load(&id).await.unwrap().unwrap();
    assert_eq!(touched.info().seen, created.info().created + secs(30));
    assert_eq!(touched.info().idle_end, created.info().created + secs(90));
    assert_eq!(touched.version(), 1, "a use is no change");
    advance(millis(59_999)).await;
    assert!(is_there(&sessions, &id).await);
    assert!(sessions.touch(&id).await.unwrap());
    advance(millis(59_999)).await;
    assert!(sessions.touch(&id).await.unwrap());
    // 149.998 s: it is used all the time, and its end has come in 2 ms.
    advance(millis(1)).await;
    assert!(sessions.touch(&id).await.unwrap() && is_there(&sessions, &id).await);
    advance(millis(1)).await;
    assert!(!is_there(&sessions, &id).await);
    assert!(!sessions.touch(&id).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn saves_and_rotations_and_loads_are_uses() {
    let world = World::memory();
    let (sessions, _) = world.sessions(&minute());
    let (id, mut session) = sessions.create(Some("ann"), Desk::default()).await.unwrap();
    advance(secs(1)).await;
    sessions.save(&mut session).await.unwrap();
    advance(millis(59_999)).await;
    assert!(is_there(&sessions, &id).await);
    let next = to(sessions.rotate(&id, Some("ann")).await.unwrap());
    advance(millis(59_999)).await;
    assert!(is_there(&sessions, &next).await);
    let (loading, _) = world.sessions(&Policy { touch_on_load: true, touch_share: 0.0, ..minute() });
    loading.load(&next).await.unwrap().unwrap();
    // The absolute end is at 150 s.
    advance(millis(29_001)).await;
    assert!(is_there(&sessions, &next).await);
    advance(millis(1)).await;
    assert!(!is_there(&sessions, &next).await);
}

#[tokio::test(start_paused = true)]
async fn the_grace_ends_to_the_millisecond_and_a_replay_ends_the_session() {
    let world = World::memory();
    let (sessions, _) = world.sessions(&Policy { grace: secs(10), ..minute() });
    let (old, _) = sessions.create(Some("ann"), Desk::default()).await.unwrap();
    let new = to(sessions.rotate(&old, Some("ann")).await.unwrap());
    advance(millis(9_999)).await;
    assert!(sessions.load(&old).await.unwrap().is_some());
    assert!(matches!(sessions.rotate(&old, Some("ann")).await.unwrap(), Rotated::Lately));
    advance(millis(1)).await;
    assert!(sessions.load(&new).await.unwrap().is_some());
    assert!(sessions.load(&old).await.unwrap().is_none());
    assert!(!is_there(&sessions, &new).await, "one of the two is not the user");
}

#[tokio::test(start_paused = true)]
async fn a_login_begins_anew() {
    let world = World::memory();
    let (sessions, _) = world.sessions(&minute());
    let (visitor, _) = sessions.create(None, Desk::default()).await.unwrap();
    advance(secs(59)).await;
    let ann = to(sessions.rotate(&visitor, Some("ann")).await.unwrap());
    for _ in 0..3 {
        advance(secs(49)).await;
        assert!(sessions.touch(&ann).await.unwrap());
    }
    advance(millis(2_999)).await;
    assert!(is_there(&sessions, &ann).await, "150 s after the login");
    advance(millis(1)).await;
    assert!(!is_there(&sessions, &ann).await);
}

/// The server's clock and the life of a key, read in one step.
async fn key_of(manager: &RedisManager, key: &Key) -> (u64, i64) {
    let mut read = redis::pipe();
    read.atomic().cmd("TIME").cmd("PTTL").arg(key.as_str());
    let ((secs, micros), left): ((u64, u64), i64) =
        manager.pipeline(&read, Call::repeatable()).await.unwrap();
    (secs * 1000 + micros / 1000, left)
}

fn ms(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[tokio::test]
async fn in_redis_the_key_ends_with_the_session() {
    let world = World::redis().await;
    let manager = manager(world.server.as_ref().unwrap()).await;
    let policy = Policy { absolute: secs(100), touch_share: 0.0, ..minute() };
    let (sessions, _) = world.sessions(&policy);
    let (id, created) = sessions.create(Some("ann"), Desk::default()).await.unwrap();
    let key = Keyspace::default().session(id.handle().as_str()).unwrap();
    let end_of_key = async || {
        let (now, left) = key_of(&manager, &key).await;
        now + u64::try_from(left).unwrap()
    };
    assert!(end_of_key().await.abs_diff(ms(created.info().idle_end)) <= 1, "{:?}", created.info());
    sleep(millis(100)).await;
    assert!(sessions.touch(&id).await.unwrap());
    let touched = sessions.load(&id).await.unwrap().unwrap();
    assert!(touched.info().seen >= created.info().created + millis(100));
    assert_eq!(touched.info().idle_end, touched.info().seen + secs(60));
    assert!(end_of_key().await.abs_diff(ms(touched.info().idle_end)) <= 1);
    // With a longer idle time the absolute end comes first.
    let (longer, _) = world.sessions(&Policy { idle: secs(100), absolute: secs(100), ..minute() });
    let mut session = longer.load(&id).await.unwrap().unwrap();
    longer.save(&mut session).await.unwrap();
    let saved = sessions.load(&id).await.unwrap().unwrap();
    assert_eq!(saved.info().end(), saved.info().absolute_end);
    assert_eq!(saved.info().absolute_end, created.info().created + secs(100));
    assert!(end_of_key().await.abs_diff(ms(saved.info().absolute_end)) <= 1);
}

#[tokio::test]
async fn in_redis_a_session_ends_when_it_says_by_the_servers_clock() {
    let world = World::redis().await;
    let manager = manager(world.server.as_ref().unwrap()).await;
    for is_used in [false, true] {
        let (idle, absolute) = if is_used { (millis(600), millis(600)) } else { (millis(400), secs(60)) };
        let (sessions, _) =
            world.sessions(&Policy { idle, absolute, grace: millis(1), touch_share: 0.0, ..minute() });
        let (id, created) = sessions.create(Some("ann"), Desk::default()).await.unwrap();
        let end = ms(created.info().end());
        assert_eq!(end, ms(created.info().created + idle));
        let key = Keyspace::default().session(id.handle().as_str()).unwrap();
        loop {
            let (before, _) = key_of(&manager, &key).await;
            let is_there = sessions.load(&id).await.unwrap().is_some();
            let (after, left) = key_of(&manager, &key).await;
            if !is_there {
                assert!(after >= end, "it ended {} ms too early", end - after);
                assert!(left <= 1, "its key is there for {left} ms more");
                break;
            }
            assert!(before < end, "it was there {} ms too long", before - end);
            if is_used {
                sessions.touch(&id).await.unwrap();
            }
            sleep(millis(3)).await;
        }
        assert!(sessions.list("ann").await.unwrap().is_empty());
        assert!(!sessions.touch(&id).await.unwrap());
    }
}
