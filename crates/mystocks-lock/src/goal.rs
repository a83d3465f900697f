//! What exactly somebody wants to hold, checked.

use std::sync::Arc;
use std::time::Duration;

use mystocks_keys::Key;

use crate::backend::{Kind, Release, Spot};

#[derive(Debug)]
pub(crate) struct Goal {
    /// The name under the lock prefix.
    pub(crate) name: String,
    pub(crate) key: Key,
    pub(crate) kind: Kind,
    pub(crate) ttl: Duration,
    pub(crate) class: &'static str,
    pub(crate) is_renewed: bool,
    pub(crate) is_fenced: bool,
    /// Who asks for it, as JSON.
    pub(crate) owner: Arc<str>,
}

impl Goal {
    /// Returns one for tests that does not matter in itself.
    #[cfg(test)]
    pub(crate) fn any() -> Self {
        Self {
            name: "report".to_owned(),
            key: mystocks_keys::Keyspace::default().lock("report").expect("a plain name makes a key"),
            kind: Kind::Exclusive,
            ttl: Duration::from_secs(30),
            class: "other",
            is_renewed: true,
            is_fenced: true,
            owner: "me".into(),
        }
    }

    pub(crate) fn spot(&self) -> Spot<'_> {
        Spot { key: self.key.as_str(), kind: self.kind }
    }

    pub(crate) fn release<'a>(&'a self, token: &'a str, leaves: bool) -> Release<'a> {
        Release { spot: self.spot(), token: Some(token), leaves: leaves.then_some(self.ttl) }
    }

    /// Returns whether others in the queue come first even when it is asked for without a place.
    pub(crate) fn is_shared(&self) -> bool {
        self.kind != Kind::Exclusive
    }
}
