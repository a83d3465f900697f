//! Reading what was pushed while nobody heard it.

use std::sync::Arc;

use mystocks_keys::ChannelPattern;
use mystocks_redis_core::Error as Cause;

use super::reader::Reader;
use super::state::{Behind, Finish};
use super::store::Page;
use crate::transport::Source;

/// So many journals are read in one round trip.
const TOGETHER: usize = 32;

impl Reader {
    /// Reads all that was missed, as long as the connection of `turn` stands, and goes live.
    ///
    /// What is published from here on is pushed, and held back: so it is enough to read up to where each journal ends now.
    pub(super) async fn catch_up(&self, turn: u64) -> Result<(), Cause> {
        loop {
            let standing = self.store.standing(self.pattern()).await?;
            let journals = {
                let mut state = self.state();
                standing.channels.iter().for_each(|channel| state.admit(channel, None));
                state.journals()
            };
            let ends = self.store.ends(journals.iter().map(|(_, journal)| journal)).await?;
            let ends = journals.iter().map(|(live, _)| Arc::clone(live)).zip(ends);
            let Some(behind) = self.state().compare(turn, &standing, ends) else { return Ok(()) };
            for some in behind.chunks(TOGETHER) {
                let pages = self.store.pages(&self.after(some)).await?;
                for (one, page) in some.iter().zip(pages) {
                    if !self.read(turn, one, page).await? {
                        return Ok(());
                    }
                }
            }
            if !self.hand_on(turn).await {
                return Ok(());
            }
        }
    }

    /// Hands on what was held back at the pace of who hears it, and goes live; returns whether it is to be read once more.
    async fn hand_on(&self, turn: u64) -> bool {
        loop {
            let left = self.state().finish(turn);
            match left {
                Finish::Over => return false,
                Finish::Again => return true,
                Finish::Held(bytes) => {
                    self.ear.room(bytes).await;
                    self.state().hand_on(turn);
                }
            }
        }
    }

    pub(super) fn pattern(&self) -> Option<&ChannelPattern> {
        match &self.interest.source {
            Source::Pattern(pattern) => Some(pattern),
            Source::Channels(_) => None,
        }
    }

    /// Hands on one journal, from a page on to where it ends; returns whether the connection still stands.
    async fn read(&self, turn: u64, one: &Behind, mut page: Page) -> Result<bool, Cause> {
        loop {
            if page.entries.is_empty() {
                return Ok(self.state().skip(turn, &one.live, one.until));
            }
            for (id, payload) in page.entries {
                self.ear.room(payload.len()).await;
                if !self.state().read(turn, &one.live, id, page.born, payload) {
                    return Ok(false);
                }
            }
            if self.state().position(&one.live) >= one.until {
                return Ok(true);
            }
            let mut pages = self.store.pages(&self.after(std::slice::from_ref(one))).await?;
            let Some(next) = pages.pop() else { return Ok(true) };
            page = next;
        }
    }

    fn after(&self, some: &[Behind]) -> Vec<(mystocks_keys::Journal, crate::log::Id)> {
        let state = self.state();
        some.iter().map(|one| (one.journal.clone(), state.position(&one.live))).collect()
    }
}
