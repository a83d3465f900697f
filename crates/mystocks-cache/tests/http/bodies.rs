//! Bodies that are too large to store, or break.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use mystocks_cache::http::CacheLayer;
use tower::{ServiceExt, service_fn};
use tower_layer::Layer;

use crate::origin::{Origin, Site, cache, response};

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

#[tokio::test]
async fn a_body_is_stored_up_to_the_limit() {
    for (length, did) in [(1000, "hit"), (1001, "fwd=miss")] {
        let origin = Origin::new(move |_, _| {
            Ok(response(200, &[("cache-control", "max-age=9")], &"x".repeat(length)))
        });
        let site = Site::with(&CacheLayer::new(cache()).max_body(1000), origin);
        assert_eq!(site.get("/a", &[]).await.body.len(), length);
        let again = site.get("/a", &[]).await;
        assert_eq!((again.body.len(), again.did().as_str()), (length, did));
    }
}

#[tokio::test]
async fn a_body_without_end_streams_and_is_not_gathered() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let origin = service_fn(move |_: Request<Full<Bytes>>| {
        let count = Arc::clone(&count);
        let frames = futures::stream::iter(std::iter::from_fn(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Some(Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[7; 1000]))))
        }));
        let response =
            Response::builder().header("cache-control", "max-age=60").body(StreamBody::new(frames));
        async move { Ok::<_, Infallible>(response.unwrap()) }
    });
    let service = CacheLayer::new(cache()).max_body(10_000).layer(origin);
    let mut body = service.oneshot(get("/a")).await.unwrap().into_body();
    assert_eq!(made.load(Ordering::SeqCst), 11, "ten within the limit and the one that went over");
    for n in 1..=100 {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap().len(), 1000);
        assert_eq!(made.load(Ordering::SeqCst), n.max(11));
    }
}

#[tokio::test]
async fn a_body_that_breaks_is_not_stored_and_breaks_for_its_caller() {
    let calls = Arc::new(AtomicUsize::new(0));
    let origin = service_fn(move |_: Request<Full<Bytes>>| {
        let n = calls.fetch_add(1, Ordering::SeqCst);
        let mut frames = vec![Ok(Frame::data(Bytes::from_static(b"ab")))];
        frames.push(if n == 0 { Err("broken") } else { Ok(Frame::data(Bytes::from_static(b"cd"))) });
        let body = StreamBody::new(futures::stream::iter(frames));
        let response = Response::builder().header("cache-control", "max-age=60").body(body).unwrap();
        async move { Ok::<_, Infallible>(response) }
    });
    let service = CacheLayer::new(cache()).layer(origin);
    let broken = service.clone().oneshot(get("/a")).await.unwrap().into_body().collect().await;
    assert_eq!(broken.unwrap_err(), "broken");
    for did in ["mystocks; fwd=miss; stored", "mystocks; hit"] {
        let whole = service.clone().oneshot(get("/a")).await.unwrap();
        assert_eq!(whole.headers()["cache-status"], did);
        assert_eq!(whole.into_body().collect().await.unwrap().to_bytes(), "abcd");
    }
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_it_says_is_not_stored() {
    let site = Site::new(Origin::saying(&[("cache-control", "max-age=60"), ("content-length", "7")]));
    assert_eq!(site.get("/a", &[]).await.did(), "fwd=miss");
    assert_eq!(site.get("/a", &[]).await.body, "2");
}

#[tokio::test]
async fn a_request_with_a_body_is_passed_on_with_it() {
    let origin = service_fn(|request: Request<Full<Bytes>>| async move {
        let body = request.into_body();
        Ok::<_, Infallible>(Response::builder().header("cache-control", "max-age=60").body(body).unwrap())
    });
    let service = CacheLayer::new(cache()).layer(origin);
    for text in ["a", "b"] {
        let request = Request::get("/a").body(Full::from(text)).unwrap();
        let answer = service.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), text);
    }
}
