//! One test per promise of the seam [`SessionStore`], for every implementation of it.
//!
//! Who writes a store of their own turns the feature `conformance` on in their dev-dependencies and adds one line:
//!
//! ```
//! mod memory {
//!     use std::sync::Arc;
//!     use mystocks_session::conformance::Fleet;
//!     use mystocks_session::MemorySessions;
//!
//!     fn fleet() -> Fleet {
//!         let sessions = Arc::new(MemorySessions::new());
//!         Fleet::new(sessions.clone(), sessions)
//!     }
//!     mystocks_session::conformance!(fleet(), start_paused = true);
//! }
//! # fn main() {}
//! ```
//!
//! The expression makes two processes that share their sessions; it is evaluated once per test and may await. With
//! `start_paused = true` the tests run on tokio's paused clock.

mod ending;
mod keeping;
mod proving;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::id::{Proof, SessionHandle, SessionId};
use crate::store::{Claim, Draft, Found, Load, Record, Save, Saved, SessionStore, Turn, Turned};

pub use ending::{
    a_use_is_written_when_it_is_due, a_use_moves_the_idle_end_and_nothing_the_absolute_one,
    all_sessions_of_a_user_are_revoked_and_no_others, an_unused_session_ends,
    what_is_claimed_is_revoked_once, what_is_revoked_stays_away,
};
pub use keeping::{
    a_save_counts_one_version, a_session_is_found_as_it_was_created, asked_again_it_answers_as_before,
    more_data_than_asked_for_is_refused, of_many_saves_one_wins, what_was_created_is_listed,
    what_was_never_created_is_gone,
};
pub use proving::{
    a_rotation_minds_the_user, after_a_rotation_the_old_verifier_is_good_for_the_grace,
    another_verifier_is_refused_or_revokes, the_verifier_before_rotates_nothing,
};

/// Makes one `#[tokio::test]` per promise of [`SessionStore`](crate::SessionStore).
#[macro_export]
macro_rules! conformance {
    ($fleet:expr $(, start_paused = $paused:literal)?) => {
        $crate::conformance! { @cases ($fleet) ($($paused)?)
            a_rotation_minds_the_user
            a_save_counts_one_version
            a_session_is_found_as_it_was_created
            a_use_is_written_when_it_is_due
            a_use_moves_the_idle_end_and_nothing_the_absolute_one
            after_a_rotation_the_old_verifier_is_good_for_the_grace
            all_sessions_of_a_user_are_revoked_and_no_others
            an_unused_session_ends
            another_verifier_is_refused_or_revokes
            asked_again_it_answers_as_before
            more_data_than_asked_for_is_refused
            of_many_saves_one_wins
            the_verifier_before_rotates_nothing
            what_is_claimed_is_revoked_once
            what_is_revoked_stays_away
            what_was_created_is_listed
            what_was_never_created_is_gone
        }
    };
    (@cases $fleet:tt $paused:tt $($case:ident)*) => {
        $($crate::conformance! { @case $fleet $paused $case })*
    };
    (@case ($fleet:expr) ($($paused:literal)?) $case:ident) => {
        #[::tokio::test$((start_paused = $paused))?]
        async fn $case() {
            let fleet = $fleet;
            $crate::conformance::$case(&fleet).await;
        }
    };
}

/// Two processes that share their sessions.
pub struct Fleet {
    /// One of them.
    pub here: Arc<dyn SessionStore>,
    /// The other.
    pub there: Arc<dyn SessionStore>,
    _keep: Box<dyn Any + Send + Sync>,
}

impl Fleet {
    /// Makes a fleet of two processes.
    pub fn new(here: impl SessionStore, there: impl SessionStore) -> Self {
        Self { here: Arc::new(here), there: Arc::new(there), _keep: Box::new(()) }
    }

    /// Keeps `what` as long as the fleet: the server it runs on.
    #[must_use]
    pub fn keeping(self, what: impl Any + Send + Sync) -> Self {
        Self { _keep: Box::new(what), ..self }
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("here", &self.here).field("there", &self.there).finish_non_exhaustive()
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Short enough to be waited for.
const MOMENT: Duration = Duration::from_millis(300);
/// How long a test waits before it calls a store hung; never how fast one must be.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session that a test knows of.
struct Known {
    handle: SessionHandle,
    proof: Proof,
    id: SessionId,
}

impl Known {
    fn new() -> Self {
        match SessionId::random() {
            Ok(id) => Self::of(id),
            Err(error) => panic!("{error}"),
        }
    }

    fn of(id: SessionId) -> Self {
        Self { handle: id.handle(), proof: id.proof(), id }
    }

    /// Returns the same session with another verifier.
    fn turned(&self) -> Self {
        match self.id.turned() {
            Ok(id) => Self::of(id),
            Err(error) => panic!("{error}"),
        }
    }

    fn draft<'a>(&'a self, user: Option<&'a str>, data: &'a [u8]) -> Draft<'a> {
        Draft { handle: &self.handle, proof: &self.proof, user, data, idle: MINUTE, absolute: HOUR }
    }

    /// Shows its id, which revokes nothing.
    fn claim(&self) -> Claim<'_> {
        Claim { handle: &self.handle, proof: &self.proof, revoke_replayed: false }
    }

    fn strict(&self) -> Claim<'_> {
        Claim { revoke_replayed: true, ..self.claim() }
    }
}

const ALL: Load = Load { most_bytes: Some(1024), touch: None };
const NO_DATA: Load = Load { most_bytes: None, touch: None };

async fn create(store: &Arc<dyn SessionStore>, draft: Draft<'_>) -> Record {
    match store.create(&draft).await {
        Ok(record) => record,
        Err(error) => panic!("{error}"),
    }
}

async fn load(store: &Arc<dyn SessionStore>, claim: Claim<'_>, load: Load) -> Found<Record> {
    match store.load(&claim, load).await {
        Ok(found) => found,
        Err(error) => panic!("{error}"),
    }
}

async fn here(store: &Arc<dyn SessionStore>, claim: Claim<'_>) -> Record {
    match load(store, claim, ALL).await {
        Found::Here(record) => record,
        other => panic!("{} is not here: {other:?}", claim.handle),
    }
}

async fn save(store: &Arc<dyn SessionStore>, claim: Claim<'_>, version: u64, data: &[u8]) -> Found<Saved> {
    let nonce = fastrand::u128(..).to_le_bytes();
    match store.save(&claim, &Save { version, nonce: &nonce, data, idle: MINUTE }).await {
        Ok(saved) => saved,
        Err(error) => panic!("{error}"),
    }
}

async fn turn(store: &Arc<dyn SessionStore>, from: &Known, to: &Known, grace: Duration) -> Found<Turned> {
    let turn = Turn { proof: &to.proof, user: None, grace, idle: MINUTE };
    match store.rotate(&from.claim(), &turn).await {
        Ok(turned) => turned,
        Err(error) => panic!("{error}"),
    }
}

/// Waits until the claim finds nothing good, and returns what it finds then.
async fn until_refused(store: &Arc<dyn SessionStore>, claim: Claim<'_>) -> Found<Record> {
    let waiting = async {
        loop {
            match load(store, claim, NO_DATA).await {
                Found::Here(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                other => return other,
            }
        }
    };
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(found) => found,
        Err(_) => panic!("{} has not ended", claim.handle),
    }
}
