//! Whether the service lives, and whether it can answer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::app::App;
use super::envelope;

/// The source of the bars is asked no more often than this, however many ask.
const FRESH: Duration = Duration::from_millis(500);
/// A source that takes longer is taken to be down.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the last look at the source found.
#[derive(Debug, Default)]
pub(super) struct Probe(Mutex<Option<(Instant, bool)>>);

#[derive(Debug, Serialize)]
struct Live {
    status: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize)]
struct Ready {
    status: &'static str,
    reasons: Vec<&'static str>,
    bars: &'static str,
    redis: &'static str,
}

/// `GET /health/live`: the process runs and takes requests.
pub(super) async fn live() -> Response {
    envelope::success("alive", Live { status: "alive", version: env!("CARGO_PKG_VERSION") })
}

/// `GET /health/ready`: 200 while answers can be given, also without Redis (`degraded`); 503 while the bars cannot be read.
///
/// It says what is wrong and not where that is: nobody is asked for a token here.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let has_bars = app.probe.look(&app).await;
    let (redis, is_well) = match &app.redis {
        None => ("off", true),
        Some(redis) if redis.health().borrow().is_up() => ("up", true),
        Some(_) => ("down", false),
    };
    let mut reasons = Vec::new();
    if !has_bars {
        reasons.push("the source of the bars does not answer");
    }
    if !is_well {
        reasons.push("redis does not answer: this process answers from its own memory and the bars");
    } else if app.redis.is_some() && !app.hub.state().hears_others {
        reasons.push("invalidations of other processes are not heard");
    }
    let status = match (has_bars, reasons.is_empty()) {
        (true, true) => "ready",
        (true, false) => "degraded",
        (false, _) => "unavailable",
    };
    let code = if has_bars { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let bars = if has_bars { "up" } else { "down" };
    envelope::success_with(code, status, Ready { status, reasons, bars, redis })
}

impl Probe {
    /// Returns whether the source of the bars answers.
    async fn look(&self, app: &App) -> bool {
        let mut last = self.0.lock().await;
        if let Some((at, found)) = *last
            && at.elapsed() < FRESH
        {
            return found;
        }
        let found = match timeout(PATIENCE, app.source.probe()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the source of the bars does not answer");
                false
            }
            Err(_) => {
                tracing::warn!("the source of the bars does not answer within {PATIENCE:?}");
                false
            }
        };
        *last = Some((Instant::now(), found));
        found
    }
}
