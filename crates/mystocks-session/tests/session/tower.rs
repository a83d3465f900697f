//! The adapter for `tower-sessions`, driven by its own types.

use std::sync::Arc;
use std::time::Duration;

use mystocks_session::{Policy, TowerSessions};
use time::OffsetDateTime;
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Expiry, Id, Record, Session};
use tower_sessions_core::session_store::Error;

use crate::world::{World, millis, on_both};

on_both! {
    a_session_of_tower_is_kept
    a_cycled_id_leaves_nothing_under_the_old_one
    what_was_deleted_or_has_ended_is_not_saved_again
    an_id_that_is_taken_is_not_given_twice
    its_bounds_hold
}

fn tower(world: &World, policy: Policy) -> Arc<TowerSessions> {
    Arc::new(TowerSessions::new(Arc::clone(&world.here), policy).unwrap())
}

fn record(lasts: Duration) -> Record {
    let expiry_date = OffsetDateTime::now_utc() + lasts;
    Record { id: Id::default(), data: [("a".to_owned(), 1.into())].into(), expiry_date }
}

const HOUR: Duration = Duration::from_secs(3600);

async fn a_session_of_tower_is_kept(world: World) {
    let store = tower(&world, Policy::default());
    let session = Session::new(None, store.clone(), Some(Expiry::OnInactivity(time::Duration::hours(1))));
    session.insert("name", "Änn").await.unwrap();
    session.save().await.unwrap();
    let id = session.id().unwrap();
    // Another request, in another process.
    let there = Arc::new(TowerSessions::new(Arc::clone(&world.there), Policy::default()).unwrap());
    let again = Session::new(Some(id), there, None);
    assert_eq!(again.get::<String>("name").await.unwrap().as_deref(), Some("Änn"));
    again.insert("count", 2).await.unwrap();
    again.save().await.unwrap();
    session.load().await.unwrap();
    assert_eq!(session.get::<u64>("count").await.unwrap(), Some(2));
    let kept = store.load(&id).await.unwrap().unwrap();
    assert_eq!((kept.id, kept.data.len()), (id, 2));
    assert!((kept.expiry_date - OffsetDateTime::now_utc()) > time::Duration::minutes(59));
    session.flush().await.unwrap();
    assert_eq!(store.load(&id).await.unwrap(), None);
}

async fn a_cycled_id_leaves_nothing_under_the_old_one(world: World) {
    let store = tower(&world, Policy::default());
    let session = Session::new(None, store.clone(), None);
    session.insert("cart", 3).await.unwrap();
    session.save().await.unwrap();
    let planted = session.id().unwrap();
    session.cycle_id().await.unwrap();
    session.insert("user", "ann").await.unwrap();
    session.save().await.unwrap();
    let id = session.id().unwrap();
    assert_ne!(id, planted);
    assert_eq!(store.load(&planted).await.unwrap(), None);
    assert_eq!(store.load(&id).await.unwrap().unwrap().data.len(), 2);
    // Who still has the old id gets another session, and nothing of this one.
    let of_thief = Session::new(Some(planted), store.clone(), None);
    assert_eq!(of_thief.get::<String>("user").await.unwrap(), None);
    of_thief.insert("x", 1).await.unwrap();
    of_thief.save().await.unwrap();
    assert_ne!(of_thief.id(), Some(planted));
}

async fn what_was_deleted_or_has_ended_is_not_saved_again(world: World) {
    let store = tower(&world, Policy::default());
    let mut deleted = record(HOUR);
    store.create(&mut deleted).await.unwrap();
    store.delete(&deleted.id).await.unwrap();
    assert!(matches!(store.save(&deleted).await, Err(Error::Backend(_))));
    assert_eq!(store.load(&deleted.id).await.unwrap(), None);
    store.delete(&deleted.id).await.unwrap();
    let mut ended = record(millis(300));
    store.create(&mut ended).await.unwrap();
    while store.load(&ended.id).await.unwrap().is_some() {
        tokio::time::sleep(millis(10)).await;
    }
    assert!(OffsetDateTime::now_utc() >= ended.expiry_date - time::Duration::milliseconds(20));
    assert!(matches!(
        store.save(&Record { expiry_date: record(HOUR).expiry_date, ..ended }).await,
        Err(Error::Backend(_))
    ));
    // A date that is past ends it, and cannot begin it.
    let mut past = record(HOUR);
    store.create(&mut past).await.unwrap();
    past.expiry_date = OffsetDateTime::now_utc() - Duration::from_secs(1);
    store.save(&past).await.unwrap();
    assert_eq!(store.load(&past.id).await.unwrap(), None);
    past.id = Id::default();
    assert!(matches!(store.create(&mut past).await, Err(Error::Backend(_))));
}

async fn an_id_that_is_taken_is_not_given_twice(world: World) {
    let store = tower(&world, Policy::default());
    let mut first = record(HOUR);
    store.create(&mut first).await.unwrap();
    store.delete(&first.id).await.unwrap();
    let mut second = Record { id: first.id, ..record(HOUR) };
    store.create(&mut second).await.unwrap();
    assert_ne!(second.id, first.id, "nor one that was deleted a moment ago");
    assert_eq!(store.load(&first.id).await.unwrap(), None);
    assert!(store.load(&second.id).await.unwrap().is_some());
}

async fn its_bounds_hold(world: World) {
    let policy = Policy { most_bytes: 100, absolute: HOUR, idle: HOUR, ..Policy::default() };
    let store = tower(&world, policy);
    let mut session = record(10 * HOUR);
    store.create(&mut session).await.unwrap();
    let kept = store.load(&session.id).await.unwrap().unwrap();
    assert!(kept.expiry_date <= OffsetDateTime::now_utc() + HOUR, "the absolute end holds");
    store.save(&session).await.unwrap();
    assert_eq!(store.load(&session.id).await.unwrap().unwrap().expiry_date, kept.expiry_date);
    session.data.insert("b".to_owned(), "x".repeat(100).into());
    assert!(matches!(store.save(&session).await, Err(Error::Encode(_))));
    assert!(matches!(store.create(&mut session).await, Err(Error::Encode(_))));
    assert_eq!(store.load(&session.id).await.unwrap(), Some(kept));
}
