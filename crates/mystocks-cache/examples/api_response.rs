//! An API whose responses are cached by the layer: who asks first waits, who has the response gets a 304, a change is seen.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use mystocks_cache::http::CacheLayer;
use mystocks_cache::{Cache, Keyspace, MemoryStore};
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

type Ask = Request<Full<Bytes>>;

/// The API: one price, which a POST raises by one.
fn price(price: &AtomicU64, request: &Ask) -> Result<Response<Full<Bytes>>, http::Error> {
    if request.method() == Method::POST {
        price.fetch_add(1, Ordering::SeqCst);
        return Response::builder().status(StatusCode::NO_CONTENT).body(Full::default());
    }
    let body = format!(r#"{{"symbol": "600519.SH", "price": {}}}"#, price.load(Ordering::SeqCst));
    Response::builder().header("cache-control", "max-age=60").body(Full::from(body))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In production the store is a RedisStore, and every process serves what one was asked for.
    let cache = Cache::builder("responses", &Keyspace::default()).store(MemoryStore::new()).build()?;
    let held = Arc::new(AtomicU64::new(1700));
    let api = service_fn(move |request: Ask| ready(price(&held, &request)));
    let api = CacheLayer::new(cache.clone()).layer(api);

    let send = async |method: Method, uri: &str, tag: &str| {
        let request = Request::builder().method(&method).uri(uri).header("if-none-match", tag);
        let response = api.clone().oneshot(request.body(Full::default())?).await?;
        let (parts, body) = response.into_parts();
        let header =
            |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
        let body = body.collect().await?.to_bytes();
        println!(
            "{method:<4} {uri:<28} {} [{}] {}",
            parts.status.as_u16(),
            header("cache-status"),
            String::from_utf8_lossy(&body)
        );
        Ok::<_, Box<dyn std::error::Error>>((parts.status, header("etag").to_owned()))
    };

    let (status, tag) = send(Method::GET, "/price?of=600519.SH&days=1", "-").await?;
    assert_eq!(status, StatusCode::OK);
    // The same query in another order is the same response, and this client has it already.
    let (status, _) = send(Method::GET, "/price?days=1&of=600519.SH", &tag).await?;
    assert_eq!(status, StatusCode::NOT_MODIFIED);
    send(Method::POST, "/price?of=600519.SH&days=1", "-").await?;
    // What changed is made anew.
    let (status, changed) = send(Method::GET, "/price?of=600519.SH&days=1", &tag).await?;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(changed, tag);
    cache.shutdown().await;
    Ok(())
}
