//! What the routes share, and which routes there are.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use metrics_exporter_prometheus::PrometheusHandle;
use mystocks_cache::http::{CacheLayer, CachedResponse, HttpKey};
use mystocks_cache::{Cache, CacheHub};
use mystocks_indicators::IndicatorService;
use mystocks_redis_core::RedisManager;
use tokio::sync::Semaphore;

use super::bars::Source;
use super::body::Bounds;
use super::envelope::Refusal;
use super::health::Probe;
use super::rate::Rate;
use super::tokens::{Right, Tokens};
use super::{batch, calculate, catalogue, document, figures, front, health};

/// What the routes share.
#[derive(Debug)]
pub(super) struct App {
    pub(super) source: Source,
    pub(super) indicators: IndicatorService,
    pub(super) responses: Cache<HttpKey, CachedResponse>,
    pub(super) hub: CacheHub,
    pub(super) redis: Option<RedisManager>,
    pub(super) figures: figures::Caches,
    pub(super) probe: Probe,
    pub(super) tokens: Tokens,
    pub(super) rate: Option<Rate>,
    pub(super) places: Semaphore,
    pub(super) bounds: Bounds,
    pub(super) timeout: Duration,
    pub(super) metrics: PrometheusHandle,
}

/// What a request for a route has to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing: whoever starts and stops the service has no token.
    Nothing,
    /// A right, where credentials are configured.
    Right(Right),
}

/// Where the metrics are.
pub(super) const METRICS: &str = "/metrics";

/// Every route, with what it needs.
pub(super) const ROUTES: [(Method, &str, Need); 10] = [
    (Method::POST, "/api/v1/indicators/calculate", Need::Right(Right::Read)),
    (Method::POST, "/api/v1/indicators/calculate/batch", Need::Right(Right::Read)),
    (Method::GET, "/api/v1/indicators/registry", Need::Right(Right::Read)),
    (Method::GET, "/api/v1/indicators/registry/{category}", Need::Right(Right::Read)),
    (Method::GET, "/api/v1/indicators/cache/stats", Need::Right(Right::Read)),
    (Method::POST, "/api/v1/indicators/cache/clear", Need::Right(Right::Admin)),
    (Method::GET, "/health/live", Need::Nothing),
    (Method::GET, "/health/ready", Need::Nothing),
    (Method::GET, METRICS, Need::Right(Right::Read)),
    (Method::GET, "/openapi.json", Need::Nothing),
];

/// Returns what a request for `route` needs; what is no route needs the right to read, so that nobody learns which there are.
pub(super) fn need(route: &str, method: &Method) -> Need {
    let same = |known: &Method| known == method || (known == Method::GET && method == Method::HEAD);
    let found = ROUTES.iter().find(|(known, path, _)| *path == route && same(known));
    found.map_or(Need::Right(Right::Read), |(_, _, need)| *need)
}

/// Makes the service of all routes.
pub(super) fn router(app: &Arc<App>) -> Router {
    let kept = Router::new()
        .route("/api/v1/indicators/registry", get(catalogue::all))
        .route("/api/v1/indicators/registry/{category}", get(catalogue::of_category))
        .route("/openapi.json", get(document::answer))
        .layer(CacheLayer::new(app.responses.clone()))
        .layer(from_fn(plain));
    let own: [(&str, MethodRouter<Arc<App>>); 7] = [
        ("/api/v1/indicators/calculate", post(calculate::calculate)),
        ("/api/v1/indicators/calculate/batch", post(batch::calculate)),
        ("/api/v1/indicators/cache/stats", get(figures::stats)),
        ("/api/v1/indicators/cache/clear", post(figures::clear)),
        ("/health/live", get(health::live)),
        ("/health/ready", get(health::ready)),
        (METRICS, get(figures::metrics)),
    ];
    own.into_iter()
        .fold(kept, |router, (path, answer)| router.route(path, answer))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(Arc::clone(app), front::pass))
        .with_state(Arc::clone(app))
}

/// Takes away what does not change these answers, so that nobody fills the cache with copies of one: hosts and queries.
async fn plain(mut request: Request, next: Next) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if path.strip_prefix("/api/v1/indicators/registry/").is_some_and(|name| !catalogue::is_category(name)) {
        // What somebody made up is neither looked for nor named to the store.
        request.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(uri) = Uri::try_from(path) {
        *request.uri_mut() = uri;
    }
    request.headers_mut().remove(header::HOST);
    next.run(request).await
}

async fn no_route() -> Response {
    Refusal::new(StatusCode::NOT_FOUND, "there is no such route; /openapi.json lists them").into_response()
}

async fn no_method() -> Response {
    let message = "this route does not take this method; /openapi.json lists them";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_route_needs_a_token_too() {
        let read = Need::Right(Right::Read);
        assert_eq!(need("none", &Method::GET), read);
        assert_eq!(need("/health/live", &Method::HEAD), Need::Nothing);
        assert_eq!(need("/health/live", &Method::POST), read);
        assert_eq!(need("/api/v1/indicators/cache/clear", &Method::POST), Need::Right(Right::Admin));
    }
}
