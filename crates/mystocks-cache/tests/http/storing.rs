//! What is stored, for how long, and what a client gets of it.

use std::time::Duration;

use http::header::ACCEPT;
use mystocks_cache::http::CacheLayer;
use mystocks_cache::{Cache, Keyspace, MemoryStore, Policy};

use crate::origin::{Origin, Site, cache, exact, response};

#[tokio::test(start_paused = true)]
async fn a_stored_response_is_served_with_its_age_until_it_is_stale() {
    let site = Site::new(Origin::saying(&[("cache-control", "max-age=60"), ("x-own", "kept")]));
    let first = site.get("/a?x=1&y=2", &[]).await;
    assert_eq!((first.body.as_str(), first.did().as_str()), ("1", "fwd=miss; stored"));
    assert_eq!(first.header("age"), None);

    tokio::time::advance(Duration::from_secs(59)).await;
    let hit = site.get("/a?y=2&x=1", &[]).await;
    assert_eq!((hit.body.as_str(), hit.did().as_str()), ("1", "hit"));
    assert_eq!(hit.header("age").as_deref(), Some("59"));
    for name in ["cache-control", "etag", "date", "x-own"] {
        assert!(first.header(name).is_some(), "{name}");
        assert_eq!(hit.header(name), first.header(name), "{name}");
    }

    tokio::time::advance(Duration::from_secs(1)).await;
    let next = site.get("/a?x=1&y=2", &[]).await;
    assert_eq!((next.body.as_str(), site.origin.calls()), ("2", 2));
    assert!(next.did().ends_with("; stored"), "{}", next.did());
    assert_eq!(site.get("/a?x=1&y=2", &[]).await.did(), "hit");
}

#[tokio::test(start_paused = true)]
async fn an_age_that_a_response_came_with_is_counted() {
    let site = Site::new(Origin::saying(&[("cache-control", "s-maxage=60, max-age=5"), ("age", "50")]));
    assert_eq!(site.get("/a", &[]).await.header("age").as_deref(), Some("50"));
    tokio::time::advance(Duration::from_secs(9)).await;
    let hit = site.get("/a", &[]).await;
    assert_eq!((hit.did().as_str(), hit.header("age").as_deref()), ("hit", Some("59")));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(site.get("/a", &[]).await.body, "2");
}

#[tokio::test(start_paused = true)]
async fn the_cache_keeps_a_response_as_long_as_it_is_fresh_whatever_its_policy() {
    let store = MemoryStore::new();
    let policy = Policy { ttl: Duration::from_secs(5), l1_capacity: 0, ..exact() };
    let cache =
        Cache::builder("responses", &Keyspace::default()).policy(policy).store(store).build().unwrap();
    let site = Site::with(&CacheLayer::new(cache), Origin::saying(&[("cache-control", "max-age=60")]));
    site.get("/a", &[]).await;
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(site.get("/a", &[]).await.did(), "hit");
    tokio::time::advance(Duration::from_secs(1)).await;
    // It is gone from the cache and not only refused: a stale one would be `fwd=stale`.
    assert_eq!(site.get("/a", &[]).await.did(), "fwd=miss; stored");
}

#[tokio::test]
async fn what_says_nothing_is_stored_only_by_the_default() {
    let site = Site::new(Origin::saying(&[]));
    for n in ["1", "2"] {
        let answer = site.get("/a", &[]).await;
        assert_eq!((answer.body.as_str(), answer.did().as_str()), (n, "fwd=miss"));
        assert_eq!((answer.header("etag"), answer.header("cache-control")), (None, None));
    }
    let layer = CacheLayer::new(cache()).default_ttl(Some(Duration::from_secs(30)));
    let site = Site::with(&layer, Origin::saying(&[]));
    assert_eq!(site.get("/a", &[]).await.header("cache-control").as_deref(), Some("max-age=30"));
    assert_eq!(site.get("/a", &[]).await.did(), "hit");
}

