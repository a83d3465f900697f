//! No caller gets what was made for another.

use futures::future::join_all;
use http::request::Parts;
use mystocks_cache::http::CacheLayer;
use mystocks_testkit::eventually;

use crate::flights::LONG;
use crate::origin::{Answer, Origin, Site, cache, response};

fn credentials(request: &Parts) -> Option<String> {
    request.headers.get("authorization").map(|user| user.to_str().unwrap().to_owned())
}

/// A service whose responses name whom they were made for.
fn personal(control: &'static str) -> Origin {
    Origin::new(move |request, _| {
        let user = credentials(request).unwrap_or_else(|| "nobody".to_owned());
        let headers: &[_] = if control.is_empty() { &[] } else { &[("cache-control", control)] };
        Ok(response(200, headers, &user))
    })
}

async fn ask(site: &Site, user: &str) -> Answer {
    site.get("/me", &[("authorization", user)]).await
}

#[tokio::test]
async fn an_authorized_response_is_nobody_elses_unless_it_says_so() {
    for control in ["max-age=60", "private, max-age=60", "public, no-store", ""] {
        let site = Site::new(personal(control));
        for user in ["ann", "bob", "ann"] {
            assert_eq!(ask(&site, user).await.body, user, "{control}");
        }
        assert_eq!(site.get("/me", &[]).await.body, "nobody", "{control}");
        assert_eq!(site.origin.calls(), 4, "{control}");
    }
    for control in ["public, max-age=60", "s-maxage=60", "must-revalidate, max-age=60"] {
        let site = Site::new(personal(control));
        assert_eq!(ask(&site, "ann").await.body, "ann");
        let shared = ask(&site, "bob").await;
        assert_eq!((shared.body.as_str(), shared.did().as_str()), ("ann", "hit"), "{control}");
    }
}

#[tokio::test]
async fn what_was_stored_for_all_answers_nobody_who_is_authorized() {
    let site = Site::new(personal("max-age=60"));
    assert_eq!(site.get("/me", &[]).await.body, "nobody");
    assert_eq!(ask(&site, "ann").await.body, "ann");
    assert_eq!(site.get("/me", &[]).await.did(), "hit");
}

#[tokio::test]
async fn users_who_ask_at_once_each_get_their_own() {
    let site = Site::new(personal("max-age=60").gated());
    let users: Vec<String> = (0..20).map(|n| format!("user-{n}")).collect();
    let asked = join_all(users.iter().map(|user| ask(&site, user)));
    let gate = async {
        eventually("a call has begun", LONG, async || site.origin.calls() >= 1).await;
        site.origin.open(users.len());
    };
    let answers = futures::join!(asked, gate).0;
    assert_eq!(answers.into_iter().map(|answer| answer.body).collect::<Vec<_>>(), users);
}

#[tokio::test]
async fn a_named_user_has_a_cache_of_their_own() {
    let layer = CacheLayer::new(cache()).key_with(credentials);
    let site = Site::with(&layer, personal("max-age=60"));
    for (user, did) in
        [("ann", "fwd=miss; stored"), ("bob", "fwd=miss; stored"), ("ann", "hit"), ("bob", "hit")]
    {
        let answer = ask(&site, user).await;
        assert_eq!((answer.body.as_str(), answer.did().as_str()), (user, did));
    }
    assert_eq!(site.get("/me", &[]).await.body, "nobody");
    assert_eq!(site.origin.calls(), 3);
}

#[tokio::test]
async fn a_name_that_is_empty_names_nobody() {
    let layer = CacheLayer::new(cache()).key_with(|_| Some(String::new()));
    let site = Site::with(&layer, personal("max-age=60"));
    assert_eq!(ask(&site, "ann").await.body, "ann");
    assert_eq!(ask(&site, "bob").await.body, "bob");
}

#[tokio::test]
async fn what_is_stored_for_a_user_by_default_is_private_to_caches_behind() {
    let ttl = Some(std::time::Duration::from_secs(30));
    let site = Site::with(&CacheLayer::new(cache()).key_with(credentials).default_ttl(ttl), personal(""));
    let control = |answer: Answer| answer.header("cache-control").unwrap();
    assert_eq!(control(ask(&site, "ann").await), "private, max-age=30");
    assert_eq!(control(site.get("/me", &[]).await), "max-age=30");
}
