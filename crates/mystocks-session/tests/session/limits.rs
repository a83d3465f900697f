//! How much a session holds, and how many a user has.

use mystocks_session::{ErrorKind, Policy, Sessions};

use crate::world::{Desk, World, millis, on_both, to};

on_both! {
    data_has_a_bound
    the_oldest_of_too_many_goes
    what_is_no_user_is_refused
}

async fn data_has_a_bound(world: World) {
    let (here, _) = world.sessions(&Policy { most_bytes: 100, ..Policy::default() });
    let (wide, _) = world.sessions(&Policy::default());
    let desk = |letters: usize| Desk { count: 0, notes: vec!["x".repeat(letters)] };
    let around = serde_json::to_vec(&desk(0)).unwrap().len();
    let (id, mut session) = here.create(None, desk(100 - around)).await.unwrap();
    for error in [
        here.create(None, desk(101 - around)).await.map(drop).unwrap_err(),
        {
            session.data = desk(101 - around);
            here.save(&mut session).await.unwrap_err()
        },
        here.update(&id, |data| *data = desk(101 - around)).await.map(drop).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Data, false));
        assert!(error.to_string().contains("101 bytes of JSON, at most 100 are kept"), "{error}");
    }
    assert_eq!(here.load(&id).await.unwrap().unwrap().version(), 1);
    // Another service allows more: what it wrote is not read, and not lost.
    wide.update(&id, |data| *data = desk(60_000)).await.unwrap().unwrap();
    let error = here.load(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("at most 100 are read"), "{error}");
    assert_eq!(wide.load(&id).await.unwrap().unwrap().data, desk(60_000));
    let error = wide.create(None, desk(65_536)).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
}

async fn the_oldest_of_too_many_goes(world: World) {
    let (here, there) = world.sessions(&Policy { most_per_user: Some(3), ..Policy::default() });
    let mut ids = Vec::new();
    for turn in 0..5 {
        let sessions = if turn % 2 == 0 { &here } else { &there };
        ids.push(sessions.create(Some("ann"), Desk::default()).await.unwrap().0);
        tokio::time::sleep(millis(5)).await;
    }
    let (bob, _) = here.create(Some("bob"), Desk::default()).await.unwrap();
    let mut there_still = Vec::new();
    for id in &ids {
        there_still.push(there.load(id).await.unwrap().is_some());
    }
    assert_eq!(there_still, [false, false, true, true, true]);
    // Also when somebody logs in with a session, and when many do at once.
    let (visitor, _) = here.create(None, Desk::default()).await.unwrap();
    ids.push(to(here.rotate(&visitor, Some("ann")).await.unwrap()));
    assert_eq!(there.list("ann").await.unwrap().len(), 3);
    assert!(there.load(&ids[2]).await.unwrap().is_none() && there.load(&ids[5]).await.unwrap().is_some());
    let mut logins = tokio::task::JoinSet::new();
    for turn in 0..20 {
        let sessions = if turn % 2 == 0 { here.clone() } else { there.clone() };
        logins.spawn(async move { sessions.create(Some("ann"), Desk::default()).await.map(drop) });
    }
    for login in logins.join_all().await {
        // One of so many may be among the oldest before it is through.
        assert!(login.is_ok() || login.is_err_and(|error| error.kind() == ErrorKind::Gone));
    }
    assert!(here.list("ann").await.unwrap().len() <= 3);
    assert!(here.load(&bob).await.unwrap().is_some());
}

async fn what_is_no_user_is_refused(world: World) {
    let (here, _) = world.sessions(&Policy::default());
    for user in [String::new(), "x".repeat(513)] {
        let (id, _) = here.create(None, Desk::default()).await.unwrap();
        let errors = [
            here.create(Some(&user), Desk::default()).await.map(drop).unwrap_err(),
            here.rotate(&id, Some(&user)).await.map(drop).unwrap_err(),
            here.revoke_all(&user).await.map(drop).unwrap_err(),
            here.list(&user).await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        }
        assert!(here.load(&id).await.unwrap().is_some());
    }
    // Any text is a user, and only that user.
    for user in ["a b", "a:b", "{a}", "*", "a\nb", "\u{0}", &"x".repeat(512)] {
        here.create(Some(user), Desk::default()).await.unwrap();
        assert_eq!(here.list(user).await.unwrap().len(), 1, "{user:?}");
    }
    assert_eq!(here.revoke_all("*").await.unwrap(), 1);
    assert_eq!(here.list("{a}").await.unwrap().len(), 1);
    let refused =
        Sessions::<Desk>::new(world.here.clone(), Policy { most_per_user: Some(0), ..Policy::default() });
    assert_eq!(refused.map(drop).unwrap_err().kind(), ErrorKind::InvalidArgument);
}
