//! Giving back what is held.

use mystocks_keys::Sidecar;
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
        let names: Vec<_> = at.iter().map(|&n| Names::of(releases[n].spot)).collect();
        let beside = names.iter().map(|names| {
            [Some(names.queue()), Some(names.waiters()), Some(names.fence()), names.strangers()]
        });
        let beside: Vec<_> = beside.collect();
        let keys = names.iter().zip(&beside).map(|(names, beside)| {
            std::iter::once(names.spot()).chain(beside.iter().flatten().map(Sidecar::as_str)).collect()
        });
        let keys: Vec<Vec<&str>> = keys.collect();
        let texts = at.iter().map(|&n| {
            let Release { spot, token, leaves } = releases[n];
            let token = token.unwrap_or_default();
            let waiter = leaves.map(|ttl| self.waiter(token, ttl, spot.kind));
            (member(spot.kind, token), spot.kind.share().of.to_string(), waiter)
        });
        let texts: Vec<_> = texts.collect();
        let args = texts.iter().map(|(token, of, waiter)| {
            let mut args = vec![token.as_bytes(), self.channels.as_bytes(), of.as_bytes()];
            args.extend(waiter.as_deref().map(str::as_bytes));
            args
        });
        let args: Vec<_> = args.collect();
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
        let beside = [Some(names.fence()), Some(names.queue()), Some(names.waiters()), names.strangers()];
        let keys: Vec<&str> =
            std::iter::once(names.spot()).chain(beside.iter().flatten().map(Sidecar::as_str)).collect();
        let of = spot.kind.share().of.to_string();
        let args = [self.channels.as_bytes(), of.as_bytes()];
        let answer =
            self.manager.script::<Inspected>(script::FORCE.of(spot.kind), &keys, &args, Call::once()).await;
        let before = answer.map_err(|cause| error("release by force", spot.key, cause))?;
        let is_there = before.0 != "none";
        let state = reading::state(before);
        // What is no lock is taken away too, and was held by nobody; a semaphore's leases may all have ended.
        let is_held = is_there && (spot.kind == Kind::Exclusive || !state.holders.is_empty());
        Ok(if is_held { Standing::Forced(state) } else { Standing::Gone })
    }
}
