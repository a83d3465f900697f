//! What an attacker tries who has an id, had one, or guesses.

use mystocks_session::{ErrorKind, Policy, Rotated, SessionId};

use crate::world::{Desk, World, millis, on_both, to};

on_both! {
    an_id_planted_before_the_login_is_worth_nothing_after_it
    an_id_is_worth_nothing_after_a_revocation
    an_old_id_past_its_grace_ends_the_session
    an_old_id_is_only_refused_if_that_is_the_policy
    a_thief_who_rotates_is_found_when_the_user_comes_back
    guesses_open_nothing
}

async fn an_id_planted_before_the_login_is_worth_nothing_after_it(world: World) {
    let (here, there) = world.sessions(&Policy::default());
    // The attacker has a session made, plants its id in the victim's browser, and keeps it warm.
    let (planted, mut kept) = there.create(None, Desk { count: 1, ..Desk::default() }).await.unwrap();
    there.touch(&planted).await.unwrap();
    let victim = to(here.rotate(&planted, Some("ann")).await.unwrap());
    // At once: there is no grace at a login.
    assert!(there.load(&planted).await.unwrap().is_none());
    assert!(!there.touch(&planted).await.unwrap());
    assert!(matches!(there.rotate(&planted, Some("ann")).await.unwrap(), Rotated::Gone));
    assert!(matches!(there.rotate(&planted, None).await.unwrap(), Rotated::Gone));
    kept.data.count = 666;
    assert_eq!(there.save(&mut kept).await.unwrap_err().kind(), ErrorKind::Gone);
    assert!(!there.revoke(&planted).await.unwrap() && !there.revoke_handle(&planted.handle()).await.unwrap());
    // And the victim is not harmed by any of it.
    assert_eq!(here.load(&victim).await.unwrap().unwrap().data.count, 1);
    // An id that the server has never given, planted or invented, is no session that a login could adopt.
    let own = SessionId::parse(&"A".repeat(64)).unwrap();
    assert!(matches!(here.rotate(&own, Some("ann")).await.unwrap(), Rotated::Gone));
    assert!(here.load(&own).await.unwrap().is_none());
}

async fn an_id_is_worth_nothing_after_a_revocation(world: World) {
    let (here, there) = world.sessions(&Policy::default());
    for how in 0..3 {
        let (id, mut session) = here.create(Some("ann"), Desk::default()).await.unwrap();
        let revoked = match how {
            0 => here.revoke(&id).await.unwrap(),
            1 => here.revoke_handle(&id.handle()).await.unwrap(),
            _ => here.revoke_all("ann").await.unwrap() == 1,
        };
        assert!(revoked);
        assert!(there.load(&id).await.unwrap().is_none());
        assert!(!there.touch(&id).await.unwrap());
        assert_eq!(there.save(&mut session).await.unwrap_err().kind(), ErrorKind::Gone);
        assert!(there.update(&id, |desk| desk.count += 1).await.unwrap().is_none());
        for user in [None, Some("ann"), Some("eve")] {
            assert!(matches!(there.rotate(&id, user).await.unwrap(), Rotated::Gone));
        }
        assert!(here.load(&id).await.unwrap().is_none());
        assert!(here.list("ann").await.unwrap().is_empty());
    }
}

async fn an_old_id_past_its_grace_ends_the_session(world: World) {
    let (here, there) = world.sessions(&Policy { grace: millis(1), ..Policy::default() });
    for operation in 0..5 {
        let (stolen, mut session) = here.create(Some("ann"), Desk::default()).await.unwrap();
        let present = to(here.rotate(&stolen, Some("ann")).await.unwrap());
        tokio::time::sleep(millis(10)).await;
        let is_refused = match operation {
            0 => there.load(&stolen).await.unwrap().is_none(),
            1 => !there.touch(&stolen).await.unwrap(),
            2 => there.save(&mut session).await.is_err_and(|error| error.kind() == ErrorKind::Gone),
            3 => matches!(there.rotate(&stolen, Some("eve")).await.unwrap(), Rotated::Gone),
            _ => !there.revoke(&stolen).await.unwrap(),
        };
        assert!(is_refused, "operation {operation}");
        assert!(here.load(&present).await.unwrap().is_none(), "operation {operation}");
        assert!(here.list("ann").await.unwrap().is_empty());
    }
}

async fn an_old_id_is_only_refused_if_that_is_the_policy(world: World) {
    let policy = Policy { grace: millis(1), revoke_replayed: false, ..Policy::default() };
    let (here, there) = world.sessions(&policy);
    let (stolen, _) = here.create(Some("ann"), Desk::default()).await.unwrap();
    let present = to(here.rotate(&stolen, Some("ann")).await.unwrap());
    tokio::time::sleep(millis(10)).await;
    assert!(there.load(&stolen).await.unwrap().is_none());
    assert!(here.load(&present).await.unwrap().is_some());
}

async fn a_thief_who_rotates_is_found_when_the_user_comes_back(world: World) {
    let (here, there) = world.sessions(&Policy { grace: millis(1), ..Policy::default() });
    let (of_ann, _) = here.create(Some("ann"), Desk::default()).await.unwrap();
    // The thief has a copy and is first, and second: the user's id is of two rotations ago.
    let once = to(there.rotate(&of_ann, Some("ann")).await.unwrap());
    let of_thief = to(there.rotate(&once, Some("ann")).await.unwrap());
    assert!(there.load(&of_thief).await.unwrap().is_some());
    tokio::time::sleep(millis(10)).await;
    assert!(here.load(&of_ann).await.unwrap().is_none());
    assert!(there.load(&of_thief).await.unwrap().is_none(), "the thief has nothing any more");
}

async fn guesses_open_nothing(world: World) {
    let policy = Policy { revoke_replayed: false, ..Policy::default() };
    let (here, there) = world.sessions(&policy);
    let (id, _) = here.create(Some("ann"), Desk::default()).await.unwrap();
    let text = id.expose();
    let (mut near, mut malformed) = (0, 0);
    for at in 0..text.len() {
        for letter in ["A", "z", "0", "-", "_", "+", "=", "é"] {
            if text[at..].starts_with(letter) {
                continue;
            }
            let guess = format!("{}{letter}{}", &text[..at], &text[at + 1..]);
            match SessionId::parse(&guess) {
                Ok(guess) => {
                    near += 1;
                    assert!(there.load(&guess).await.unwrap().is_none());
                    assert!(matches!(there.rotate(&guess, Some("ann")).await.unwrap(), Rotated::Gone));
                    assert!(!there.revoke(&guess).await.unwrap());
                }
                Err(error) => {
                    malformed += 1;
                    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
                    assert!(!format!("{error:?}").contains(&text[8..24]));
                }
            }
        }
    }
    assert!(near > 300 && malformed == 3 * 64, "{near} {malformed}");
    // What may be shown opens nothing: neither the handle nor what stands in the store is an id.
    let handle = id.handle();
    assert!(SessionId::parse(handle.as_str()).is_err());
    let twice = SessionId::parse(&format!("{handle}{handle}")).unwrap();
    assert!(there.load(&twice).await.unwrap().is_none());
    assert!(here.load(&id).await.unwrap().is_some());
}
