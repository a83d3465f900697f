//! The keys that one entry involves.

use mystocks_keys::Sidecar;

use crate::backplane::digest;

pub(super) struct Names<'a> {
    pub(super) entry: &'a str,
    pub(super) lease: Sidecar,
    pub(super) queue: Sidecar,
    /// In hexadecimal, as it stands in messages.
    pub(super) digest: String,
}

impl<'a> Names<'a> {
    pub(super) fn of(entry: &'a str) -> Self {
        let (lease, queue) = (Sidecar::lease_of(entry), Sidecar::queue_of(entry));
        Self { entry, lease, queue, digest: format!("{:016x}", digest(entry)) }
    }
}
