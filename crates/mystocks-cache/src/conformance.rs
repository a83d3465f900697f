//! One test per promise of the seams [`Store`], [`Leases`](crate::Leases) and [`Backplane`](crate::Backplane), for every
//! implementation of them.
//!
//! Who writes a store of their own turns the feature `conformance` on in their dev-dependencies and adds one line:
//!
//! ```
//! mod memory {
//!     mystocks_cache::store_conformance!(mystocks_cache::MemoryStore::new(), start_paused = true);
//! }
//! # fn main() {}
//! ```
//!
//! The expression makes the store; it is evaluated once per test and may await. With `start_paused = true` the tests
//! run on tokio's paused clock, for a store that has no other clock; without, they wait for real (about a second).

mod fleet;
mod lending;
mod reading;
mod sparing;
mod telling;
mod waiting;
mod walking;
mod writing;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::store::{Put, Store};

pub use fleet::{Fleet, Process};
pub use lending::{
    a_lease_is_taken_by_force, a_lease_or_life_too_short_is_refused, a_write_has_its_value_and_life,
    an_expired_lease_is_anybodys, an_invalidation_voids_the_lease,
    another_entry_than_the_seen_one_is_answered, answers_come_as_many_as_asked_in_that_order,
    one_of_many_takes_the_lease, only_the_holder_releases, only_the_holder_renews, only_the_holder_writes,
    stamps_only_grow,
};
pub use reading::{
    answers_as_many_as_asked_in_that_order, answers_nothing_to_no_keys, answers_ten_thousand_keys_at_once,
    gives_back_any_bytes, tells_an_empty_value_from_none, the_clock_is_wall_time_and_advances,
};
pub use sparing::a_write_spares_what_came_between;
pub use telling::{
    a_mark_has_the_stamp_of_its_invalidation, a_recheck_removes_nothing,
    a_slow_listener_is_told_what_it_missed, a_thousand_keys_are_one_message,
    an_entry_is_gone_before_anybody_is_told, listeners_come_and_go, nobody_hears_themselves,
    signals_come_in_order, the_first_signal_says_how_the_link_stands,
};
pub use waiting::{
    a_release_wakes_who_waits, a_write_is_told_to_the_others_when_asked, a_write_wakes_who_waits,
    an_invalidation_wakes_who_waits, everybody_who_waits_is_woken, no_wake_up_is_lost,
    waiting_ends_with_the_limit_and_with_the_lease, waiting_takes_time,
};
pub use walking::{
    a_glob_means_what_it_means_to_redis, a_page_is_bounded, a_walk_ends_while_keys_are_written,
    a_walk_finds_every_key_that_stays, an_escaped_glob_character_is_itself,
};
pub use writing::{
    a_batch_gives_every_entry_its_own_life, a_fraction_of_a_millisecond_is_dropped,
    a_life_too_short_is_refused_and_nothing_written, an_endless_life_is_a_long_one, an_expired_entry_is_gone,
    concurrent_writers_never_mix_values, removing_counts_what_was_there, the_last_of_a_key_named_twice_wins,
    touching_reads_and_sets_the_life, writing_replaces_value_and_life,
};

/// Makes one `#[tokio::test]` per promise of [`Store`](crate::Store) for the store that the expression makes.
#[macro_export]
macro_rules! store_conformance {
    ($store:expr $(, start_paused = $paused:literal)?) => {
        $crate::store_conformance! { @cases ($store) ($($paused)?)
            answers_as_many_as_asked_in_that_order
            answers_nothing_to_no_keys
            answers_ten_thousand_keys_at_once
            gives_back_any_bytes
            tells_an_empty_value_from_none
            the_clock_is_wall_time_and_advances
            a_glob_means_what_it_means_to_redis
            a_page_is_bounded
            a_walk_ends_while_keys_are_written
            a_walk_finds_every_key_that_stays
            an_escaped_glob_character_is_itself
            a_batch_gives_every_entry_its_own_life
            a_fraction_of_a_millisecond_is_dropped
            a_life_too_short_is_refused_and_nothing_written
            an_endless_life_is_a_long_one
            an_expired_entry_is_gone
            concurrent_writers_never_mix_values
            removing_counts_what_was_there
            the_last_of_a_key_named_twice_wins
            touching_reads_and_sets_the_life
            writing_replaces_value_and_life
        }
    };
    (@cases $store:tt $paused:tt $($case:ident)*) => {
        $($crate::store_conformance! { @case $store $paused $case })*
    };
    (@case ($store:expr) ($($paused:literal)?) $case:ident) => {
        #[::tokio::test$((start_paused = $paused))?]
        async fn $case() {
            let store = $store;
            let namespace = $crate::conformance::Namespace::unique();
            $crate::conformance::$case(&store, &namespace).await;
        }
    };
}

