//! Conditional requests through the layer.

use http::StatusCode;

use crate::origin::{Origin, Site, response};

const DATED: &str = "Sat, 29 Oct 1994 19:43:31 GMT";

#[tokio::test]
async fn who_has_the_response_gets_a_304() {
    let site = Site::new(Origin::saying(&[
        ("cache-control", "max-age=60"),
        ("vary", ""),
        ("content-type", "text/plain"),
        ("content-location", "/b"),
        ("expires", "Sat, 29 Oct 2094 19:43:31 GMT"),
    ]));
    let first = site.get("/a", &[]).await;
    let tag = first.header("etag").unwrap();
    // 16 bytes of SHA-256 of "1".
    assert_eq!(tag, "\"6b86b273ff34fce19d6b804eff5a3f57\"");
    for list in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let answer = site.get("/a", &[("if-none-match", &list)]).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{list}");
        assert_eq!((answer.did().as_str(), answer.header("age").as_deref()), ("hit", Some("0")));
        for name in ["etag", "cache-control", "date", "vary", "content-location", "expires"] {
            assert_eq!(answer.header(name), first.header(name), "{name}");
        }
        assert_eq!((answer.header("content-type"), answer.header("content-length")), (None, None));
    }
    let other = site.get("/a", &[("if-none-match", "\"x\"")]).await;
    assert_eq!((other.status, other.body.as_str()), (StatusCode::OK, "1"));
    let head = site.send("HEAD", "/a", &[("if-none-match", &tag)]).await.unwrap();
    assert_eq!(head.status, StatusCode::NOT_MODIFIED);
    assert_eq!(site.origin.calls(), 1);
}

#[tokio::test]
async fn a_tag_of_the_service_is_kept() {
    let site = Site::new(Origin::saying(&[("cache-control", "max-age=60"), ("etag", "W/\"own\"")]));
    assert_eq!(site.get("/a", &[]).await.header("etag").as_deref(), Some("W/\"own\""));
    assert_eq!(site.get("/a", &[("if-none-match", "\"own\"")]).await.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn dates_decide_where_no_tag_is_asked_for() {
    let site = Site::new(Origin::saying(&[("cache-control", "max-age=60"), ("last-modified", DATED)]));
    site.get("/a", &[]).await;
    assert_eq!(site.get("/a", &[("if-modified-since", DATED)]).await.status, StatusCode::NOT_MODIFIED);
    let older = "Fri, 28 Oct 1994 19:43:31 GMT";
    assert_eq!(site.get("/a", &[("if-modified-since", older)]).await.status, StatusCode::OK);
    let both = [("if-modified-since", DATED), ("if-none-match", "\"x\"")];
    assert_eq!(site.get("/a", &both).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_condition_never_keeps_a_body_from_the_cache() {
    // A service that answers conditions itself: asked with one it would send nothing to store.
    let site = Site::new(Origin::new(|request, n| {
        let asked = request.headers.contains_key("if-none-match")
            || request.headers.contains_key("if-modified-since");
        let status = if asked { 304 } else { 200 };
        Ok(response(status, &[("cache-control", "max-age=60"), ("etag", "\"a\"")], &n.to_string()))
    }));
    let first = site.get("/a", &[("if-none-match", "\"a\""), ("if-modified-since", DATED)]).await;
    assert_eq!((first.status, first.did().as_str()), (StatusCode::NOT_MODIFIED, "fwd=miss; stored"));
    let whole = site.get("/a", &[]).await;
    assert_eq!((whole.status, whole.body.as_str(), whole.did().as_str()), (StatusCode::OK, "1", "hit"));
}

#[tokio::test]
async fn a_response_for_one_caller_alone_answers_that_callers_condition() {
    let site =
        Site::new(Origin::saying(&[("cache-control", "private, max-age=60"), ("etag", "\"a\""), ("x", "1")]));
    let answer = site.get("/a", &[("if-none-match", "\"a\"")]).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!((answer.header("x").as_deref(), answer.did().as_str()), (Some("1"), "fwd=miss"));
    assert_eq!(site.get("/a", &[("if-none-match", "\"b\"")]).await.body, "2");
}
