//! Many runs of one script in one round trip.

use redis::{FromRedisValue, Pipeline, Value};
use tracing::trace_span;

use crate::call::Call;
use crate::exchange::Work;
use crate::failure::Failure;
use crate::manager::convert;
use crate::script::{Script, ScriptRun, is_unknown_script};
use crate::{Error, RedisManager, metric, subject};

/// How the runs of a batch name their script.
#[derive(Clone, Copy)]
enum Naming {
    ByDigest,
    FirstInFull,
    AllInFull,
}

impl RedisManager {
    /// Runs a script many times in one round trip, and returns the results in the order of `runs`.
    ///
    /// The runs go by digest; those that the server did not execute because it does not know the script follow in a second round trip. No run is
    /// executed twice, unless `call` is repeatable. Other clients' commands may come between two runs. Not cancel safe: runs that were sent are
    /// executed.
    ///
    /// # Errors
    ///
    /// As [`RedisManager::query`]; the first run that fails is the error, and the others have been executed.
    pub async fn scripts<T: FromRedisValue>(
        &self,
        script: &Script,
        runs: &[ScriptRun<'_>],
        call: Call,
    ) -> Result<Vec<T>, Error> {
        const OPERATION: &str = "run";
        let about = || subject::of_scripts(script.digest(), runs);
        let span = trace_span!("redis.scripts", about = about(), lane = call.lane().name());
        let mut replies: Vec<Option<Value>> = runs.iter().map(|_| None).collect();
        for naming in [Naming::ByDigest, Naming::FirstInFull, Naming::AllInFull] {
            let mut missing: Vec<_> =
                replies.iter_mut().zip(runs).filter(|(reply, _)| reply.is_none()).collect();
            if missing.is_empty() {
                break;
            }
            if !matches!(naming, Naming::ByDigest) {
                metric::script_reload();
            }
            let pipeline = pipeline(script, missing.iter().map(|(_, run)| *run), naming);
            let answer = self.exchange(Work::Runs(&pipeline), call, span.clone()).await;
            let answers = match answer {
                Ok(Value::Array(answers)) => answers,
                Ok(_) => Vec::new(),
                Err(failure) => return Err(failure.into_error(OPERATION, about())),
            };
            for ((reply, _), answer) in missing.iter_mut().zip(answers) {
                if !is_unknown_script(&answer) {
                    **reply = Some(answer);
                }
            }
        }
        replies
            .into_iter()
            .map(|reply| match reply {
                Some(value) => convert(value, OPERATION, about),
                None => Err(Failure::unknown_script().into_error(OPERATION, about())),
            })
            .collect()
    }
}

fn pipeline<'a>(script: &Script, runs: impl Iterator<Item = &'a ScriptRun<'a>>, naming: Naming) -> Pipeline {
    let mut pipeline = redis::pipe();
    for (turn, run) in runs.enumerate() {
        let in_full = match naming {
            Naming::ByDigest => false,
            // After it the server knows the digest, unless somebody flushes right between the two.
            Naming::FirstInFull => turn == 0,
            Naming::AllInFull => true,
        };
        pipeline.add_command(if in_full {
            script.in_full(run.keys, run.args)
        } else {
            script.by_digest(run.keys, run.args)
        });
    }
    pipeline
}
