//! Giving back what is held.

use mystocks_redis_core::{Call, ScriptRun};

use super::names::{Names, member};
use super::reading::Inspected;
use super::script::Script;
use super::{RedisLocks, error, reading, script};
use crate::backend::{Kind, Release, Spot, Standing};
use crate::error::Error;

impl RedisLocks {
    pub(super) async fn release_at(
        &self,
        releases: &[Release<'_>],
        at: &[usize],
        stood: &mut [Standing],
        script: &Script,
    ) -> Result<(), Error> {
        if at.is_empty() {
            return Ok(());
        }
        let names: Vec<Names<'_>> = at.iter().map(|&n| Names::of(releases[n].spot)).collect();
        let keys: Vec<[&str; 3]> =
            names.iter().map(|names| [names.spot(), names.queue.as_str(), names.waiters.as_str()]).collect();
        let texts: Vec<[String; 3]> = at
            .iter()
            .map(|&n| {
                let Release { spot, token, waiter } = releases[n];
                let waiter = waiter.map(|waiter| self.waiter(waiter, spot.kind)).unwrap_or_default();
                let of = spot.kind.share().of.to_string();
                [member(spot.kind, token.unwrap_or_default()), waiter, of]
            })
            .collect();
        let args: Vec<[&[u8]; 4]> = texts
            .iter()
            .map(|[token, waiter, of]| {
                [token.as_bytes(), waiter.as_bytes(), self.channels.as_bytes(), of.as_bytes()]
            })
            .collect();
        let runs: Vec<_> = keys.iter().zip(&args).map(|(keys, args)| ScriptRun { keys, args }).collect();
        // Not repeated by itself: the second answer would say that it was nobody's.
        let answers = match runs.as_slice() {
            [run] => self
                .manager
                .script::<i64>(script, run.keys, run.args, Call::once())
                .await
                .map(|one| vec![one]),
            runs => self.manager.scripts::<i64>(script, runs, Call::once()).await,
        };
        let answers = answers.map_err(|cause| error("release", releases[at[0]].spot.key, cause))?;
        for (&n, answer) in at.iter().zip(answers) {
            stood[n] = match answer {
                1 => Standing::Held,
                2 => Standing::TakenOver,
                _ => Standing::Gone,
            };
        }
        Ok(())
    }

    pub(super) async fn force(&self, spot: Spot<'_>) -> Result<Standing, Error> {
        let names = Names::of(spot);
        let keys = [names.spot(), names.fence.as_str(), names.queue.as_str(), names.waiters.as_str()];
        let of = spot.kind.share().of.to_string();
        let args = [self.channels.as_bytes(), of.as_bytes()];
        let answer = self.manager.script::<Inspected>(&script::FORCE, &keys, &args, Call::once()).await;
        let before = answer.map_err(|cause| error("release by force", spot.key, cause))?;
        let is_there = before.0 != "none";
        let state = reading::state(before);
        // What is no lock is taken away too, and was held by nobody; a semaphore's leases may all have ended.
        let is_held = is_there && (spot.kind == Kind::Exclusive || !state.holders.is_empty());
        Ok(if is_held { Standing::Forced(state) } else { Standing::Gone })
    }
}
