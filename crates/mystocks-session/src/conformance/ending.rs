//! Sessions end, and stay away.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    ALL, Fleet, HOUR, Known, MINUTE, MOMENT, NO_DATA, create, here, load, save, turn, until_refused,
};
use crate::error::ErrorKind;
use crate::store::{Draft, Found, Load, Record, Revoke, Saved, Touch, Turned};

/// A session that is not used ends with its idle time, and leaves the list of its user.
pub async fn an_unused_session_ends(fleet: &Fleet) {
    let known = Known::new();
    create(&fleet.here, Draft { idle: MOMENT, ..known.draft(Some("ann"), b"") }).await;
    let other = Known::new();
    create(&fleet.here, other.draft(Some("ann"), b"")).await;
    // Looking at it is no use.
    assert_eq!(until_refused(&fleet.there, known.strict()).await, Found::Gone);
    assert_eq!(save(&fleet.here, known.strict(), 1, b"").await, Found::Gone);
    assert_eq!(turn(&fleet.here, &known, &known.turned(), MINUTE).await, Found::Gone);
    let revoked = fleet.here.revoke(&Revoke::Claimed(known.strict(), None)).await;
    assert_eq!(revoked.map(|revoked| revoked.sessions).ok(), Some(0));
    let listed =
        fleet.here.list("ann").await.map(|listed| listed.into_iter().map(|(handle, _)| handle).collect());
    assert_eq!(listed.ok(), Some(vec![other.handle.clone()]));
}

/// Each use sets the idle end anew; at the absolute end it is over, however much it is used.
pub async fn a_use_moves_the_idle_end_and_nothing_the_absolute_one(fleet: &Fleet) {
    let known = Known::new();
    let created =
        create(&fleet.here, Draft { idle: 2 * MOMENT, absolute: 4 * MOMENT, ..known.draft(None, b"") }).await;
    let touch = Some(Touch { idle: MINUTE, after: Duration::ZERO });
    sleep(MOMENT).await;
    let Found::Here(used) = load(&fleet.there, known.claim(), Load { touch, ..NO_DATA }).await else {
        panic!("it has ended before its time")
    };
    assert!(used.seen >= created.seen + 300, "{used:?} after {created:?}");
    assert_eq!((used.idle_end, used.absolute_end), (used.seen + 60_000, created.absolute_end));
    assert_eq!(used.end(), created.absolute_end);
    assert_eq!(save(&fleet.here, known.claim(), 1, b"").await, Found::Here(Saved::As(2)));
    let next = known.turned();
    assert_eq!(turn(&fleet.here, &known, &next, MINUTE).await, Found::Here(Turned::Done));
    assert_eq!(here(&fleet.here, next.claim()).await.absolute_end, created.absolute_end);
    assert_eq!(until_refused(&fleet.there, next.claim()).await, Found::Gone);
}

/// A use is written when the last one is as long ago as it has to be, and not before.
pub async fn a_use_is_written_when_it_is_due(fleet: &Fleet) {
    let known = Known::new();
    let created = create(&fleet.here, known.draft(None, b"")).await;
    let touch = |after| Load { touch: Some(Touch { idle: HOUR / 2, after }), ..NO_DATA };
    assert_eq!(load(&fleet.here, known.claim(), touch(MINUTE)).await, Found::Here(created.clone()));
    sleep(MOMENT).await;
    assert_eq!(load(&fleet.here, known.claim(), touch(MINUTE)).await, Found::Here(created.clone()));
    let Found::Here(used) = load(&fleet.here, known.claim(), touch(MOMENT)).await else {
        panic!("it is not there")
    };
    assert!(used.seen >= created.seen + 300);
    assert_eq!(used.idle_end, used.seen + 1_800_000);
    assert_eq!(load(&fleet.there, known.claim(), NO_DATA).await, Found::Here(used));
}

