//! One test per promise of the seam [`LockBackend`], for every implementation of it.
//!
//! Who writes a backend of their own turns the feature `conformance` on in their dev-dependencies and adds three lines:
//!
//! ```
//! mod memory {
//!     use mystocks_lock::conformance::Fleet;
//!     use mystocks_lock::MemoryLocks;
//!
//!     fn fleet() -> Fleet {
//!         let locks = MemoryLocks::new();
//!         Fleet::new(locks.process(), locks.process())
//!     }
//!     mystocks_lock::lock_conformance!(fleet(), start_paused = true);
//!     mystocks_lock::share_conformance!(fleet(), start_paused = true);
//!     mystocks_lock::queue_conformance!(fleet(), start_paused = true);
//! }
//! # fn main() {}
//! ```
//!
//! The expression makes two processes that share their locks; it is evaluated once per test and may await. A backend that
//! refuses what several hold at once leaves the second line out, and one without queues the third. With `start_paused = true` the tests run on tokio's paused clock.

mod holding;
mod queueing;
mod sharing;
mod telling;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{
    Acquire, Acquired, Keep, Kept, Kind, LockBackend, Place, Queued, Release, Share, Spot, Standing,
};

pub use holding::{
    a_fence_is_greater_than_every_one_before, answers_come_as_many_as_asked_in_that_order,
    asked_again_it_answers_as_before, by_force_it_is_taken_from_whoever_holds_it, keeping_sets_the_time,
    one_of_many_takes_it, only_the_holder_keeps_and_releases, what_comes_late_shortens_nothing,
    what_is_not_kept_is_anybodys,
};
pub use queueing::{
    a_lost_place_is_got_back, a_place_is_left, a_place_that_is_not_kept_is_lost, fair_is_who_came_before,
    the_dead_are_passed_over_together, who_does_not_queue_overtakes, who_waits_long_is_not_overtaken,
};
pub use sharing::{
    a_permit_that_is_not_kept_is_free, a_writer_is_not_overtaken, kinds_know_nothing_of_each_other,
    permits_are_as_many_as_there_are, what_is_held_is_listed, what_is_held_is_told, what_is_shared_is_told,
};
pub use telling::{
    it_is_handed_to_as_many_as_there_is_room_for, it_is_handed_to_the_first,
    the_first_signal_says_how_the_link_stands, what_is_handed_is_held_for_its_time,
    who_does_not_hear_gets_it_in_the_end, who_does_not_listen_is_passed_over, who_is_robbed_is_told,
    who_leaves_hands_it_on,
};

/// Makes one `#[tokio::test]` per promise of [`LockBackend`](crate::LockBackend) that concerns neither queues nor what several hold at once.
#[macro_export]
macro_rules! lock_conformance {
    ($fleet:expr $(, start_paused = $paused:literal)?) => {
        $crate::lock_conformance! { @cases ($fleet) ($($paused)?)
            a_fence_is_greater_than_every_one_before
            answers_come_as_many_as_asked_in_that_order
            asked_again_it_answers_as_before
            by_force_it_is_taken_from_whoever_holds_it
            keeping_sets_the_time
            one_of_many_takes_it
            only_the_holder_keeps_and_releases
            the_first_signal_says_how_the_link_stands
            what_comes_late_shortens_nothing
            what_is_held_is_listed
            what_is_held_is_told
            what_is_not_kept_is_anybodys
        }
    };
    (@cases $fleet:tt $paused:tt $($case:ident)*) => {
        $($crate::lock_conformance! { @case $fleet $paused $case })*
    };
    (@case ($fleet:expr) ($($paused:literal)?) $case:ident) => {
        #[::tokio::test$((start_paused = $paused))?]
        async fn $case() {
            let fleet = $fleet;
            $crate::conformance::$case(&fleet).await;
        }
    };
}

/// Makes one `#[tokio::test]` per promise of [`LockBackend`](crate::LockBackend) that concerns what several hold at once.
#[macro_export]
macro_rules! share_conformance {
    ($fleet:expr $(, start_paused = $paused:literal)?) => {
        $crate::lock_conformance! { @cases ($fleet) ($($paused)?)
            a_permit_that_is_not_kept_is_free
            kinds_know_nothing_of_each_other
            permits_are_as_many_as_there_are
            what_is_shared_is_told
        }
    };
}

