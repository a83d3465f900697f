//! Up to where one channel has come.

use std::sync::Arc;

use mystocks_keys::{Channel, Journal};
use tokio::time::Instant;

use crate::log::Id;

pub(super) struct Place {
    pub(super) channel: Arc<str>,
    pub(super) journal: Journal,
    /// The last message that has come; with the number 0 when none has of this journal.
    pub(super) position: Id,
    /// Of a listening that is resumed: when the last message was published that came before.
    pub(super) since: Option<Instant>,
    /// What does not follow is in a gap that was told already.
    pub(super) is_excused: bool,
    /// The last that was pushed.
    pushed: Option<Id>,
}

impl Place {
    pub(super) fn new(channel: &Channel, journal: Journal, position: Id, since: Option<Instant>) -> Self {
        Self {
            channel: Arc::from(channel.as_str()),
            journal,
            position,
            since,
            is_excused: false,
            pushed: None,
        }
    }

    /// Takes in an entry that was read; returns whether some are missing before it, and since when if not since the loss.
    pub(super) fn read(&mut self, id: Id, born: Option<u64>) -> (bool, Option<Instant>) {
        let Id { millis, sequence } = self.position;
        let is_next = sequence.checked_add(1) == Some(id.sequence);
        // Numbers begin anew with each journal.
        let follows = is_next && born.is_some_and(|born| sequence == 0 || millis >= born);
        self.position = id;
        let is_excused = std::mem::take(&mut self.is_excused);
        (!follows && !is_excused, self.since.take())
    }

    /// Takes in what was pushed; returns whether it is new.
    pub(super) fn push(&mut self, id: Id) -> bool {
        // Pushes grow: those up to the position were read, or were under way when the listening began. One that goes back is of a server that
        // lost its data: new as well.
        let went_back = self.pushed.replace(id).is_some_and(|last| id <= last);
        let is_new = id > self.position || went_back;
        if is_new {
            self.position = id;
        }
        is_new
    }
}
