//! What the caches did, what ends their entries, and the metrics of every crate.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use mystocks_cache::{Cache, CacheHub, CacheStats, Done};
use mystocks_indicators::Symbol;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::app::App;
use super::envelope::{self, Fault, Refusal};

/// Ends what the service of indicators keeps, in every process.
///
/// A hub has each cache once, so this is a hub of its own, which the one of the service hears like that of another process.
#[derive(Debug)]
pub(super) struct Caches {
    hub: CacheHub,
    all: [Cache<Arc<str>, ()>; 2],
    pub(super) ttl: Duration,
    pub(super) capacity: u64,
}

/// Within this time a process hears what it is told, or its link is down and it asks the store about everything.
const HEARD: Duration = Duration::from_millis(250);

impl Caches {
    pub(super) fn new(hub: CacheHub, ttl: Duration, capacity: u64) -> anyhow::Result<Self> {
        let named = |name| hub.cache(name).build();
        Ok(Self { all: [named("indicators")?, named("bars")?], hub, ttl, capacity })
    }

    pub(super) async fn shutdown(&self) {
        for cache in &self.all {
            cache.shutdown().await;
        }
        self.hub.shutdown().await;
    }
}

/// Waits until the service has heard more than `before` changes.
async fn heard(app: &App, before: u64) {
    let more = async {
        while app.indicators.stats().heard <= before {
            sleep(Duration::from_millis(1)).await;
        }
    };
    if timeout(HEARD, more).await.is_err() {
        tracing::debug!("this process has not heard yet what it told the others");
    }
}

#[derive(Debug, Serialize)]
struct Stats {
    size: u64,
    max_size: Option<u64>,
    ttl: u64,
    hit_rate: f64,
    size_bytes: u64,
    max_size_bytes: u64,
    results: Tiers,
    bars: Tiers,
    responses: Tiers,
    answers: Ways,
    store: Store,
}

#[derive(Debug, Serialize)]
struct Tiers {
    l1_hits: u64,
    l2_hits: u64,
    loaded: u64,
    joined: u64,
    stale: u64,
    errors: u64,
    entries: u64,
    bytes: u64,
    in_flight: u64,
    store_errors: u64,
}

#[derive(Debug, Serialize)]
struct Ways {
    result_l1: u64,
    bars_l1: u64,
    result_l2: u64,
    bars_l2: u64,
    source: u64,
    errors: u64,
}

#[derive(Debug, Serialize)]
struct Store {
    reads: bool,
    writes: bool,
    hears_others: bool,
    queued: u64,
}

/// `GET /api/v1/indicators/cache/stats`: of this process.
pub(super) async fn stats(State(app): State<Arc<App>>) -> Response {
    let (results, bars) = (app.indicators.stats(), app.indicators.bars_stats());
    let (ways, hub) = (app.indicators.ways(), app.hub.state());
    let hits = ways.result_l1 + ways.bars_l1 + ways.result_l2 + ways.bars_l2;
    let stats = Stats {
        size: results.l1_entries + bars.l1_entries,
        // What is kept is bounded in bytes, not in entries.
        max_size: None,
        ttl: app.figures.ttl.as_secs(),
        hit_rate: share(hits, hits + ways.source),
        size_bytes: results.l1_bytes + bars.l1_bytes,
        max_size_bytes: app.figures.capacity,
        results: Tiers::of(&results),
        bars: Tiers::of(&bars),
        responses: Tiers::of(&app.responses.stats()),
        answers: Ways {
            result_l1: ways.result_l1,
            bars_l1: ways.bars_l1,
            result_l2: ways.result_l2,
            bars_l2: ways.bars_l2,
            source: ways.source,
            errors: ways.errors,
        },
        store: Store {
            reads: hub.reads,
            writes: hub.writes,
            hears_others: hub.hears_others,
            queued: hub.queued,
        },
    };
    envelope::success("figures of this process since its start", stats)
}

impl Tiers {
    fn of(stats: &CacheStats) -> Self {
        Self {
            l1_hits: stats.l1_hits,
            l2_hits: stats.l2_hits,
            loaded: stats.loaded,
            joined: stats.joined,
            stale: stats.stale,
            errors: stats.errors,
            entries: stats.l1_entries,
            bytes: stats.l1_bytes,
            in_flight: stats.in_flight,
            store_errors: stats.store_errors,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of counts far below 2^53")]
fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { (part as f64 / all as f64 * 10_000.0).round() / 10_000.0 }
}

#[derive(Debug, Serialize)]
struct Cleared {
    cleared_count: Option<u64>,
    pattern: Option<String>,
    shared: &'static str,
}

/// `POST /api/v1/indicators/cache/clear`: all of it in every process, or what is of the symbols that begin with `pattern`.
pub(super) async fn clear(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let pattern = pattern(query.as_deref())?;
    let mut cleared = Cleared { cleared_count: None, pattern: pattern.clone(), shared: "applied" };
    for cache in &app.figures.all {
        match &pattern {
            None => {
                let before = app.indicators.stats().heard;
                match cache.clear().await.map_err(|error| away(&error))? {
                    Done::Applied => heard(&app, before).await,
                    Done::Queued => cleared.shared = "queued",
                }
            }
            Some(beginning) => {
                let removed = cache.invalidate_pattern(&format!("{beginning}*")).await;
                *cleared.cleared_count.get_or_insert(0) += removed.map_err(|error| away(&error))?;
            }
        }
    }
    app.indicators.drop_l1();
    let message = match cleared.shared {
        "queued" => "cleared here; the other processes will be told as soon as the store is back",
        _ => "cleared",
    };
    tracing::info!(pattern = pattern.as_deref().unwrap_or("all"), "the cache was cleared");
    Ok(envelope::success(message, cleared))
}

/// Reads the beginning of the symbols that are meant; `None` is all.
fn pattern(query: Option<&str>) -> Result<Option<String>, Refusal> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.into_iter().find(|(name, _)| *name == "pattern") else { return Ok(None) };
    match text {
        "" | "all" => Ok(None),
        // A symbol is plain, so nothing in it is written in percents.
        text => Symbol::new(text).map(|symbol| Some(symbol.to_string())).map_err(|_| {
            let message = "expected all, or the beginning of symbols".to_owned();
            Refusal::of_fields(vec![Fault { field: "pattern".to_owned(), code: "invalid", message }])
        }),
    }
}

fn away(error: &mystocks_cache::Error) -> Refusal {
    tracing::warn!(%error, "the cache could not be cleared");
    let message = "the store cannot be asked at present; this process serves nothing of it any more";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(1)
}

/// `GET /metrics`: the metrics of every crate in the text format of Prometheus.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    // These are counted in the process and handed over when somebody looks.
    app.indicators.stats();
    app.indicators.bars_stats();
    app.indicators.ways();
    app.responses.stats();
    let headers = [
        (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, app.metrics.render()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_the_beginning_of_symbols() {
        for (query, expected) in [
            (None, None),
            (Some(""), None),
            (Some("pattern=all"), None),
            (Some("pattern="), None),
            (Some("x=1&pattern=600"), Some("600")),
            (Some("pattern=600519.SH"), Some("600519.SH")),
        ] {
            assert_eq!(pattern(query).unwrap().as_deref(), expected, "{query:?}");
        }
        for query in ["pattern=*", "pattern=a%2A", "pattern=a:b", "pattern=.a"] {
            assert_eq!(pattern(Some(query)).unwrap_err().faults()[0].field, "pattern", "{query}");
        }
        assert_eq!((share(0, 0), share(1, 3)), (0.0, 0.3333));
    }
}
