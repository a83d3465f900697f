//! What a request may ask of the cache.

use std::time::Duration;

use http::StatusCode;

use crate::origin::{Origin, Site};

fn site() -> Site {
    Site::new(Origin::saying(&[("cache-control", "max-age=60")]))
}

#[tokio::test]
async fn no_store_neither_reads_nor_writes() {
    let site = site();
    let no_store = [("cache-control", "no-store")];
    let passed = site.get("/a", &no_store).await;
    assert_eq!((passed.body.as_str(), passed.did().as_str()), ("1", "fwd=request"));
    assert_eq!(site.get("/a", &[]).await.body, "2", "nothing was stored");
    assert_eq!(site.get("/a", &no_store).await.body, "3", "nothing is served");
    assert_eq!(site.get("/a", &[]).await.body, "2", "what was stored stays");
}

#[tokio::test]
async fn no_cache_asks_the_service_and_stores() {
    for header in [("cache-control", "no-cache"), ("cache-control", "max-age=0"), ("pragma", "no-cache")] {
        let site = site();
        site.get("/a", &[]).await;
        let answer = site.get("/a", &[header]).await;
        assert_eq!((answer.body.as_str(), answer.did().as_str()), ("2", "fwd=request; stored"), "{header:?}");
        assert_eq!(answer.header("age"), None);
        let after = site.get("/a", &[]).await;
        assert_eq!((after.body.as_str(), after.did().as_str()), ("2", "hit"), "{header:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn max_age_and_min_fresh_are_held_against_the_age() {
    let site = site();
    site.get("/a", &[]).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(site.get("/a", &[("cache-control", "max-age=10")]).await.did(), "hit");
    assert_eq!(site.get("/a", &[("cache-control", "min-fresh=49")]).await.did(), "hit");
    let younger = site.get("/a", &[("cache-control", "max-age=9")]).await;
    assert_eq!((younger.body.as_str(), younger.did().as_str()), ("2", "fwd=stale; stored"));
    assert_eq!(site.get("/a", &[]).await.body, "2");
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(site.get("/a", &[("cache-control", "min-fresh=50")]).await.body, "3");
}

#[tokio::test]
async fn only_if_cached_never_asks_the_service() {
    let site = site();
    let only = [("cache-control", "only-if-cached")];
    let miss = site.get("/a", &only).await;
    assert_eq!((miss.status, miss.body.as_str()), (StatusCode::GATEWAY_TIMEOUT, ""));
    assert_eq!(site.origin.calls(), 0);
    site.get("/a", &[]).await;
    let hit = site.get("/a", &only).await;
    assert_eq!((hit.body.as_str(), hit.did().as_str()), ("1", "hit"));
    let both = site.get("/a", &[("cache-control", "only-if-cached, no-cache")]).await;
    assert_eq!((both.status, site.origin.calls()), (StatusCode::GATEWAY_TIMEOUT, 1));
}

#[tokio::test]
async fn what_no_key_holds_is_passed_on() {
    let site = site();
    site.get("/a", &[]).await;
    for header in
        [("range", "bytes=0-1"), ("if-match", "\"a\""), ("upgrade", "websocket"), ("content-length", "3")]
    {
        let calls = site.origin.calls();
        assert_eq!(site.get("/a", &[header]).await.did(), "fwd=bypass", "{header:?}");
        assert_eq!(site.origin.calls(), calls + 1);
    }
    assert_eq!(site.get("/a", &[]).await.body, "1");
    assert_eq!(site.get("http://a/a", &[("host", "b")]).await.did(), "fwd=bypass");
}

#[tokio::test]
async fn hosts_share_nothing() {
    let site = site();
    assert_eq!(site.get("/a", &[("host", "a")]).await.body, "1");
    assert_eq!(site.get("/a", &[("host", "b")]).await.body, "2");
    assert_eq!(site.get("http://A/a", &[]).await.body, "1");
}
