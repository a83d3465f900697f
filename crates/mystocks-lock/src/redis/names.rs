//! The keys that one spot involves.

use mystocks_keys::Sidecar;

use crate::backend::{Kind, Spot};

pub(super) struct Names<'a> {
    spot: Place<'a>,
    pub(super) fence: Sidecar,
    pub(super) queue: Sidecar,
    pub(super) waiters: Sidecar,
}

enum Place<'a> {
    Key(&'a str),
    Beside(Sidecar),
}

impl<'a> Names<'a> {
    pub(super) fn of(spot: Spot<'a>) -> Self {
        let key = spot.key;
        let beside = match spot.kind {
            Kind::Exclusive => {
                return Self {
                    spot: Place::Key(key),
                    fence: Sidecar::fence_of(key),
                    queue: Sidecar::queue_of(key),
                    waiters: Sidecar::waiters_of(key),
                };
            }
            Kind::Permits(_) => Sidecar::permits_of(key),
            Kind::ReadWrite(_) => Sidecar::shared_of(key),
        };
        let (fence, queue, waiters) = (beside.fence(), beside.queue(), beside.waiters());
        Self { spot: Place::Beside(beside), fence, queue, waiters }
    }

    pub(super) fn spot(&self) -> &str {
        match &self.spot {
            Place::Key(key) => key,
            Place::Beside(sidecar) => sidecar.as_str(),
        }
    }
}

/// Returns what stands for `token` among the holders of a spot.
pub(super) fn member(kind: Kind, token: &str) -> String {
    match kind {
        Kind::Exclusive => token.to_owned(),
        Kind::Permits(share) | Kind::ReadWrite(share) => format!("{token}:{}", share.weight),
    }
}
