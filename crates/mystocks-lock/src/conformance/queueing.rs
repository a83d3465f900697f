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
    take(&fleet.here, want(spot, "t")).await;
    let first = line_up(&fleet.there, queued(spot, "u", 1)).await;
    let second = line_up(&fleet.here, queued(spot, "v", 1)).await;
    assert!(first.is_first && !second.is_first && first.ticket < second.ticket);
    assert_eq!(line_up(&fleet.there, queued(spot, "u", 1)).await, first, "asking again keeps the place");
    give(&fleet.here, spot, "t").await;
    assert!(!line_up(&fleet.here, queued(spot, "v", 1)).await.is_first);
    assert!(
        !is_free(&fleet.here, Acquire { place: None, ..queued(spot, "w", 9) }).await,
        "nor without a place"
    );
    take(&fleet.there, queued(spot, "u", 1)).await;
    assert!(line_up(&fleet.here, queued(spot, "v", 1)).await.is_first);
    give(&fleet.there, spot, "u").await;
    take(&fleet.here, queued(spot, "v", 1)).await;
    let states = fleet.here.inspect(&[spot]).await;
    assert!(states.is_ok_and(|states| states[0].waiters == 0));
}

/// Who asks without minding the queue takes what is free.
pub async fn who_does_not_queue_overtakes(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    line_up(&fleet.there, queued(spot, "u", 1)).await;
    line_up(&fleet.there, Acquire { fair: false, ..queued(spot, "v", 2) }).await;
    give(&fleet.here, spot, "t").await;
    take(&fleet.there, Acquire { fair: false, ..queued(spot, "v", 2) }).await;
    give(&fleet.there, spot, "v").await;
    take(&fleet.here, want(spot, "w")).await;
}

/// Who has waited for long is no more overtaken by who would wait too.
pub async fn who_waits_long_is_not_overtaken(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    line_up(&fleet.there, queued(spot, "u", 1)).await;
    sleep(3 * MOMENT).await;
    give(&fleet.here, spot, "t").await;
    let behind = line_up(&fleet.here, Acquire { fair: false, ..queued(spot, "v", 1) }).await;
    assert!(!behind.is_first);
    take(&fleet.there, Acquire { fair: false, ..queued(spot, "u", 1) }).await;
}

/// A place that is not kept is lost; one that is kept is not, and its owner is told whether it is the first.
pub async fn a_place_that_is_not_kept_is_lost(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    for (token, waiter) in [("u", 1), ("v", 2), ("w", 3)] {
        let place = Some(Place { waiter, ticket: 0, lease: 4 * MOMENT });
        line_up(&fleet.there, Acquire { place, ..queued(spot, token, waiter) }).await;
    }
    let wait = |waiter, lease| Keep::Waiting { spot, waiter, lease };
    assert_eq!(keep(&fleet.there, wait(1, 4 * MOMENT)).await, Kept::First);
    assert_eq!(keep(&fleet.there, wait(2, MINUTE)).await, Kept::Waiting);
    assert_eq!(keep(&fleet.here, wait(1, MINUTE)).await, Kept::Gone, "of another process");
    sleep(6 * MOMENT).await;
    assert_eq!(keep(&fleet.there, wait(2, MINUTE)).await, Kept::First);
    assert_eq!(keep(&fleet.there, wait(1, MINUTE)).await, Kept::Gone);
    assert_eq!(keep(&fleet.there, wait(3, MINUTE)).await, Kept::Gone);
}

/// Who lost the place gets it back with its ticket.
pub async fn a_lost_place_is_got_back(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    let place = Place { waiter: 1, ticket: 0, lease: 3 * MOMENT };
    let first = line_up(&fleet.there, Acquire { place: Some(place), ..queued(spot, "u", 1) }).await;
    line_up(&fleet.here, queued(spot, "v", 1)).await;
    sleep(5 * MOMENT).await;
    assert!(line_up(&fleet.here, queued(spot, "v", 1)).await.is_first);
    let place = Some(Place { ticket: first.ticket, lease: MINUTE, ..place });
    let back = line_up(&fleet.there, Acquire { place, ..queued(spot, "u", 1) }).await;
    assert_eq!(back, first);
}

/// Everybody who is taken for dead is passed over in one go.
pub async fn the_dead_are_passed_over_together(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    for waiter in 1..=10 {
        let token = format!("dead{waiter}");
        let place = Some(Place { waiter, ticket: 0, lease: 3 * MOMENT });
        line_up(&fleet.there, Acquire { place, ..queued(spot, &token, waiter) }).await;
    }
    line_up(&fleet.here, queued(spot, "alive", 1)).await;
    give(&fleet.here, spot, "t").await;
    assert!(!is_free(&fleet.here, queued(spot, "alive", 1)).await);
    sleep(5 * MOMENT).await;
    take(&fleet.here, queued(spot, "alive", 1)).await;
}

/// Who leaves has no place any more, whether or not it held something.
pub async fn a_place_is_left(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    line_up(&fleet.there, queued(spot, "u", 1)).await;
    line_up(&fleet.there, queued(spot, "v", 2)).await;
    let leave = Release { spot, token: Some("u"), waiter: Some(1) };
    assert_eq!(release(&fleet.there, leave).await, Standing::TakenOver);
    assert!(line_up(&fleet.there, queued(spot, "v", 2)).await.is_first);
    let states = fleet.here.inspect(&[spot]).await;
    assert!(states.is_ok_and(|states| (states[0].holders.len(), states[0].waiters) == (1, 1)));
}
