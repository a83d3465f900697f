//! Only who has the id has the session.

use super::{ALL, Fleet, HOUR, Known, MINUTE, MOMENT, create, here, load, save, turn, until_refused};
use crate::store::{Found, Load, Revoke, Saved, Turn, Turned};

/// With another verifier a session is not loaded, saved, rotated or revoked; who asks for it has the session revoked for that.
pub async fn another_verifier_is_refused_or_revokes(fleet: &Fleet) {
    const REFUSED: bool = false;
    let known = Known::new();
    create(&fleet.here, known.draft(None, b"mine")).await;
    let near = known.turned();
    assert_eq!(load(&fleet.here, near.claim(), ALL).await, Found::Replayed { is_revoked: REFUSED });
    assert_eq!(save(&fleet.here, near.claim(), 1, b"").await, Found::Replayed { is_revoked: REFUSED });
    let to = known.turned();
    assert_eq!(turn(&fleet.here, &near, &to, MINUTE).await, Found::Replayed { is_revoked: REFUSED });
    let revoked = fleet.here.revoke(&Revoke::Claimed(near.claim(), None)).await;
    assert_eq!(revoked.map(|revoked| revoked.sessions).ok(), Some(0));
    assert_eq!(here(&fleet.here, known.claim()).await.data, b"mine");

    assert_eq!(load(&fleet.there, near.strict(), ALL).await, Found::Replayed { is_revoked: true });
    assert_eq!(load(&fleet.here, known.claim(), ALL).await, Found::Gone);
    assert_eq!(load(&fleet.here, near.strict(), ALL).await, Found::Gone);

    // Whatever the other verifier is shown for.
    for operation in 0..3 {
        let known = Known::new();
        create(&fleet.here, known.draft(Some("ann"), b"mine")).await;
        let near = known.turned();
        let is_revoked = match operation {
            0 => save(&fleet.here, near.strict(), 1, b"").await == Found::Replayed { is_revoked: true },
            1 => {
                let turn = Turn { proof: &known.turned().proof, user: Some("ann"), grace: HOUR, idle: HOUR };
                let turned = fleet.here.rotate(&near.strict(), &turn).await;
                turned.ok() == Some(Found::Replayed { is_revoked: true })
            }
            _ => {
                let revoked = fleet.here.revoke(&Revoke::Claimed(near.strict(), None)).await;
                revoked.ok().map(|revoked| revoked.claimed) == Some(Found::Replayed { is_revoked: true })
            }
        };
        assert!(is_revoked, "operation {operation}");
        assert_eq!(load(&fleet.there, known.claim(), ALL).await, Found::Gone);
        assert_eq!(fleet.there.list("ann").await.ok(), Some(Vec::new()));
    }
}

/// After a rotation both verifiers are good until the grace has passed, and then only the new one.
pub async fn after_a_rotation_the_old_verifier_is_good_for_the_grace(fleet: &Fleet) {
    let old = Known::new();
    let created = create(&fleet.here, old.draft(None, b"data")).await;
    let new = old.turned();
    assert_eq!(turn(&fleet.here, &old, &new, MINUTE).await, Found::Here(Turned::Done));
    // A request that was on its way loads and saves.
    assert_eq!(here(&fleet.there, old.strict()).await.data, b"data");
    assert_eq!(save(&fleet.there, old.strict(), 1, b"late").await, Found::Here(Saved::As(2)));
    let found = here(&fleet.here, new.strict()).await;
    assert_eq!((&found.data[..], found.version), (&b"late"[..], 2));
    assert_eq!((found.created, found.absolute_end), (created.created, created.absolute_end));

    // Only the one before has a grace: this rotation ends that of the first.
    let newest = new.turned();
    assert_eq!(turn(&fleet.here, &new, &newest, MOMENT).await, Found::Here(Turned::Done));
    assert_eq!(load(&fleet.here, old.claim(), ALL).await, Found::Replayed { is_revoked: false });
    let refused = until_refused(&fleet.there, new.claim()).await;
    assert_eq!(refused, Found::Replayed { is_revoked: false }, "its grace has passed");
    assert_eq!(here(&fleet.here, newest.strict()).await.version, 2);
    assert_eq!(load(&fleet.here, new.strict(), ALL).await, Found::Replayed { is_revoked: true });
    assert_eq!(load(&fleet.here, newest.strict(), ALL).await, Found::Gone);

    // Without a grace it is over at once.
    let old = Known::new();
    create(&fleet.here, old.draft(None, b"data")).await;
    let new = old.turned();
    let none = std::time::Duration::ZERO;
    assert_eq!(turn(&fleet.here, &old, &new, none).await, Found::Here(Turned::Done));
    assert_eq!(load(&fleet.here, old.claim(), ALL).await, Found::Replayed { is_revoked: false });
}

/// Of requests that rotate at once, one does; who comes with the verifier before learns that.
pub async fn the_verifier_before_rotates_nothing(fleet: &Fleet) {
    let old = Known::new();
    create(&fleet.here, old.draft(None, b"")).await;
    let (first, second) = (old.turned(), old.turned());
    assert_eq!(turn(&fleet.here, &old, &first, MINUTE).await, Found::Here(Turned::Done));
    assert_eq!(turn(&fleet.there, &old, &second, MINUTE).await, Found::Here(Turned::Lately));
    assert!(matches!(load(&fleet.here, first.strict(), ALL).await, Found::Here(_)));
    assert_eq!(load(&fleet.here, second.claim(), ALL).await, Found::Replayed { is_revoked: false });
}

/// A session of somebody else, or of nobody, is not rotated, and counts as unused.
pub async fn a_rotation_minds_the_user(fleet: &Fleet) {
    let (ann, nobody) = (Known::new(), Known::new());
    create(&fleet.here, ann.draft(Some("ann"), b"")).await;
    create(&fleet.here, nobody.draft(None, b"")).await;
    for (known, user) in
        [(&ann, None), (&ann, Some("eve")), (&ann, Some("")), (&nobody, Some("ann")), (&nobody, Some(""))]
    {
        let next = known.turned();
        let turn = Turn { proof: &next.proof, user, grace: MINUTE, idle: HOUR };
        let turned = fleet.there.rotate(&known.claim(), &turn).await;
        assert_eq!(turned.ok(), Some(Found::Here(Turned::OtherUser)), "{user:?}");
        assert_eq!(load(&fleet.here, next.claim(), ALL).await, Found::Replayed { is_revoked: false });
        let Found::Here(record) = load(&fleet.here, known.claim(), Load { ..ALL }).await else {
            panic!("it is not there")
        };
        assert_eq!(record.idle_end, record.created + 60_000);
    }
    let next = ann.turned();
    let turn = Turn { proof: &next.proof, user: Some("ann"), grace: MINUTE, idle: MINUTE };
    assert_eq!(fleet.there.rotate(&ann.claim(), &turn).await.ok(), Some(Found::Here(Turned::Done)));
    // Also with the verifier before: who logs in with it is told that it is somebody else's.
    let turn = Turn { user: Some("eve"), ..turn };
    assert_eq!(
        fleet.there.rotate(&ann.claim(), &turn).await.ok(),
        Some(Found::Here(Turned::Done)),
        "asked again"
    );
    let other = ann.turned();
    let turn = Turn { proof: &other.proof, ..turn };
    assert_eq!(fleet.there.rotate(&ann.claim(), &turn).await.ok(), Some(Found::Here(Turned::OtherUser)));
}
