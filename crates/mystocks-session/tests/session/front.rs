//! Sessions as services use them.

use mystocks_session::{ErrorKind, Policy, Rotated, SessionHandle, Sessions};

use crate::world::{Desk, World, on_both, to};

on_both! {
    a_session_is_created_loaded_and_saved
    the_last_of_two_who_save_is_told
    an_update_loses_nothing_and_finds_nothing_where_nothing_is
    a_rotation_for_the_same_user_keeps_the_session
    a_login_is_a_new_session_with_the_old_data
    sessions_are_listed_newest_first_and_revoked_by_handle
    data_of_another_type_is_an_error_that_quotes_nothing
}

async fn a_session_is_created_loaded_and_saved(world: World) {
    let (here, there) = world.sessions(&Policy::default());
    let (id, created) = here.create(Some("ann"), Desk { count: 7, ..Desk::default() }).await.unwrap();
    assert_eq!((created.user(), created.version(), created.data.count), (Some("ann"), 1, 7));
    assert_eq!(created.handle(), &id.handle());
    let day = Policy::default().idle;
    assert_eq!(created.info().idle_end, created.info().created + day);
    assert_eq!(created.info().absolute_end, created.info().created + 30 * day);
    assert_eq!(created.info().end(), created.info().idle_end);
    let mut loaded = there.load(&id).await.unwrap().unwrap();
    assert_eq!((&loaded.data, loaded.info()), (&created.data, created.info()));
    loaded.data.notes.push("价格".to_owned());
    there.save(&mut loaded).await.unwrap();
    assert_eq!(loaded.version(), 2);
    loaded.data.count += 1;
    there.save(&mut loaded).await.unwrap();
    let found = here.load(&id).await.unwrap().unwrap();
    assert_eq!((found.version(), found.data), (3, Desk { count: 8, notes: vec!["价格".to_owned()] }));
    assert!(here.touch(&id).await.unwrap() && here.revoke(&id).await.unwrap());
    assert!(!there.revoke(&id).await.unwrap() && !there.touch(&id).await.unwrap());
    assert!(there.load(&id).await.unwrap().is_none());
}

async fn the_last_of_two_who_save_is_told(world: World) {
    let (here, there) = world.sessions(&Policy::default());
    let (id, mut first) = here.create(None, Desk::default()).await.unwrap();
    let mut second = there.load(&id).await.unwrap().unwrap();
    first.data.notes.push("first".to_owned());
    second.data.notes.push("second".to_owned());
    here.save(&mut first).await.unwrap();
    let error = there.save(&mut second).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        !error.is_retryable() && error.to_string().contains("version 1 was loaded, 2 is there"),
        "{error}"
    );
    assert_eq!(second.version(), 1, "nothing was written");
    assert_eq!(here.load(&id).await.unwrap().unwrap().data.notes, ["first"]);
    let merged = there.update(&id, |desk| desk.notes.push("second".to_owned())).await.unwrap().unwrap();
    assert_eq!(
        (merged.version(), &merged.data.notes[..]),
        (3, &["first".to_owned(), "second".to_owned()][..])
    );
}

