//! Requests at the same time.

use mystocks_session::{ErrorKind, Policy};
use tokio::task::JoinSet;

use crate::world::{Desk, World, on_both};

on_both! {
    no_update_of_ten_thousand_is_lost
    a_save_that_races_with_a_revocation_revives_nothing
    a_login_that_races_with_a_revocation_of_all_is_revoked_or_fails
    of_many_rotations_at_once_one_gives_an_id
    of_many_logins_with_one_id_one_succeeds
}

async fn no_update_of_ten_thousand_is_lost(world: World) {
    const TASKS: u64 = 16;
    const EACH: u64 = 625;
    let (here, there) = world.sessions(&Policy::default());
    let (id, _) = here.create(None, Desk::default()).await.unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (sessions, id) = (if task % 2 == 0 { here.clone() } else { there.clone() }, id.clone());
        tasks.spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..EACH {
                let updated = sessions.update(&id, |desk| desk.count += 1).await.unwrap().unwrap();
                // Each version is one update, so the version says how often it was counted.
                assert_eq!(updated.version(), updated.data.count + 1);
                seen.push(updated.version());
            }
            assert!(seen.is_sorted_by(|a, b| a < b), "a version came twice or went back");
            seen
        });
    }
    let mut versions: Vec<u64> = tasks.join_all().await.concat();
    versions.sort_unstable();
    assert_eq!(versions, (2..=TASKS * EACH + 1).collect::<Vec<_>>());
    let last = there.load(&id).await.unwrap().unwrap();
    assert_eq!((last.data.count, last.version()), (10_000, 10_001));
}

async fn a_save_that_races_with_a_revocation_revives_nothing(world: World) {
    let (here, there) = world.sessions(&Policy { touch_share: 0.0, ..Policy::default() });
    let mut saved = 0;
    for turn in 0..1_000 {
        let (id, mut session) = here.create(Some("ann"), Desk::default()).await.unwrap();
        let handle = id.handle();
        let revoking = async {
            match turn % 3 {
                0 => there.revoke(&id).await.map(u64::from),
                1 => there.revoke_handle(&handle).await.map(u64::from),
                _ => there.revoke_all("ann").await,
            }
        };
        let (save, touch, rotate, revoked) =
            tokio::join!(here.save(&mut session), here.touch(&id), here.rotate(&id, Some("ann")), revoking);
        let (_, _) = (touch.unwrap(), rotate.unwrap());
        assert_eq!(revoked.unwrap(), 1, "it was there to be revoked");
        match save {
            Ok(()) => saved += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Gone),
        }
        assert!(here.load(&id).await.unwrap().is_none());
        assert_eq!(here.save(&mut session).await.unwrap_err().kind(), ErrorKind::Gone);
        assert!(!here.touch(&id).await.unwrap());
        assert!(here.load(&id).await.unwrap().is_none(), "revived");
    }
    assert!(here.list("ann").await.unwrap().is_empty());
    assert!(saved <= 1_000);
}

async fn a_login_that_races_with_a_revocation_of_all_is_revoked_or_fails(world: World) {
    let (here, there) = world.sessions(&Policy::default());
    for _ in 0..200 {
        let mut logins = JoinSet::new();
        for _ in 0..4 {
            let sessions = here.clone();
            logins.spawn(async move { sessions.create(Some("ann"), Desk::default()).await });
        }
        let first = there.revoke_all("ann").await.unwrap();
        let mut begun = Vec::new();
        for login in logins.join_all().await {
            match login {
                Ok((id, _)) => begun.push(id),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Gone),
            }
        }
        // Now that all of them have begun, none is left.
        let second = there.revoke_all("ann").await.unwrap();
        assert!(first + second <= 4, "{first} and {second} of 4");
        for id in begun {
            assert!(here.load(&id).await.unwrap().is_none());
        }
        assert!(here.list("ann").await.unwrap().is_empty());
    }
}

async fn of_many_rotations_at_once_one_gives_an_id(world: World) {
    use mystocks_session::Rotated;
    let (here, there) = world.sessions(&Policy::default());
    for _ in 0..20 {
        let (id, _) = here.create(Some("ann"), Desk::default()).await.unwrap();
        let mut rotations = JoinSet::new();
        for turn in 0..8 {
            let (sessions, id) = (if turn % 2 == 0 { here.clone() } else { there.clone() }, id.clone());
            rotations.spawn(async move { sessions.rotate(&id, Some("ann")).await.unwrap() });
        }
        let mut given = Vec::new();
        for rotated in rotations.join_all().await {
            match rotated {
                Rotated::To(id) => given.push(id),
                Rotated::Lately => {}
                Rotated::Gone => panic!("the grace lasts"),
            }
        }
        assert_eq!(given.len(), 1);
        assert!(here.load(&given[0]).await.unwrap().is_some());
    }
}

async fn of_many_logins_with_one_id_one_succeeds(world: World) {
    use mystocks_session::Rotated;
    let (here, there) = world.sessions(&Policy::default());
    for _ in 0..20 {
        let (id, _) = here.create(None, Desk::default()).await.unwrap();
        let mut logins = JoinSet::new();
        for turn in 0..8 {
            let (sessions, id) = (if turn % 2 == 0 { here.clone() } else { there.clone() }, id.clone());
            logins.spawn(async move { sessions.rotate(&id, Some("ann")).await.unwrap() });
        }
        let given = logins.join_all().await.into_iter().filter(|rotated| matches!(rotated, Rotated::To(_)));
        assert_eq!(given.count(), 1);
        assert_eq!(there.revoke_all("ann").await.unwrap(), 1);
    }
}