/// Makes one `#[tokio::test]` per promise of [`LockBackend`](crate::LockBackend) that concerns queues, of what several hold at
/// once too.
#[macro_export]
macro_rules! queue_conformance {
    ($fleet:expr $(, start_paused = $paused:literal)?) => {
        $crate::lock_conformance! { @cases ($fleet) ($($paused)?)
            a_lost_place_is_got_back
            a_place_is_left
            a_place_that_is_not_kept_is_lost
            a_writer_is_not_overtaken
            fair_is_who_came_before
            it_is_handed_to_as_many_as_there_is_room_for
            it_is_handed_to_the_first
            the_dead_are_passed_over_together
            what_is_handed_is_held_for_its_time
            who_does_not_hear_gets_it_in_the_end
            who_does_not_listen_is_passed_over
            who_does_not_queue_overtakes
            who_is_robbed_is_told
            who_leaves_hands_it_on
            who_waits_long_is_not_overtaken
        }
    };
}

/// Two processes that share their locks.
pub struct Fleet {
    /// One of them.
    pub here: Arc<dyn LockBackend>,
    /// The other.
    pub there: Arc<dyn LockBackend>,
    prefix: String,
    _keep: Box<dyn Any + Send + Sync>,
}

impl Fleet {
    /// Makes a fleet of two processes.
    pub fn new(here: impl LockBackend, there: impl LockBackend) -> Self {
        let prefix = format!("mystocks:lock:conformance:{:016x}:", fastrand::u64(..));
        Self { here: Arc::new(here), there: Arc::new(there), prefix, _keep: Box::new(()) }
    }

    /// Keeps `what` as long as the fleet: the server it runs on.
    #[must_use]
    pub fn keeping(self, what: impl Any + Send + Sync) -> Self {
        Self { _keep: Box::new(what), ..self }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("here", &self.here).field("there", &self.there).finish_non_exhaustive()
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// Short enough to be waited for.
const MOMENT: Duration = Duration::from_millis(200);
/// How long a test waits before it calls a backend hung; never how fast one must be.
const PATIENCE: Duration = Duration::from_secs(30);

fn lock(key: &str) -> Spot<'_> {
    Spot { key, kind: Kind::Exclusive }
}

fn permit(key: &str, of: u32) -> Spot<'_> {
    Spot { key, kind: Kind::Permits(Share { weight: 1, of }) }
}

fn want<'a>(spot: Spot<'a>, token: &'a str) -> Acquire<'a> {
    Acquire { spot, token, ttl: MINUTE, fence: Some(0), owner: "{}", fair: false, place: None }
}

fn queued<'a>(spot: Spot<'a>, token: &'a str) -> Acquire<'a> {
    let place = Some(Place { ticket: 0, lease: MINUTE });
    Acquire { fair: true, place, ..want(spot, token) }
}

async fn ask(backend: &Arc<dyn LockBackend>, want: Acquire<'_>) -> Acquired {
    match backend.acquire(&want).await {
        Ok(answer) => answer,
        Err(error) => panic!("acquire {}: {error}", want.spot.key),
    }
}

/// Acquires it and returns its fence, 0 without one.
async fn take(backend: &Arc<dyn LockBackend>, want: Acquire<'_>) -> u64 {
    match ask(backend, want).await {
        Acquired::Granted { fence } => fence.map_or(0, u64::from),
        busy @ Acquired::Busy { .. } => panic!("{} is not free: {busy:?}", want.spot.key),
    }
}

async fn is_free(backend: &Arc<dyn LockBackend>, want: Acquire<'_>) -> bool {
    matches!(ask(backend, want).await, Acquired::Granted { .. })
}

/// Asks for a place and returns it.
async fn line_up(backend: &Arc<dyn LockBackend>, want: Acquire<'_>) -> Queued {
    match ask(backend, want).await {
        Acquired::Busy { queued: Some(queued), .. } => queued,
        other => panic!("{}: no place, but {other:?}", want.spot.key),
    }
}

async fn give(backend: &Arc<dyn LockBackend>, spot: Spot<'_>, token: &str) -> Standing {
    release(backend, Release { spot, token: Some(token), leaves: None }).await
}

async fn release(backend: &Arc<dyn LockBackend>, release: Release<'_>) -> Standing {
    match backend.release(&[release]).await {
        Ok(mut stood) => stood.remove(0),
        Err(error) => panic!("release {}: {error}", release.spot.key),
    }
}

async fn hold(backend: &Arc<dyn LockBackend>, spot: Spot<'_>, token: &str, ttl: Duration) -> Kept {
    keep(backend, Keep::Held { spot, token, ttl, is_least: false, owner: None }).await
}

async fn keep(backend: &Arc<dyn LockBackend>, lease: Keep<'_>) -> Kept {
    match backend.keep(&[lease]).await {
        Ok(kept) => kept[0],
        Err(error) => panic!("keep {lease:?}: {error}"),
    }
}