async fn an_update_loses_nothing_and_finds_nothing_where_nothing_is(world: World) {
    let (here, there) = world.sessions(&Policy::default());
    let (id, _) = here.create(None, Desk::default()).await.unwrap();
    // Somebody saves between the load and the save, twice.
    let mut runs = 0;
    let (other, there_id) = (there.clone(), id.clone());
    let updated = here
        .update(&id, |desk| {
            runs += 1;
            if runs <= 2 {
                tokio::task::block_in_place(|| {
                    let saved = other.update(&there_id, |desk| desk.count += 10);
                    tokio::runtime::Handle::current().block_on(saved).unwrap().unwrap();
                });
            }
            desk.count += 1;
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!((runs, updated.data.count, updated.version()), (3, 21, 4));
    here.revoke(&id).await.unwrap();
    assert!(here.update(&id, |desk| desk.count += 1).await.unwrap().is_none());
}

async fn a_rotation_for_the_same_user_keeps_the_session(world: World) {
    let (here, there) = world.sessions(&Policy::default());
    let (id, created) = here.create(Some("ann"), Desk { count: 5, ..Desk::default() }).await.unwrap();
    let next = to(here.rotate(&id, Some("ann")).await.unwrap());
    assert_eq!(next.handle(), id.handle());
    assert_ne!(next.expose()[32..], id.expose()[32..]);
    // A request on its way has the old id, and another one that wants to rotate is told.
    let mut late = there.load(&id).await.unwrap().unwrap();
    late.data.count = 6;
    there.save(&mut late).await.unwrap();
    assert!(matches!(there.rotate(&id, Some("ann")).await.unwrap(), Rotated::Lately));
    let found = there.load(&next).await.unwrap().unwrap();
    assert_eq!((found.version(), found.data.count, found.user()), (2, 6, Some("ann")));
    assert_eq!(found.info().absolute_end, created.info().absolute_end);
    // What was loaded with the first id is saved with the first id, as long as that is good.
    let newest = to(here.rotate(&next, Some("ann")).await.unwrap());
    late.data.count = 7;
    let error = there.save(&mut late).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone);
    assert!(there.load(&newest).await.unwrap().is_none(), "that was an id of two rotations ago");
}

async fn a_login_is_a_new_session_with_the_old_data(world: World) {
    let (here, there) = world.sessions(&Policy::default());
    let (visitor, mut before) = here.create(None, Desk { count: 3, ..Desk::default() }).await.unwrap();
    before.data.count = 4;
    here.save(&mut before).await.unwrap();
    let ann = to(there.rotate(&visitor, Some("ann")).await.unwrap());
    assert_ne!(ann.handle(), visitor.handle());
    let found = here.load(&ann).await.unwrap().unwrap();
    assert_eq!((found.user(), found.version(), found.data.count), (Some("ann"), 1, 4));
    // What was loaded before the login can no longer be written.
    before.data.count = 5;
    assert_eq!(here.save(&mut before).await.unwrap_err().kind(), ErrorKind::Gone);
    // A logout that keeps the data, and another user: each is a new session.
    let nobody = to(here.rotate(&ann, None).await.unwrap());
    assert!(here.list("ann").await.unwrap().is_empty());
    let bob = to(here.rotate(&nobody, Some("bob")).await.unwrap());
    let handles = [&visitor, &ann, &nobody, &bob].map(|id| id.handle());
    let distinct: std::collections::BTreeSet<SessionHandle> = handles.into_iter().collect();
    assert_eq!(distinct.len(), 4);
    for old in [&visitor, &ann, &nobody] {
        assert!(there.load(old).await.unwrap().is_none());
        assert!(matches!(there.rotate(old, Some("eve")).await.unwrap(), Rotated::Gone));
    }
    assert_eq!(there.load(&bob).await.unwrap().unwrap().data.count, 4);
}

async fn sessions_are_listed_newest_first_and_revoked_by_handle(world: World) {
    let (here, there) = world.sessions(&Policy::default());
    let mut ids = Vec::new();
    for count in 0..3 {
        ids.push(here.create(Some("ann"), Desk { count, ..Desk::default() }).await.unwrap().0);
        // The order is by milliseconds of the store's clock.
        tokio::time::sleep(crate::world::millis(5)).await;
    }
    here.create(Some("bob"), Desk::default()).await.unwrap();
    let listed = there.list("ann").await.unwrap();
    let handles: Vec<_> = listed.iter().map(|info| info.handle.clone()).collect();
    assert_eq!(handles, ids.iter().rev().map(|id| id.handle()).collect::<Vec<_>>());
    let shown = SessionHandle::parse(&listed[1].handle.to_string()).unwrap();
    assert!(there.revoke_handle(&shown).await.unwrap());
    assert!(!here.revoke_handle(&shown).await.unwrap());
    assert!(here.load(&ids[1]).await.unwrap().is_none());
    assert_eq!(here.list("ann").await.unwrap().len(), 2);
    assert_eq!(here.revoke_all("ann").await.unwrap(), 2);
    assert_eq!(here.revoke_all("ann").await.unwrap(), 0);
    assert_eq!(there.list("bob").await.unwrap().len(), 1);
}

async fn data_of_another_type_is_an_error_that_quotes_nothing(world: World) {
    let notes: Sessions<Vec<String>> = Sessions::new(world.here.clone(), Policy::default()).unwrap();
    let (desks, _) = world.sessions(&Policy::default());
    let (id, _) = notes.create(None, vec!["my secret".to_owned()]).await.unwrap();
    let error = desks.load(&id).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Data, false));
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("secret") && shown.contains(id.handle().as_str()), "{shown}");
    assert_eq!(notes.load(&id).await.unwrap().unwrap().data, ["my secret"]);
}
