//! What the handlers of a worker are given of its lanes.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::desk::LaneDesk;
use super::lane::Stage;
use crate::log::{Consumer, Entry, Settle, Verdict};
use crate::worker::tray::{Drain, Tray};
use crate::worker::{Handled, Handling};

impl Tray for LaneDesk {
    fn handling(&self) -> &Handling {
        &self.handling
    }

    fn group(&self) -> &str {
        &self.group
    }

    fn changed(&self) -> &Notify {
        &self.changed
    }

    fn consumer<'a>(&'a self, name: &'a str) -> Consumer<'a> {
        // A lane keeps its name as long as something of it runs.
        let lane = self.state().lanes.iter().position(|lane| *lane.name == *name);
        self.owner(lane.unwrap_or(self.topics.len()), name)
    }

    fn begin(&self) -> Option<(Arc<str>, Entry)> {
        let (mut guard, now) = (self.state(), Instant::now());
        let state = &mut *guard;
        if state.is_alone || state.running >= self.handling.at_once {
            return None;
        }
        let (share, _) = self.shares(state);
        let count = state.lanes.len();
        for at in (state.next..count).chain(0..state.next) {
            let Some(lane) = state.lanes.get_mut(at) else { continue };
            // This process may have stood still for so long that somebody else has it.
            if !matches!(lane.stage, Stage::Owned) || lane.until <= now {
                continue;
            }
            let is_alone = lane.order.is_next_alone();
            if is_alone && !state.drain.is_over(state.running, now) {
                return None;
            }
            let Some(entry) = lane.order.begin() else { continue };
            (state.is_alone, state.drain) = (is_alone, Drain::default());
            lane.running += 1;
            if lane.has_news && lane.order.ready() <= share / 2 {
                self.wake(at);
            }
            let name = Arc::clone(&lane.name);
            (state.running, state.next) = (state.running + 1, (at + 1) % count);
            return Some((name, entry));
        }
        None
    }

    fn end(&self, was_alone: bool) {
        let mut state = self.state();
        state.running -= 1;
        state.is_alone &= !was_alone;
    }

    fn lost_an_answer(&self, name: &Arc<str>) {
        let mut state = self.state();
        if let Some(lane) = state.lanes.iter().position(|lane| lane.name == *name) {
            self.ends(&mut state, lane);
        }
    }

    fn settled(&self, name: &str, settlements: &[Settle<'_>], count: impl FnOnce(&mut Handled)) {
        let (mut state, now) = (self.state(), Instant::now());
        count(&mut state.handled);
        let Some(at) = state.lanes.iter().position(|lane| *lane.name == *name) else { return };
        let Some(lane) = state.lanes.get_mut(at) else { return };
        for settle in settlements {
            lane.running = lane.running.saturating_sub(1);
            match settle.verdict {
                Verdict::Again(after) => lane.order.again(settle.id, now + after),
                Verdict::Done | Verdict::Dead(_) => lane.order.finish(settle.id),
            }
        }
        settlements.iter().for_each(|settle| self.is_over(&mut state, at, Some(settle.id)));
        self.wake(at);
    }
}
