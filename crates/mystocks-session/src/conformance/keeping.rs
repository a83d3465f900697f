//! What is written is found.

use std::sync::Arc;

use super::{ALL, Fleet, HOUR, Known, MINUTE, NO_DATA, create, here, load, save};
use crate::error::ErrorKind;
use crate::store::{Found, Load, Record, Save, Saved, Turn, Turned};

/// A session is found as it was created, by every process.
pub async fn a_session_is_found_as_it_was_created(fleet: &Fleet) {
    let (ann, nobody) = (Known::new(), Known::new());
    let data: Vec<u8> = (0..=255).collect();
    let created = create(&fleet.here, ann.draft(Some("Änn: {x}*\n"), &data)).await;
    create(&fleet.here, nobody.draft(None, b"")).await;
    let found = here(&fleet.there, ann.claim()).await;
    assert_eq!(found, Record { data, ..created.clone() });
    assert_eq!((found.user.as_deref(), found.version, found.seen), (Some("Änn: {x}*\n"), 1, found.created));
    assert_eq!((found.idle_end, found.absolute_end), (found.created + 60_000, found.created + 3_600_000));
    assert_eq!(load(&fleet.there, ann.claim(), NO_DATA).await, Found::Here(created));
    let found = here(&fleet.there, nobody.claim()).await;
    assert_eq!((found.user, found.data, found.version), (None, Vec::new(), 1));
}

/// Nothing is found, saved, rotated or revoked where nothing was created.
pub async fn what_was_never_created_is_gone(fleet: &Fleet) {
    use crate::store::{Revoke, Revoked};
    let known = Known::new();
    assert_eq!(load(&fleet.here, known.strict(), ALL).await, Found::Gone);
    assert_eq!(save(&fleet.here, known.strict(), 1, b"{}").await, Found::Gone);
    let turn = Turn { proof: &known.turned().proof, user: None, grace: MINUTE, idle: MINUTE };
    assert_eq!(fleet.here.rotate(&known.strict(), &turn).await.ok(), Some(Found::Gone));
    let none = Some(Revoked { sessions: 0, claimed: Found::Gone });
    for what in
        [Revoke::Claimed(known.strict(), None), Revoke::Named(&known.handle), Revoke::OfUser("nobody")]
    {
        assert_eq!(fleet.here.revoke(&what).await.ok(), none, "{what:?}");
    }
    assert_eq!(fleet.here.list("nobody").await.ok(), Some(Vec::new()));
    // None of that left anything behind.
    create(&fleet.here, known.draft(None, b"{}")).await;
}

/// A save replaces the data, adds one to the version, and is refused to who knows another version.
pub async fn a_save_counts_one_version(fleet: &Fleet) {
    let known = Known::new();
    create(&fleet.here, known.draft(Some("ann"), b"one")).await;
    assert_eq!(save(&fleet.there, known.claim(), 1, b"two").await, Found::Here(Saved::As(2)));
    for version in [0, 1, 3, u64::MAX / 4096] {
        let conflict = save(&fleet.here, known.claim(), version, b"lost").await;
        assert_eq!(conflict, Found::Here(Saved::Conflict(2)), "of version {version}");
    }
    let found = here(&fleet.here, known.claim()).await;
    assert_eq!((&found.data[..], found.version, found.user.as_deref()), (&b"two"[..], 2, Some("ann")));
    assert_eq!(save(&fleet.here, known.claim(), 2, b"").await, Found::Here(Saved::As(3)));
    let found = here(&fleet.there, known.claim()).await;
    assert_eq!((found.data.len(), found.version), (0, 3));
}

/// Of many saves of one version at once, one is done.
pub async fn of_many_saves_one_wins(fleet: &Fleet) {
    let known = Arc::new(Known::new());
    create(&fleet.here, known.draft(None, b"start")).await;
    let mut saves = tokio::task::JoinSet::new();
    for n in 0..32_u8 {
        let store = Arc::clone(if n % 2 == 0 { &fleet.here } else { &fleet.there });
        let known = Arc::clone(&known);
        saves.spawn(async move { (n, save(&store, known.claim(), 1, &[n]).await) });
    }
    let done = saves.join_all().await;
    let won: Vec<u8> =
        done.iter().filter(|(_, saved)| *saved == Found::Here(Saved::As(2))).map(|(n, _)| *n).collect();
    let lost = done.iter().filter(|(_, saved)| *saved == Found::Here(Saved::Conflict(2))).count();
    assert_eq!((won.len(), lost), (1, 31));
    assert_eq!(here(&fleet.here, known.claim()).await.data, won);
}

