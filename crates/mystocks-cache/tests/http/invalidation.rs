//! Requests that change what is stored.

use mystocks_cache::http::CacheLayer;

use crate::origin::{Origin, Site, cache, response};

fn fails_when_asked() -> Origin {
    Origin::new(|request, n| {
        let status =
            request.headers.get("x-status").map_or(200, |status| status.to_str().unwrap().parse().unwrap());
        Ok(response(status, &[("cache-control", "public, max-age=60")], &n.to_string()))
    })
}

#[tokio::test]
async fn an_unsafe_request_that_succeeds_invalidates_its_own_path_and_query() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "PURGE"] {
        let site = Site::new(fails_when_asked());
        let ann = [("authorization", "ann")];
        site.get("/a?x=1&y=2", &[]).await;
        site.get("/a?x=1&y=2", &ann).await;
        site.get("/a", &[]).await;
        let changed = site.send(method, "/a?y=2&x=1", &[]).await.unwrap();
        assert_eq!((changed.body.as_str(), changed.header("cache-status")), ("4", None), "untouched");
        assert_eq!(site.get("/a?x=1&y=2", &[]).await.body, "5", "{method}");
        assert_eq!(site.get("/a?x=1&y=2", &ann).await.body, "6", "{method}");
        assert_eq!(site.get("/a", &[]).await.body, "3", "another query is another resource");
    }
}

#[tokio::test]
async fn what_fails_or_is_safe_invalidates_nothing() {
    let site = Site::new(fails_when_asked());
    site.get("/a", &[]).await;
    for status in ["400", "404", "500"] {
        site.send("POST", "/a", &[("x-status", status)]).await.unwrap();
    }
    for method in ["OPTIONS", "TRACE"] {
        assert_eq!(site.send(method, "/a", &[]).await.unwrap().header("cache-status"), None);
    }
    assert_eq!(site.get("/a", &[]).await.body, "1");
    site.send("POST", "/a", &[("x-status", "303")]).await.unwrap();
    assert_eq!(site.get("/a", &[]).await.body, "8");
}

#[tokio::test]
async fn a_users_change_invalidates_that_users_response() {
    let by_user = |request: &http::request::Parts| {
        request.headers.get("x-user").map(|user| user.to_str().unwrap().to_owned())
    };
    let site = Site::with(&CacheLayer::new(cache()).key_with(by_user), fails_when_asked());
    let (ann, bob) = ([("x-user", "ann")], [("x-user", "bob")]);
    site.get("/a", &ann).await;
    site.get("/a", &bob).await;
    site.send("POST", "/a", &ann).await.unwrap();
    assert_eq!(site.get("/a", &ann).await.body, "4");
    assert_eq!(site.get("/a", &bob).await.body, "2");
}

#[tokio::test]
async fn what_was_asked_for_before_a_change_is_not_stored_after_it() {
    let site = Site::new(fails_when_asked().gated());
    let reader = site.clone();
    let old = tokio::spawn(async move { reader.get("/a", &[]).await });
    mystocks_testkit::eventually("the read has begun", crate::flights::LONG, async || {
        site.origin.calls() == 1
    })
    .await;
    let writer = site.clone();
    let change = tokio::spawn(async move { writer.send("POST", "/a", &[]).await });
    mystocks_testkit::eventually("the write has begun", crate::flights::LONG, async || {
        site.origin.calls() == 2
    })
    .await;
    // Waiters are served in order, so it takes both for the write to end; the read's end is held back no more.
    site.origin.open(2);
    change.await.unwrap().unwrap();
    old.await.unwrap();
    site.origin.open(9);
    let after = site.get("/a", &[]).await;
    assert_eq!(site.get("/a", &[]).await.body, after.body);
}

#[tokio::test]
async fn a_change_whose_caller_goes_away_invalidates() {
    let site = Site::new(fails_when_asked().gated());
    site.origin.open(1);
    site.get("/a", &[]).await;
    let writer = site.clone();
    let change = tokio::spawn(async move { writer.send("POST", "/a", &[]).await });
    mystocks_testkit::eventually("the write has begun", crate::flights::LONG, async || {
        site.origin.calls() == 2
    })
    .await;
    change.abort();
    assert!(change.await.unwrap_err().is_cancelled());
    site.origin.open(99);
    let gone = async || site.get("/a", &[("cache-control", "only-if-cached")]).await.status == 504;
    mystocks_testkit::eventually("the response is gone", crate::flights::LONG, gone).await;
}
