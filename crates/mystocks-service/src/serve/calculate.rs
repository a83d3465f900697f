//! Indicators of one symbol over some days, with its bars.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use mystocks_cache::Tier;
use mystocks_indicators::{Error, ErrorKind, IndicatorResult, Symbol};
use mystocks_ta::Output;
use tokio::time::Instant;

use super::app::App;
use super::bars::Columns;
use super::envelope::{self, Refusal};
use super::model::Data;
use super::request::{self, Calculation};

/// How often it is begun again when the bars change meanwhile.
const ATTEMPTS: usize = 3;

/// What a calculation came to.
#[derive(Debug)]
pub(super) struct Calculated {
    pub(super) asked: Calculation,
    pub(super) name: Arc<String>,
    pub(super) columns: Arc<Columns>,
    /// Which of the columns' days were asked for.
    pub(super) range: Range<usize>,
    /// In the order asked.
    pub(super) answers: Vec<Result<Values, String>>,
    pub(super) cached: bool,
    pub(super) took: Duration,
}

/// The values of one indicator.
#[derive(Debug)]
pub(super) enum Values {
    /// As the service of indicators answered, on the days asked for.
    Read(Box<IndicatorResult>),
    /// Computed for this request alone, on all days.
    Computed(Output),
}

/// `POST /api/v1/indicators/calculate`.
pub(super) async fn calculate(State(app): State<Arc<App>>, request: Request) -> Result<Response, Refusal> {
    let body = app.bounds.json(request).await?;
    let asked = request::calculation(&body).map_err(Refusal::of_fields)?;
    let done = run(&app, asked).await?;
    let data = Data::of(&done);
    let message = format!("calculated {} of {} indicators", data.successes(), done.answers.len());
    Ok(envelope::success(&message, data))
}

/// Answers one request.
pub(super) async fn run(app: &App, asked: Calculation) -> Result<Calculated, Refusal> {
    let began = Instant::now();
    let found = if asked.use_cache { read(app, &asked).await } else { compute(app, &asked).await };
    let (columns, answers) = found.map_err(|error| refusal(&error))?;
    let range = columns.within(asked.start, asked.end);
    if range.is_empty() {
        let message = format!("{} has no bars from {} to {}", asked.symbol, asked.start, asked.end);
        return Err(Refusal::new(StatusCode::NOT_FOUND, message));
    }
    let is_read = |answer: &Result<Values, String>| match answer {
        Ok(Values::Read(result)) => result.tier() != Tier::L3,
        _ => false,
    };
    let cached = answers.iter().all(is_read);
    let name = app.source.name(&asked.symbol).await;
    Ok(Calculated { asked, name, columns, range, answers, cached, took: began.elapsed() })
}

type Found = (Arc<Columns>, Vec<Result<Values, String>>);

/// Asks the three tiers, until bars and indicators are of one version.
async fn read(app: &App, asked: &Calculation) -> Result<Found, Error> {
    let requests = asked.requests();
    for _ in 0..ATTEMPTS {
        let mut results = app.indicators.get_many(&requests).await;
        if let Some(at) = results.iter().position(|one| one.as_ref().is_err_and(is_of_all)) {
            results.swap(0, at);
            if let Some(Err(error)) = results.into_iter().next() {
                return Err(error);
            }
            continue;
        }
        let version = match results.iter().find_map(|one| one.as_ref().ok()) {
            Some(result) => result.version().clone(),
            None => app.source.bars.version(&asked.symbol).await?,
        };
        let columns = app.source.columns(&asked.symbol, &version).await?;
        let fits = |columns: &Columns| {
            let days = columns.within(asked.start, asked.end).len();
            results.iter().flatten().all(|result| *result.version() == version && result.len() == days)
        };
        if let Some(columns) = columns.filter(|columns| fits(columns)) {
            let values = |one: Result<IndicatorResult, Error>| match one {
                Ok(result) => Ok(Values::Read(Box::new(result))),
                Err(error) => Err(format!("failed to {error}")),
            };
            return Ok((columns, results.into_iter().map(values).collect()));
        }
        // The version was trusted, and is of the past.
        app.indicators.revised(&asked.symbol).await?;
    }
    Err(Error::new(ErrorKind::Changing, "read bars", asked.symbol.as_str()))
}

/// Loads the bars and computes, and looks at nothing that is kept.
async fn compute(app: &App, asked: &Calculation) -> Result<Found, Error> {
    let bars = app.source.bars.load(&asked.symbol).await?.bars;
    let (symbol, wanted) = (asked.symbol.clone(), asked.wanted.clone());
    let computed = tokio::task::spawn_blocking(move || {
        let one = |one: &request::Wanted| match one.indicator.compute(&bars, &one.params) {
            Ok(output) => Ok(Values::Computed(output)),
            Err(error) => Err(failed(&symbol, &error)),
        };
        (Arc::new(Columns::of(&bars)), wanted.iter().map(one).collect())
    });
    computed.await.map_err(|_| Error::new(ErrorKind::Malformed, "compute", asked.symbol.as_str()))
}

fn failed(symbol: &Symbol, error: &mystocks_ta::Error) -> String {
    format!("failed to {error} for {symbol}")
}

/// Whether an error is of the symbol, so that none of its indicators can be answered.
fn is_of_all(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::TooFewBars | ErrorKind::Malformed)
}

fn refusal(error: &Error) -> Refusal {
    let message = format!("failed to {error}");
    match error.kind() {
        ErrorKind::UnknownSymbol => Refusal::new(StatusCode::NOT_FOUND, message),
        ErrorKind::UnknownIndicator | ErrorKind::InvalidArgument | ErrorKind::TooFewBars => {
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message)
        }
        // Whoever asks learns no more than that: the rest is for who runs the service.
        _ if error.is_retryable() => {
            tracing::warn!(%error, "the bars cannot be read");
            let message = "the bars cannot be read at present";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(1)
        }
        _ => {
            tracing::error!(%error, "the bars cannot be used");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the bars of this symbol cannot be used")
        }
    }
}
