//! A tower layer that caches HTTP responses: an origin-side shared cache by RFC 9111 in front of a service.
//!
//! [`CacheLayer`] answers `GET` and `HEAD` from a [`Cache`](crate::Cache) of [`CachedResponse`]s and asks the service for
//! the rest. Everything else passes through untouched; an unsafe method that succeeds invalidates what is stored under its
//! path and query. docs/http-layer.md has the table of what is stored and what is served.
//!
//! # What is never shared
//! A response reaches another caller only through the cache, and gets there only when it may be stored: not with `no-store`,
//! `no-cache`, `private` or `Set-Cookie`, not when it varies on a header outside the key, and not when the request had an
//! `Authorization` header, unless the response says `public`, `s-maxage` or `must-revalidate`, or
//! [`CacheLayer::key_with`] named the user. Callers that waited for a response which turns out to be another's alone run
//! their own call.
//!
//! ```
//! use std::convert::Infallible;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use mystocks_cache::http::CacheLayer;
//! use mystocks_cache::{Cache, Keyspace};
//! use tower::{ServiceExt, service_fn};
//! use tower_layer::Layer;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = CacheLayer::new(Cache::builder("responses", &Keyspace::default()).build()?);
//! let service = layer.layer(service_fn(|_: Request<Full<Bytes>>| async {
//!     let response = Response::builder().header("cache-control", "max-age=60");
//!     Ok::<_, Infallible>(response.body(Full::new(Bytes::from_static(b"[1, 2]"))).unwrap_or_default())
//! }));
//!
//! let ask = |query| Request::get(query).body(Full::default());
//! let first = service.clone().oneshot(ask("/bars?symbol=600519.SH&days=2")?).await?;
//! assert_eq!(first.headers()["cache-status"], "mystocks; fwd=miss; stored");
//! let again = service.oneshot(ask("/bars?days=2&symbol=600519.SH")?).await?;
//! assert_eq!(again.headers()["cache-status"], "mystocks; hit");
//! # Ok(())
//! # }
//! ```

mod answer;
mod body;
mod cache_control;
mod conditional;
mod demand;
mod etag;
mod forget;
mod freshness;
mod handoff;
mod key;
mod layer;
mod list;
mod load;
mod query;
mod response;
mod service;
mod storable;
mod stored;

pub use body::CachedBody;
pub use key::HttpKey;
pub use layer::CacheLayer;
pub use response::CachedResponse;
pub use service::CachedService;
