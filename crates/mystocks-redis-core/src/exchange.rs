//! One call: an attempt, and its repetitions if it may have any.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};
use tokio::time::{Instant, sleep, timeout_at};

use crate::backoff;
use crate::call::Call;
use crate::core::Core;
use crate::failure::Failure;
use crate::metric;
use crate::script::is_unknown_script;
use crate::tracking::Watching;

/// What a call sends.
#[derive(Clone, Copy)]
pub(crate) enum Work<'a> {
    Command(&'a Cmd),
    Pipeline(&'a Pipeline),
    /// Runs of scripts by digest; those the server does not know are answered with its error.
    Runs(&'a Pipeline),
}

impl Work<'_> {
    async fn send(self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        match self {
            // Not `query_async`, which boxes the future of every command.
            Self::Command(command) => connection.send_packed_command(command).await?.extract_error(),
            Self::Pipeline(pipeline) => pipeline.query_async(connection).await,
            Self::Runs(pipeline) => runs(connection.send_packed_commands(pipeline, 0, pipeline.len()).await?),
        }
    }

    async fn send_tracked(self, connection: &mut MultiplexedConnection) -> RedisResult<Value> {
        let mut watching = Watching(connection);
        match self {
            Self::Command(command) => watching.send_one(command).await?.extract_error(),
            Self::Pipeline(pipeline) => pipeline.query_async(&mut watching).await,
            Self::Runs(pipeline) => runs(watching.send(pipeline.cmd_iter()).await?),
        }
    }
}

impl Core {
    /// Sends `work` and returns the reply; repeats it only when `call` allows and a passing failure calls for it.
    pub(crate) async fn exchange(self: &Arc<Self>, work: Work<'_>, call: Call) -> Result<Value, Failure> {
        let limit = call.timeout.unwrap_or(self.socket_timeout).min(self.socket_timeout);
        let deadline = Instant::now().checked_add(limit);
        // What is rare is boxed: it would make the future of every call several times as large.
        let first = match call.timeout.and(deadline) {
            Some(deadline) => Box::pin(within(deadline, self.attempt(work, call, None))).await,
            // The connection's own timer serves a call without a limit; a second timer would cost as much as the rest.
            None => self.attempt(work, call, None).await,
        };
        match first {
            Err(failure)
                if call.repeatable && failure.is_passing() && !matches!(failure, Failure::Down(_)) =>
            {
                Box::pin(self.repeat(work, call, deadline, failure)).await
            }
            outcome => outcome,
        }
    }

    async fn repeat(
        self: &Arc<Self>,
        work: Work<'_>,
        call: Call,
        deadline: Option<Instant>,
        mut failure: Failure,
    ) -> Result<Value, Failure> {
        for round in 1..=backoff::RETRIES {
            let pause = backoff::retry(round);
            let resume = Instant::now() + pause;
            if deadline.is_some_and(|deadline| resume >= deadline) {
                break;
            }
            sleep(pause).await;
            metric::retry();
            let attempt = self.attempt(work, call, deadline);
            let outcome = match deadline {
                Some(deadline) => within(deadline, attempt).await,
                None => attempt.await,
            };
            match outcome {
                Err(next) if next.is_passing() => failure = next,
                outcome => return outcome,
            }
        }
        Err(failure)
    }

    async fn attempt(
        self: &Arc<Self>,
        work: Work<'_>,
        call: Call,
        patience: Option<Instant>,
    ) -> Result<Value, Failure> {
        let mut borrowed = self.borrow(call.lane(), patience).await?;
        let outcome = if call.tracked && borrowed.tracked {
            Box::pin(work.send_tracked(&mut borrowed.connection)).await
        } else {
            work.send(&mut borrowed.connection).await
        };
        borrowed.answered = true;
        outcome.map_err(|error| {
            if self.stop.is_cancelled() {
                return Failure::Closed;
            }
            borrowed.slot.report(&error, borrowed.generation);
            Failure::Redis(error)
        })
    }
}

/// The replies to runs of a script, or the first error among them that is not about an unknown script.
fn runs(replies: Vec<Value>) -> RedisResult<Value> {
    let failed = replies.iter().find_map(|reply| match reply {
        Value::ServerError(error) if !is_unknown_script(reply) => Some(RedisError::from(error.clone())),
        _ => None,
    });
    failed.map_or(Ok(Value::Array(replies)), Err)
}

async fn within<T>(
    deadline: Instant,
    attempt: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout_at(deadline, attempt).await.unwrap_or(Err(Failure::Elapsed))
}
