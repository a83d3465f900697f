//! Places in the queue.

use tokio::time::sleep;

use super::telling::{listen, listen_there};
use super::{Fleet, MINUTE, MOMENT, give, is_free, keep, line_up, lock, queued, release, take, want};
use crate::backend::{Acquire, Keep, Kept, Place, Release, Standing};

/// Who asks fairly comes after everybody who was there before, and has no place any more once it is granted.
pub async fn fair_is_who_came_before(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, Acquire { ttl: 2 * MOMENT, ..want(spot, "t") }).await;
    let first = line_up(&fleet.there, queued(spot, "u")).await;
    let second = line_up(&fleet.here, queued(spot, "v")).await;
    assert!(first.is_first && !second.is_first && first.ticket < second.ticket);
    assert_eq!(line_up(&fleet.there, queued(spot, "u")).await, first, "asking again keeps the place");
    // It ends by itself: nobody hands it over.
    sleep(3 * MOMENT).await;
    assert!(!line_up(&fleet.here, queued(spot, "v")).await.is_first);
    let at_once = Acquire { place: None, ..queued(spot, "w") };
    assert!(!is_free(&fleet.here, at_once).await, "nor without a place");
    take(&fleet.there, queued(spot, "u")).await;
    assert!(line_up(&fleet.here, queued(spot, "v")).await.is_first);
    let states = fleet.here.inspect(&[spot]).await;
    assert!(states.is_ok_and(|states| states[0].waiters == 1));
}

/// Who asks without minding the queue takes what is free.
pub async fn who_does_not_queue_overtakes(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, Acquire { ttl: MOMENT, ..want(spot, "t") }).await;
    line_up(&fleet.there, queued(spot, "u")).await;
    sleep(2 * MOMENT).await;
    take(&fleet.here, want(spot, "w")).await;
}

/// Who has waited for long is no more overtaken by who would wait too.
pub async fn who_waits_long_is_not_overtaken(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, Acquire { ttl: MOMENT, ..want(spot, "t") }).await;
    line_up(&fleet.there, queued(spot, "u")).await;
    sleep(4 * MOMENT).await;
    let behind = line_up(&fleet.here, Acquire { fair: false, ..queued(spot, "v") }).await;
    assert!(!behind.is_first);
    take(&fleet.there, Acquire { fair: false, ..queued(spot, "u") }).await;
}

/// A place that is not kept is lost; one that is kept is not, and its owner is told whether it is the first.
pub async fn a_place_that_is_not_kept_is_lost(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    for token in ["u", "v", "w"] {
        let place = Some(Place { ticket: 0, lease: 4 * MOMENT });
        line_up(&fleet.there, Acquire { place, ..queued(spot, token) }).await;
    }
    let wait = |token, lease| Keep::Waiting { spot, token, ttl: MINUTE, lease };
    assert_eq!(keep(&fleet.there, wait("u", 4 * MOMENT)).await, Kept::First);
    assert_eq!(keep(&fleet.there, wait("v", MINUTE)).await, Kept::Waiting);
    assert_eq!(keep(&fleet.here, wait("u", MINUTE)).await, Kept::Gone, "of another process");
    sleep(6 * MOMENT).await;
    assert_eq!(keep(&fleet.there, wait("v", MINUTE)).await, Kept::First);
    assert_eq!(keep(&fleet.there, wait("u", MINUTE)).await, Kept::Gone);
    assert_eq!(keep(&fleet.there, wait("w", MINUTE)).await, Kept::Gone);
}

/// Who lost the place gets it back with its ticket.
pub async fn a_lost_place_is_got_back(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    let place = Place { ticket: 0, lease: 3 * MOMENT };
    let first = line_up(&fleet.there, Acquire { place: Some(place), ..queued(spot, "u") }).await;
    line_up(&fleet.here, queued(spot, "v")).await;
    sleep(5 * MOMENT).await;
    assert!(line_up(&fleet.here, queued(spot, "v")).await.is_first);
    let place = Some(Place { ticket: first.ticket, lease: MINUTE });
    let back = line_up(&fleet.there, Acquire { place, ..queued(spot, "u") }).await;
    assert_eq!(back, first);
}

/// Everybody who is taken for dead is passed over in one go.
pub async fn the_dead_are_passed_over_together(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    for dead in 1..=10 {
        let token = format!("dead{dead}");
        let place = Some(Place { ticket: 0, lease: 3 * MOMENT });
        line_up(&fleet.there, Acquire { ttl: 3 * MOMENT, place, ..queued(spot, &token) }).await;
    }
    line_up(&fleet.here, queued(spot, "alive")).await;
    give(&fleet.here, spot, "t").await;
    assert!(!is_free(&fleet.here, queued(spot, "alive")).await);
    sleep(5 * MOMENT).await;
    take(&fleet.here, queued(spot, "alive")).await;
}

/// Who leaves has no place any more, whether or not it held something.
pub async fn a_place_is_left(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    line_up(&fleet.there, queued(spot, "u")).await;
    line_up(&fleet.there, queued(spot, "v")).await;
    let leave = Release { spot, token: Some("u"), leaves: Some(MINUTE) };
    assert_eq!(release(&fleet.there, leave).await, Standing::TakenOver);
    assert!(line_up(&fleet.there, queued(spot, "v")).await.is_first);
    let states = fleet.here.inspect(&[spot]).await;
    assert!(states.is_ok_and(|states| (states[0].holders.len(), states[0].waiters) == (1, 1)));
}
