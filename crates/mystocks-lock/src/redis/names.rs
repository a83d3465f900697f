//! The keys that one spot involves.

use mystocks_keys::Sidecar;

use crate::backend::{Kind, Spot};

/// Each is made when it is asked for: most requests need one or two of them.
pub(super) enum Names<'a> {
    Lock(&'a str),
    Beside(Sidecar),
}

impl<'a> Names<'a> {
    pub(super) fn of(spot: Spot<'a>) -> Self {
        match spot.kind {
            Kind::Exclusive => Self::Lock(spot.key),
            Kind::Permits(_) => Self::Beside(Sidecar::permits_of(spot.key)),
            Kind::ReadWrite(_) => Self::Beside(Sidecar::shared_of(spot.key)),
        }
    }

    pub(super) fn spot(&self) -> &str {
        match self {
            Self::Lock(key) => key,
            Self::Beside(sidecar) => sidecar.as_str(),
        }
    }

    pub(super) fn fence(&self) -> Sidecar {
        match self {
            Self::Lock(key) => Sidecar::fence_of(key),
            Self::Beside(sidecar) => sidecar.fence(),
        }
    }

    pub(super) fn queue(&self) -> Sidecar {
        match self {
            Self::Lock(key) => Sidecar::queue_of(key),
            Self::Beside(sidecar) => sidecar.queue(),
        }
    }

    /// Of a lock only: of permits no other program knows.
    pub(super) fn strangers(&self) -> Option<Sidecar> {
        match self {
            Self::Lock(key) => Some(Sidecar::strangers_of(key)),
            Self::Beside(_) => None,
        }
    }

    pub(super) fn waiters(&self) -> Sidecar {
        match self {
            Self::Lock(key) => Sidecar::waiters_of(key),
            Self::Beside(sidecar) => sidecar.waiters(),
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