/// A request whose answer was lost can be sent again, and is done once.
pub async fn asked_again_it_answers_as_before(fleet: &Fleet) {
    let known = Known::new();
    let draft = known.draft(Some("ann"), b"one");
    let created = create(&fleet.here, draft).await;
    assert_eq!(create(&fleet.there, draft).await.created, created.created);
    assert_eq!(fleet.here.list("ann").await.map(|listed| listed.len()).ok(), Some(1));
    let saving = Save { version: 1, nonce: &[7; 16], data: b"two", idle: MINUTE };
    for _ in 0..2 {
        assert_eq!(fleet.here.save(&known.claim(), &saving).await.ok(), Some(Found::Here(Saved::As(2))));
    }
    let other = Save { nonce: &[8; 16], ..saving };
    assert_eq!(fleet.here.save(&known.claim(), &other).await.ok(), Some(Found::Here(Saved::Conflict(2))));
    // After somebody else's save it is a conflict, whatever it was before.
    assert_eq!(save(&fleet.there, known.claim(), 2, b"three").await, Found::Here(Saved::As(3)));
    assert_eq!(fleet.here.save(&known.claim(), &saving).await.ok(), Some(Found::Here(Saved::Conflict(3))));
    assert_eq!(here(&fleet.here, known.claim()).await.data, b"three");
    let next = known.turned();
    let turn = Turn { proof: &next.proof, user: Some("ann"), grace: HOUR, idle: MINUTE };
    for _ in 0..2 {
        assert_eq!(fleet.here.rotate(&known.strict(), &turn).await.ok(), Some(Found::Here(Turned::Done)));
    }
    assert_eq!(here(&fleet.here, next.strict()).await.version, 3);
    // Nobody can be given what somebody else has.
    let thief = known.turned();
    let taken = fleet.there.create(&thief.draft(Some("eve"), b"{}")).await;
    assert_eq!(taken.map_err(|error| error.kind()), Err(ErrorKind::Gone));
    assert_eq!(here(&fleet.here, next.strict()).await.user.as_deref(), Some("ann"));
}

/// A reader gets no more data than it can hold, and the session stays.
pub async fn more_data_than_asked_for_is_refused(fleet: &Fleet) {
    let known = Known::new();
    create(&fleet.here, known.draft(None, &[b'x'; 100])).await;
    let most = |bytes| Load { most_bytes: Some(bytes), touch: None };
    assert!(matches!(load(&fleet.here, known.claim(), most(100)).await, Found::Here(_)));
    let refused = fleet.here.load(&known.claim(), most(99)).await;
    assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::Data));
    let claimed = fleet.here.revoke(&crate::store::Revoke::Claimed(known.claim(), Some(99))).await;
    assert_eq!(claimed.map_err(|error| error.kind()), Err(ErrorKind::Data));
    assert_eq!(here(&fleet.here, known.claim()).await.data.len(), 100);
}

/// The sessions of a user are listed, without their data, and nobody else's.
pub async fn what_was_created_is_listed(fleet: &Fleet) {
    let mut of_ann: Vec<_> = (0..3).map(|_| Known::new()).collect();
    of_ann.sort_by(|a, b| a.handle.cmp(&b.handle));
    for known in &of_ann {
        create(&fleet.here, known.draft(Some("ann"), b"data")).await;
    }
    create(&fleet.here, Known::new().draft(Some("ann:"), b"data")).await;
    create(&fleet.here, Known::new().draft(None, b"data")).await;
    assert_eq!(save(&fleet.here, of_ann[1].claim(), 1, b"more").await, Found::Here(Saved::As(2)));
    let Ok(mut listed) = fleet.there.list("ann").await else { panic!("not listed") };
    listed.sort_by(|(a, _), (b, _)| a.cmp(b));
    let handles: Vec<_> = listed.iter().map(|(handle, _)| handle).collect();
    assert_eq!(handles, of_ann.iter().map(|known| &known.handle).collect::<Vec<_>>());
    for (known, (_, record)) in of_ann.iter().zip(&listed) {
        assert_eq!(Found::Here(record.clone()), load(&fleet.here, known.claim(), NO_DATA).await);
    }
    assert_eq!(listed[1].1.version, 2);
    assert_eq!(fleet.there.list("ann:").await.map(|listed| listed.len()).ok(), Some(1));
}
