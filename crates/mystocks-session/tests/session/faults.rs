//! Answers that are lost, and a store that is away.

use std::sync::Arc;
use std::time::Duration;

use mystocks_config::RedisSettings;
use mystocks_redis_core::{Call, RedisManager};
use mystocks_session::{ErrorKind, Keyspace, Policy, RedisSessions, Rotated, Sessions};
use mystocks_testkit::FaultProxy;

use crate::world::{Desk, World, manager};

/// Sessions behind a proxy, and the same ones seen directly.
async fn behind_a_proxy() -> (World, Arc<FaultProxy>, Sessions<Desk>, Sessions<Desk>) {
    let world = World::redis().await;
    let proxy = FaultProxy::start(world.server.as_ref().unwrap().address()).await;
    let mut settings = RedisSettings::from_url(&proxy.url(0)).unwrap();
    settings.socket_timeout = Duration::from_secs(30);
    let direct = RedisSettings::from_url(&world.server.as_ref().unwrap().url()).unwrap();
    settings.database = direct.database;
    let manager = RedisManager::start(&settings).await.unwrap();
    let store = RedisSessions::new(manager, &Keyspace::default());
    let (direct, _) = world.sessions(&Policy::default());
    (world, Arc::new(proxy), Sessions::new(store, Policy::default()).unwrap(), direct)
}

/// Lets requests through and no answers until `is_done`, then cuts the connection.
async fn lose_the_answer(proxy: Arc<FaultProxy>, is_done: impl AsyncFn() -> bool) {
    while !is_done().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.cut();
    proxy.heal();
}

#[tokio::test]
async fn what_is_sent_again_for_a_lost_answer_is_done_once() {
    let (world, proxy, sessions, direct) = behind_a_proxy().await;
    // The server has to know the scripts: a script that it asks for is not done before its answer comes.
    let (known, mut session) = direct.create(Some("eve"), Desk::default()).await.unwrap();
    direct.save(&mut session).await.unwrap();
    let _ = direct.rotate(&known, Some("eve")).await.unwrap();
    let (id, mut session) = sessions.create(Some("ann"), Desk::default()).await.unwrap();

    session.data.count = 1;
    proxy.hold_replies(true);
    let losing =
        lose_the_answer(Arc::clone(&proxy), async || direct.load(&id).await.unwrap().unwrap().version() == 2);
    let (saved, ()) = tokio::join!(sessions.save(&mut session), losing);
    saved.unwrap();
    assert_eq!(session.version(), 2);
    let found = direct.load(&id).await.unwrap().unwrap();
    assert_eq!((found.version(), found.data.count), (2, 1));

    proxy.hold_replies(true);
    let losing = lose_the_answer(Arc::clone(&proxy), async || {
        // With the old id it is still found: by its use it is seen that it was rotated.
        direct.list("ann").await.unwrap()[0].seen > found.info().seen
    });
    let (rotated, ()) = tokio::join!(sessions.rotate(&id, Some("ann")), losing);
    let Rotated::To(next) = rotated.unwrap() else { panic!("its own rotation is not that of another") };
    assert!(direct.load(&next).await.unwrap().is_some());

    proxy.hold_replies(true);
    // A creation of a user's has two steps: the answer to the first is lost, which is the entry in the user's list.
    let beside = manager(world.server.as_ref().unwrap()).await;
    let losing = lose_the_answer(Arc::clone(&proxy), async || {
        let lists: Vec<String> =
            beside.query(redis::cmd("KEYS").arg("*session:user:*"), Call::repeatable()).await.unwrap();
        lists.len() == 3
    });
    let (created, ()) = tokio::join!(sessions.create(Some("bob"), Desk::default()), losing);
    let (of_bob, _) = created.unwrap();
    assert!(direct.load(&of_bob).await.unwrap().is_some());
    assert_eq!(direct.list("bob").await.unwrap().len(), 1, "however often it was entered");
    assert_eq!(direct.revoke_all("bob").await.unwrap(), 1);
}

#[tokio::test]
async fn while_redis_is_away_every_call_says_so() {
    let mut world = World::redis().await;
    let (sessions, _) = world.sessions(&Policy::default());
    let (id, mut session) = sessions.create(Some("ann"), Desk::default()).await.unwrap();
    let (visitor, _) = sessions.create(None, Desk::default()).await.unwrap();
    world.server.as_mut().unwrap().kill().await;
    let errors = [
        sessions.create(None, Desk::default()).await.map(drop).unwrap_err(),
        sessions.load(&id).await.map(drop).unwrap_err(),
        sessions.save(&mut session).await.unwrap_err(),
        sessions.update(&id, |desk| desk.count += 1).await.map(drop).unwrap_err(),
        sessions.touch(&id).await.map(drop).unwrap_err(),
        sessions.rotate(&id, Some("ann")).await.map(drop).unwrap_err(),
        sessions.rotate(&visitor, Some("ann")).await.map(drop).unwrap_err(),
        sessions.revoke(&id).await.map(drop).unwrap_err(),
        sessions.revoke_handle(&id.handle()).await.map(drop).unwrap_err(),
        sessions.revoke_all("ann").await.map(drop).unwrap_err(),
        sessions.list("ann").await.map(drop).unwrap_err(),
    ];
    for error in errors {
        let is_away = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown);
        assert!(is_away && error.is_retryable(), "{error}");
        assert!(!error.to_string().contains("ann"), "{error}");
    }
}
