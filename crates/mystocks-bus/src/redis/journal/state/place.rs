//! Up to where one channel has come.

use std::sync::Arc;

use mystocks_keys::{Channel, Journal};
use tokio::time::Instant;

use super::LIFE_MILLIS;
use crate::log::Id;

pub(super) struct Place {
    pub(super) channel: Arc<str>,
    pub(super) journal: Journal,
    /// The last message that has come; with the number 0 when none has of this journal, and since when that is so.
    pub(super) position: Id,
    /// Of a listening that is resumed: when the last message was published that came before.
    pub(super) since: Option<Instant>,
    /// What does not follow, and was published before these milliseconds, is in a gap that was told already.
    pub(super) excused: Option<u64>,
    /// The last that was pushed on this connection.
    pub(super) pushed: Option<Id>,
}

impl Place {
    pub(super) fn new(channel: &Channel, journal: Journal, position: Id, since: Option<Instant>) -> Self {
        Self { channel: Arc::from(channel.as_str()), journal, position, since, excused: None, pushed: None }
    }

    /// Returns the last message that has come, or what is before all messages: the server's clock may have been set back, so that those to come are
    /// of before it was known that there was none.
    pub(super) fn reached(&self) -> Id {
        let is_none = self.position.sequence == 0 && self.since.is_none();
        if is_none { Id { millis: 0, sequence: 0 } } else { self.position }
    }

    /// Takes in an entry that was read; returns whether some are missing before it, and since when if not since the loss.
    pub(super) fn read(&mut self, id: Id, born: Option<u64>) -> (bool, Option<Instant>) {
        let Id { millis, sequence } = self.position;
        let is_next = sequence.checked_add(1) == Some(id.sequence);
        let (excused, since) = (self.excused.take(), self.since.take());
        // Numbers begin anew with each journal: after one that was lost, or after one that lived its life.
        let begins = |born| id.sequence == 1 && since.is_none() && born >= millis.saturating_add(LIFE_MILLIS);
        let follows = born.is_some_and(|born| is_next && (sequence == 0 || millis >= born) || begins(born));
        self.position = id;
        let is_excused = excused.is_some_and(|now| id.millis <= now);
        (!follows && !is_excused, since)
    }

    /// Takes in what was pushed; returns whether it is new.
    pub(super) fn push(&mut self, id: Id) -> bool {
        // Pushes grow: those up to the position were read, or were under way when the listening began. One that goes back is of a server that
        // lost its data: new as well.
        let went_back = self.pushed.replace(id).is_some_and(|last| id <= last);
        let is_new = id > self.reached() || went_back;
        if is_new {
            self.position = id;
        }
        is_new
    }
}
