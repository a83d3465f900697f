//! How a worker stands to a lane.

use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::order::Order;
use crate::log::Id;

pub(super) struct Lane {
    pub(super) stage: Stage,
    /// Of its owner, if that is this worker; no other ever had it.
    pub(super) name: Arc<str>,
    /// Nobody takes it away before.
    pub(super) until: Instant,
    /// When it was last asked to be kept.
    pub(super) beaten: Instant,
    pub(super) order: Order,
    /// How many were begun and are not settled.
    pub(super) running: usize,
    /// Up to where it was read.
    pub(super) read_to: Id,
    /// There may be more behind that.
    pub(super) has_news: bool,
}

pub(super) enum Stage {
    /// It is not this worker's.
    Free,
    /// It was asked for.
    Joins,
    /// It is this worker's, which does not know yet all that waits in it: nothing may begin that could overtake it.
    Learns(Option<Id>),
    Owned,
    /// Nothing of it is begun any more; when the last handler has ended it is left.
    Ends,
}

impl Lane {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            stage: Stage::Free,
            name: Uuid::new_v4().simple().to_string().into(),
            until: now,
            beaten: now,
            order: Order::default(),
            running: 0,
            read_to: Id::FIRST,
            has_news: false,
        }
    }

    pub(super) fn is_owned(&self) -> bool {
        matches!(self.stage, Stage::Learns(_) | Stage::Owned)
    }
}
