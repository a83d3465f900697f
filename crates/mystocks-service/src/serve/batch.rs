//! Several calculations with one request.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use futures::future::join_all;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use super::app::App;
use super::calculate::{self, Calculated};
use super::envelope::{self, Fault, Refusal};
use super::model::{Data, millis};
use super::request;

#[derive(Debug, Serialize)]
struct Batch<'a> {
    batch_statistics: Statistics,
    results: Vec<One<'a>>,
}

#[derive(Debug, Serialize)]
struct Statistics {
    total_calculations: usize,
    successful_calculations: usize,
    failed_calculations: usize,
    total_indicators: usize,
    calculation_time_ms: f64,
    average_time_per_calculation: f64,
}

#[derive(Debug, Serialize)]
struct One<'a> {
    symbol: &'a Value,
    start_date: &'a Value,
    end_date: &'a Value,
    success: bool,
    data: Option<Data<'a>>,
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
}

/// `POST /api/v1/indicators/calculate/batch`.
pub(super) async fn calculate(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let began = Instant::now();
    let body = app.bounds.json(request).await?;
    let asked = request::batch(&body).map_err(Refusal::of_fields)?;
    let answers = join_all(asked.iter().map(|one| async {
        let one = request::calculation(one).map_err(Refusal::of_fields)?;
        calculate::run(&app, one).await
    }))
    .await;
    let results: Vec<One<'_>> =
        asked.iter().zip(&answers).map(|(asked, answer)| one(asked, answer)).collect();
    let (total, took) = (results.len(), millis(began.elapsed()));
    let successes = results.iter().filter(|one| one.success).count();
    #[expect(clippy::cast_precision_loss, reason = "there are ten at most")]
    let average = (took / total.max(1) as f64 * 100.0).round() / 100.0;
    let batch_statistics = Statistics {
        total_calculations: total,
        successful_calculations: successes,
        failed_calculations: total - successes,
        total_indicators: asked.iter().map(indicators).sum(),
        calculation_time_ms: took,
        average_time_per_calculation: average,
    };
    let message = format!("calculated {successes} of {total} requests");
    Ok(envelope::success(&message, Batch { batch_statistics, results }))
}

fn one<'a>(asked: &'a Value, answer: &'a Result<Calculated, Refusal>) -> One<'a> {
    const NULL: &Value = &Value::Null;
    // What cannot be a text is not repeated.
    let text = |name: &str| asked.get(name).filter(|value| value.is_string()).unwrap_or(NULL);
    One {
        symbol: text("symbol"),
        start_date: text("start_date"),
        end_date: text("end_date"),
        success: answer.is_ok(),
        data: answer.as_ref().ok().map(Data::of),
        error: answer.as_ref().err().map(Refusal::message),
        errors: answer.as_ref().err().map(Refusal::faults).unwrap_or_default(),
    }
}

fn indicators(asked: &Value) -> usize {
    asked.get("indicators").and_then(Value::as_array).map_or(0, Vec::len)
}