/// What is revoked is not found, and no save, use, rotation or late creation brings it back.
pub async fn what_is_revoked_stays_away(fleet: &Fleet) {
    for how in 0..4 {
        let known = Known::new();
        let draft = known.draft(Some("ann"), b"secret");
        create(&fleet.here, draft).await;
        let touch = Some(Touch { idle: MINUTE, after: Duration::ZERO });
        let sessions = match how {
            0 => fleet.there.revoke(&Revoke::Claimed(known.claim(), None)).await,
            1 => fleet.there.revoke(&Revoke::Named(&known.handle)).await,
            2 => fleet.there.revoke(&Revoke::OfUser("ann")).await,
            _ => {
                let replayed = load(&fleet.there, known.turned().strict(), ALL).await;
                assert_eq!(replayed, Found::Replayed { is_revoked: true });
                fleet.there.revoke(&Revoke::Named(&known.handle)).await
            }
        };
        assert_eq!(sessions.map(|revoked| revoked.sessions).ok(), Some(u64::from(how < 3)), "{how}");
        for _ in 0..2 {
            let late = fleet.here.create(&draft).await;
            assert_eq!(late.map_err(|error| error.kind()), Err(ErrorKind::Gone), "{how}");
            assert_eq!(save(&fleet.here, known.claim(), 1, b"").await, Found::Gone, "{how}");
            assert_eq!(load(&fleet.here, known.claim(), Load { touch, ..ALL }).await, Found::Gone, "{how}");
            assert_eq!(turn(&fleet.here, &known, &known.turned(), MINUTE).await, Found::Gone, "{how}");
            assert_eq!(fleet.here.list("ann").await.ok(), Some(Vec::new()), "{how}");
        }
    }
}

/// Who revokes what they claim gets it, with its data if they ask, and gets it once.
pub async fn what_is_claimed_is_revoked_once(fleet: &Fleet) {
    let known = Known::new();
    let created = create(&fleet.here, known.draft(Some("ann"), b"data")).await;
    let what = Revoke::Claimed(known.claim(), Some(4));
    let Ok(revoked) = fleet.there.revoke(&what).await else { panic!("not revoked") };
    assert_eq!(revoked.claimed, Found::Here(Record { data: b"data".to_vec(), ..created }));
    assert_eq!(revoked.sessions, 1);
    let Ok(again) = fleet.here.revoke(&what).await else { panic!("not asked") };
    assert_eq!((again.sessions, again.claimed), (0, Found::Gone));

    // Also with the verifier before, while its grace lasts.
    let known = Known::new();
    create(&fleet.here, known.draft(None, b"data")).await;
    assert_eq!(turn(&fleet.here, &known, &known.turned(), MINUTE).await, Found::Here(Turned::Done));
    let revoked = fleet.here.revoke(&Revoke::Claimed(known.claim(), None)).await;
    let Found::Here(record) = revoked.map_or(Found::Gone, |revoked| revoked.claimed) else {
        panic!("not revoked")
    };
    assert_eq!((record.data.len(), record.version), (0, 1));
}

/// All sessions of a user are revoked, however many there are, and nobody else's.
pub async fn all_sessions_of_a_user_are_revoked_and_no_others(fleet: &Fleet) {
    let of_ann: Vec<_> = (0..300).map(|_| Known::new()).collect();
    for known in &of_ann {
        create(&fleet.here, known.draft(Some("ann"), b"")).await;
    }
    let (of_bob, of_nobody) = (Known::new(), Known::new());
    create(&fleet.here, of_bob.draft(Some("bob"), b"")).await;
    create(&fleet.here, of_nobody.draft(None, b"")).await;
    let revoked = fleet.there.revoke(&Revoke::OfUser("ann")).await;
    assert_eq!(revoked.map(|revoked| revoked.sessions).ok(), Some(300));
    for known in &of_ann {
        assert_eq!(load(&fleet.here, known.claim(), NO_DATA).await, Found::Gone);
    }
    for known in [&of_bob, &of_nobody] {
        assert!(matches!(load(&fleet.here, known.claim(), NO_DATA).await, Found::Here(_)));
    }
    // Who logs in again is not revoked by what was.
    let again = Known::new();
    create(&fleet.here, again.draft(Some("ann"), b"")).await;
    assert_eq!(fleet.there.list("ann").await.map(|listed| listed.len()).ok(), Some(1));
    let revoked = fleet.there.revoke(&Revoke::OfUser("ann")).await;
    assert_eq!(revoked.map(|revoked| revoked.sessions).ok(), Some(1));
}
