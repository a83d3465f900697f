//! Dead letters that are to be handled after all.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::DurableTopic;
use crate::error::Error;
use crate::event::Event;
use crate::log::{Append, Appended, Entry, Once, Part, Shelf};
use crate::payload;

/// How many are moved in one request.
const BATCH: usize = 100;
/// A request is not made more often than so, when there is a rate.
const TICK: Duration = Duration::from_millis(50);

/// What became of dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Replayed {
    /// Are to be handled again.
    pub replayed: u64,
    /// Stay: they were not chosen.
    pub kept: u64,
    /// Were moved before: by an attempt whose answer was lost, or by somebody else.
    pub gone: u64,
}

impl<E: Event> DurableTopic<E> {
    /// Has the dead letters of `group` that `chosen` takes handled again, at most `rate` in a second; the others stay.
    ///
    /// Each becomes a new entry at the end of the topic, for that group alone, in the order in which they died, with its bytes as they were and its
    /// deliveries counted from 1. Its dead letter goes in the same step, so that replaying can be broken off at any place, also by a crash, and begun
    /// again: nothing is lost, and nothing comes twice. What dies again meanwhile waits for the next replay.
    ///
    /// # Errors
    /// As [`publish`](Self::publish); what was replayed before stays so.
    ///
    /// # Cancel safety
    /// Dropping the future breaks it off, as said above.
    pub async fn replay(
        &self,
        group: &str,
        rate: Option<u32>,
        mut chosen: impl FnMut(&Entry) -> bool,
    ) -> Result<Replayed, Error> {
        let (mut result, mut after) = (Replayed::default(), None);
        let mut left = self.log.state(&self.name, group).await?.dead;
        let mut pace = Pace::new(rate);
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(BATCH);
            let part = Part::After { id: after, count, wait: Duration::ZERO };
            let letters = self.log.range(Shelf::Dead { topic: &self.name, group }, part).await?;
            let Some(last) = letters.last() else { break };
            (after, left) = (Some(last.id), left.saturating_sub(letters.len() as u64));
            let (take, keep): (Vec<_>, Vec<_>) = letters.into_iter().partition(&mut chosen);
            result.kept += keep.len() as u64;
            for letters in take.chunks(pace.step()) {
                pace.wait(letters.len()).await;
                let entries: Vec<_> = letters
                    .iter()
                    .map(|letter| {
                        let once = Some(Once::Letter { group, id: letter.id });
                        // Only lanes ask for it.
                        let has_lanes = !self.lanes.names().is_empty();
                        let key = has_lanes.then(|| payload::key_in::<E>(&letter.payload)).flatten();
                        let key = key.map(Cow::Owned);
                        (key, Append { payload: &letter.payload, once })
                    })
                    .collect();
                for appended in self.append_all(&entries).await? {
                    match appended {
                        Appended::Now(_) | Appended::Before(_) => result.replayed += 1,
                        Appended::Gone => result.gone += 1,
                        Appended::Full => return Err(self.full(letters.len())),
                    }
                }
            }
        }
        Ok(result)
    }
}

/// Holds a rate.
struct Pace {
    rate: Option<u32>,
    next: Instant,
}

impl Pace {
    fn new(rate: Option<u32>) -> Self {
        Self { rate, next: Instant::now() }
    }

    /// Returns how many may go at once.
    fn step(&self) -> usize {
        self.rate.map_or(BATCH, |rate| (rate as usize / ticks()).clamp(1, BATCH))
    }

    /// Waits until `count` may go.
    async fn wait(&mut self, count: usize) {
        if let Some(rate) = self.rate {
            // Who was held up does not catch up: that would be more than the rate.
            self.next = self.next.max(Instant::now());
            sleep_until(self.next).await;
            self.next += Duration::from_secs_f64(count as f64 / f64::from(rate.max(1)));
        }
    }
}

fn ticks() -> usize {
    usize::try_from(Duration::from_secs(1).as_millis() / TICK.as_millis()).unwrap_or(1)
}