/// Makes one `#[tokio::test]` per promise of [`Leases`](crate::Leases) for the [`Fleet`] that the expression makes.
///
/// [`Fleet`]: crate::conformance::Fleet
#[macro_export]
macro_rules! leases_conformance {
    ($fleet:expr $(, start_paused = $paused:literal)?) => {
        $crate::leases_conformance! { @cases ($fleet) ($($paused)?)
            a_lease_is_taken_by_force
            a_lease_or_life_too_short_is_refused
            a_release_wakes_who_waits
            a_write_has_its_value_and_life
            a_write_is_told_to_the_others_when_asked
            a_write_spares_what_came_between
            a_write_wakes_who_waits
            an_expired_lease_is_anybodys
            an_invalidation_voids_the_lease
            an_invalidation_wakes_who_waits
            another_entry_than_the_seen_one_is_answered
            answers_come_as_many_as_asked_in_that_order
            everybody_who_waits_is_woken
            no_wake_up_is_lost
            one_of_many_takes_the_lease
            only_the_holder_releases
            only_the_holder_renews
            only_the_holder_writes
            stamps_only_grow
            waiting_ends_with_the_limit_and_with_the_lease
            waiting_takes_time
        }
    };
    (@cases $fleet:tt $paused:tt $($case:ident)*) => {
        $($crate::leases_conformance! { @case $fleet $paused $case })*
    };
    (@case ($fleet:expr) ($($paused:literal)?) $case:ident) => {
        #[::tokio::test$((start_paused = $paused))?]
        async fn $case() {
            let fleet = $fleet;
            let namespace = $crate::conformance::Namespace::unique();
            $crate::conformance::$case(&fleet, &namespace).await;
        }
    };
}

/// Makes one `#[tokio::test]` per promise of [`Backplane`](crate::Backplane) for the [`Fleet`] that the expression makes.
///
/// [`Fleet`]: crate::conformance::Fleet
#[macro_export]
macro_rules! backplane_conformance {
    ($fleet:expr $(, start_paused = $paused:literal)?) => {
        $crate::leases_conformance! { @cases ($fleet) ($($paused)?)
            a_mark_has_the_stamp_of_its_invalidation
            a_recheck_removes_nothing
            a_slow_listener_is_told_what_it_missed
            a_thousand_keys_are_one_message
            an_entry_is_gone_before_anybody_is_told
            listeners_come_and_go
            nobody_hears_themselves
            signals_come_in_order
            the_first_signal_says_how_the_link_stands
        }
    };
}

/// The keys of one test: nobody else's in a store that many tests share.
#[derive(Debug, Clone)]
pub struct Namespace {
    prefix: String,
}

impl Namespace {
    /// Makes a namespace that no other test has.
    pub fn unique() -> Self {
        Self { prefix: format!("conformance:{:016x}:", fastrand::u64(..)) }
    }

    /// Returns the key `name` of this namespace.
    pub fn key(&self, name: impl fmt::Display) -> String {
        format!("{}{name}", self.prefix)
    }
}

const HOUR: Duration = Duration::from_secs(3600);
/// How long a test waits before it calls a store hung; never how fast a store must be.
const PATIENCE: Duration = Duration::from_secs(30);

fn entry<'a>(key: &'a str, value: impl Into<Bytes>, ttl: Duration) -> Put<'a> {
    let value = value.into();
    Put { key, value, ttl }
}

async fn put(store: &dyn Store, key: &str, value: impl Into<Bytes>, ttl: Duration) {
    let done = store.put(&[entry(key, value, ttl)]).await;
    assert!(done.is_ok(), "put {key}: {done:?}");
}

async fn get(store: &dyn Store, keys: &[&str]) -> Vec<Option<Bytes>> {
    match store.get(keys).await {
        Ok(values) => values,
        Err(error) => panic!("get {} keys: {error}", keys.len()),
    }
}

async fn get_one(store: &dyn Store, key: &str) -> Option<Bytes> {
    let values = get(store, &[key]).await;
    assert_eq!(values.len(), 1, "one answer for one key");
    values.into_iter().next().flatten()
}

async fn wait_until_absent(store: &dyn Store, key: &str) {
    let deadline = Instant::now() + PATIENCE;
    while get_one(store, key).await.is_some() {
        assert!(Instant::now() < deadline, "{key} outlives its time to live");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