#[tokio::test]
async fn what_may_not_be_stored_is_passed_on_whole_each_time() {
    for (status, headers) in [
        (200, &[("cache-control", "public, max-age=60, no-store")][..]),
        (200, &[("cache-control", "public, max-age=60, private")]),
        (200, &[("cache-control", "public, max-age=60, no-cache")]),
        (200, &[("cache-control", "max-age=60"), ("set-cookie", "a=b")]),
        (200, &[("cache-control", "max-age=60"), ("vary", "*")]),
        (200, &[("cache-control", "max-age=60"), ("vary", "accept, cookie")]),
        (200, &[("expires", "0")]),
        (302, &[("cache-control", "max-age=60"), ("location", "/b")]),
        (500, &[("cache-control", "max-age=60")]),
        (206, &[("cache-control", "max-age=60")]),
    ] {
        let origin = Origin::new(move |_, n| Ok(response(status, headers, &n.to_string())));
        let site = Site::with(&CacheLayer::new(cache()).vary_on([ACCEPT]), origin);
        for n in ["1", "2"] {
            let answer = site.get("/a", &[]).await;
            assert_eq!(
                (answer.status.as_u16(), answer.body.as_str(), answer.did().as_str()),
                (status, n, "fwd=miss")
            );
            for (name, value) in headers {
                assert_eq!(answer.header(name).as_deref(), Some(*value));
            }
        }
    }
}

#[tokio::test]
async fn chosen_headers_make_variants() {
    let origin = Origin::saying(&[("cache-control", "max-age=60"), ("vary", "Accept")]);
    let site = Site::with(&CacheLayer::new(cache()).vary_on([ACCEPT]), origin);
    assert_eq!(site.get("/a", &[("accept", "text/csv")]).await.body, "1");
    assert_eq!(site.get("/a", &[("accept", "text/html")]).await.body, "2");
    assert_eq!(site.get("/a", &[]).await.body, "3");
    assert_eq!(site.get("/a", &[("accept", "text/csv"), ("accept-language", "de")]).await.body, "1");
    assert_eq!(site.origin.calls(), 3);
}

#[tokio::test]
async fn errors_that_may_be_stored_are() {
    let origin = Origin::new(|_, n| Ok(response(404, &[("cache-control", "max-age=9")], &n.to_string())));
    let site = Site::new(origin);
    site.get("/a", &[]).await;
    let again = site.get("/a", &[]).await;
    assert_eq!((again.status.as_u16(), again.body.as_str(), again.did().as_str()), (404, "1", "hit"));
}

#[tokio::test]
async fn head_is_answered_from_what_get_stored_and_stores_nothing() {
    let site = Site::new(Origin::new(|request, n| {
        let body = if request.method == "HEAD" { String::new() } else { format!("body {n}") };
        Ok(response(200, &[("cache-control", "max-age=60"), ("content-type", "text/plain")], &body))
    }));
    assert_eq!(site.send("HEAD", "/a", &[]).await.unwrap().did(), "fwd=miss");
    assert_eq!(site.get("/a", &[]).await.body, "body 2");
    let head = site.send("HEAD", "/a", &[]).await.unwrap();
    assert_eq!((head.body.as_str(), head.did().as_str()), ("", "hit"));
    assert_eq!(head.header("content-length").as_deref(), Some("6"));
    assert_eq!(head.header("content-type").as_deref(), Some("text/plain"));
    assert_eq!(head.header("age").as_deref(), Some("0"));
    assert_eq!(site.origin.calls(), 2);
}

#[tokio::test]
async fn what_nearer_caches_said_is_kept() {
    let site = Site::new(Origin::saying(&[("cache-control", "max-age=60"), ("cache-status", "inner; hit")]));
    let status = site.get("/a", &[]).await.header("cache-status");
    assert_eq!(status.as_deref(), Some("inner; hit, mystocks; fwd=miss; stored"));
    let status = site.get("/a", &[]).await.header("cache-status");
    assert_eq!(status.as_deref(), Some("inner; hit, mystocks; hit"));
}
