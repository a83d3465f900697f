//! A service that answers as told, and a client of the layer before it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use mystocks_cache::http::{CacheLayer, CachedResponse, CachedService, HttpKey};
use mystocks_cache::{Cache, Keyspace, MemoryStore, Policy};
use tokio::sync::Semaphore;
use tower::{Service, ServiceExt};
use tower_layer::Layer;

type Respond = dyn Fn(&Parts, usize) -> Result<Response<Full<Bytes>>, Broken> + Send + Sync;

/// The error of the service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) usize);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} broke", self.0)
    }
}

impl std::error::Error for Broken {}

/// The service: its `n`th call, from 1 on, gets what `respond` says of the request and `n`.
#[derive(Clone)]
pub(crate) struct Origin {
    respond: Arc<Respond>,
    calls: Arc<AtomicUsize>,
    /// One permit for each call that may end.
    gate: Arc<Semaphore>,
    /// One permit for each call that may begin.
    places: Arc<Semaphore>,
}

impl Origin {
    /// Makes a service that answers at once.
    pub(crate) fn new(
        respond: impl Fn(&Parts, usize) -> Result<Response<Full<Bytes>>, Broken> + Send + Sync + 'static,
    ) -> Self {
        let open = || Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Self { respond: Arc::new(respond), calls: Arc::default(), gate: open(), places: open() }
    }

    /// Makes a service whose every response has these headers and the body `n`.
    pub(crate) fn saying(headers: &'static [(&'static str, &'static str)]) -> Self {
        Self::new(move |_, n| Ok(response(200, headers, &n.to_string())))
    }

    /// Makes its calls wait for [`open`](Self::open).
    pub(crate) fn gated(self) -> Self {
        Self { gate: Arc::new(Semaphore::new(0)), ..self }
    }

    /// Makes it ready for no call until [`admit`](Self::admit).
    pub(crate) fn busy(self) -> Self {
        Self { places: Arc::new(Semaphore::new(0)), ..self }
    }

    pub(crate) fn open(&self, calls: usize) {
        self.gate.add_permits(calls);
    }

    pub(crate) fn admit(&self, calls: usize) {
        self.places.add_permits(calls);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Service<Request<Full<Bytes>>> for Origin {
    type Response = Response<Full<Bytes>>;
    type Error = Broken;
    type Future = BoxFuture<'static, Result<Self::Response, Broken>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        match self.places.try_acquire() {
            Ok(place) => {
                place.forget();
                Poll::Ready(Ok(()))
            }
            Err(_) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let origin = self.clone();
        let n = origin.calls.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move {
            origin.gate.acquire().await.unwrap().forget();
            (origin.respond)(&request.into_parts().0, n)
        })
    }
}

pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status);
    let response = headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
    response.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

/// A policy without chance.
pub(crate) fn exact() -> Policy {
    Policy { jitter: 0.0, early_refresh: 0.0, ..Policy::default() }
}

/// A cache with an L2: what an invalidation takes from L1 beside what it is about, as it may, is there still.
pub(crate) fn cache() -> Cache<HttpKey, CachedResponse> {
    let policy = Policy { l1_ttl: Policy::default().ttl, ..exact() };
    Cache::builder("responses", &Keyspace::default())
        .policy(policy)
        .store(MemoryStore::new())
        .build()
        .unwrap()
}

/// The layer before an origin.
#[derive(Clone)]
pub(crate) struct Site {
    service: CachedService<Origin>,
    pub(crate) origin: Origin,
}

/// A response as a client has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Site {
    pub(crate) fn new(origin: Origin) -> Self {
        Self::with(&CacheLayer::new(cache()), origin)
    }

    pub(crate) fn with(layer: &CacheLayer, origin: Origin) -> Self {
        Self { service: layer.layer(origin.clone()), origin }
    }

    pub(crate) async fn get(&self, uri: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", uri, headers).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Broken> {
        let request = Request::builder().method(method).uri(uri);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = self.service.clone().oneshot(request.body(Full::default()).unwrap()).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

impl Answer {
    /// Returns the header as text, all its lines joined.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines: Vec<&str> = self.headers.get_all(name).iter().map(|line| line.to_str().unwrap()).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// Returns what the layer said it did.
    pub(crate) fn did(&self) -> String {
        let status = self.header("cache-status").unwrap();
        status.strip_prefix("mystocks; ").unwrap().to_owned()
    }
}
