//! What was before this process: outcomes of the run that stand there, and which of them still hold.

use std::time::Duration;

use mystocks_bus::{Followed, Id};
use tokio::time::timeout;

use super::Run;
use crate::daily::event::Outcomes;
use crate::daily::plan::nonce;
use crate::daily::{DailyJob, DailyTask, failed};
use crate::error::Error;
use crate::symbol::Symbol;

/// So long nothing comes until the mark is taken for lost.
const LOST: Duration = Duration::from_secs(10);
/// The versions of so many symbols are asked for at once.
const VERSIONS: usize = 256;

impl Run<'_> {
    /// Learns what was finished before this process.
    pub(super) async fn catch_up(&mut self) -> Result<(), Error> {
        let (mut mark, mut place) = Self::mark(self.job, self.task, &self.params.run).await?;
        loop {
            match timeout(LOST, self.follower.next()).await {
                Ok(Followed::Event(told)) => {
                    // What stands at its place or after it shows that it is over as well: a log that failed over may have lost the mark.
                    let is_over = told.event.mark == mark || told.id >= place;
                    self.count(told.event);
                    if is_over {
                        return Ok(());
                    }
                }
                Ok(Followed::Unreadable { id, .. }) if id >= place => return Ok(()),
                // What was told in the gap is done again, and nobody takes it for what was given out before.
                Ok(Followed::Gap(_)) => self.round = self.round.max(1),
                Ok(_) => {}
                Err(_) => (mark, place) = Self::mark(self.job, self.task, &self.params.run).await?,
            }
        }
    }

    /// Publishes what its writer knows again, and returns it with its place.
    pub(super) async fn mark(job: &DailyJob, task: &DailyTask, run: &str) -> Result<(String, Id), Error> {
        let mark = nonce();
        let (task_id, run) = (task.task_id.clone(), run.to_owned());
        let event = Outcomes { task_id, run, mark: mark.clone(), symbols: Vec::new() };
        let id = job.topics.outcomes.publish_once(&mark, &event).await;
        Ok((mark, id.map_err(|error| failed("begin the run", error))?))
    }

    /// Has those done again whose bars are not any more what they were computed from; else one run is of old bars and of new ones.
    pub(super) async fn reopen_revised(&mut self) -> Result<(), Error> {
        let known: Vec<(Symbol, Option<String>)> = self
            .tally
            .known()
            .map(|(symbol, version)| (symbol.clone(), version.map(str::to_owned)))
            .collect();
        let symbols: Vec<Symbol> = known.iter().map(|(symbol, _)| symbol.clone()).collect();
        let versions = versions(self.job, &symbols).await?;
        for ((symbol, before), now) in known.iter().zip(versions) {
            if now != *before {
                self.tally.reopen(symbol);
                self.revised.insert(symbol.clone(), now.unwrap_or_else(|| "none".to_owned()));
            }
        }
        Ok(())
    }
}

/// Returns which bars each of `symbols` has now; `None` for one that has none, or none that can be read.
pub(in crate::daily) async fn versions(
    job: &DailyJob,
    symbols: &[Symbol],
) -> Result<Vec<Option<String>>, Error> {
    let mut all = Vec::with_capacity(symbols.len());
    for symbols in symbols.chunks(VERSIONS) {
        for now in job.tools.tiers.source.versions(symbols).await {
            all.push(match now {
                Ok(now) => Some(now.as_str().to_owned()),
                Err(error) if error.is_retryable() => return Err(error),
                Err(_) => None,
            });
        }
    }
    Ok(all)
}
