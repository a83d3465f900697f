//! Many requests at once: one call, and each its own when there is nothing to share.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use mystocks_cache::http::CacheLayer;
use mystocks_cache::{Cache, Keyspace, Policy};
use mystocks_testkit::eventually;

use crate::origin::{Answer, Broken, Origin, Site, cache, exact, response};

/// Against hanging; less than the deadline of a load, which would end what hangs in another way.
pub(crate) const LONG: Duration = Duration::from_secs(20);

const CALLERS: usize = 20;

/// Sends this many requests, lets the first call end once all are under way, then the others.
async fn crowd(site: &Site) -> Vec<Result<Answer, Broken>> {
    let asked = join_all((0..CALLERS).map(|_| site.send("GET", "/a", &[])));
    let gate = async {
        eventually("one call has begun", LONG, async || site.origin.calls() == 1).await;
        site.origin.open(CALLERS);
    };
    futures::join!(asked, gate).0
}

#[tokio::test]
async fn identical_requests_make_one_call() {
    let site = Site::new(Origin::saying(&[("cache-control", "max-age=60")]).gated());
    let answers: Vec<Answer> = crowd(&site).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.body == "1"));
    assert_eq!(site.origin.calls(), 1);
    let did = |what: &str| answers.iter().filter(|answer| answer.did() == what).count();
    assert_eq!((did("fwd=miss; stored"), did("fwd=miss; collapsed")), (1, CALLERS - 1));
}

#[tokio::test]
async fn a_response_for_one_caller_alone_is_handed_to_nobody_who_waited() {
    for headers in [
        &[("cache-control", "private, max-age=60")][..],
        &[("cache-control", "no-store")],
        &[("cache-control", "max-age=60"), ("set-cookie", "session=1")],
        &[("cache-control", "max-age=60"), ("vary", "cookie")],
        &[],
    ] {
        let site = Site::new(Origin::saying(headers).gated());
        let answers = crowd(&site).await;
        let bodies: BTreeSet<String> = answers.into_iter().map(|answer| answer.unwrap().body).collect();
        assert_eq!(bodies.len(), CALLERS, "{headers:?}: each has a response of its own");
        assert_eq!(site.origin.calls(), CALLERS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_went_stale_is_replaced_by_one_call() {
    let site = Site::new(Origin::saying(&[("cache-control", "max-age=60")]).gated());
    site.origin.open(1);
    site.get("/a", &[]).await;
    tokio::time::advance(Duration::from_secs(61)).await;
    let asked = join_all((0..CALLERS).map(|_| site.send("GET", "/a", &[])));
    let gate = async {
        eventually("one call has begun", LONG, async || site.origin.calls() == 2).await;
        site.origin.open(CALLERS);
    };
    let answers = futures::join!(asked, gate).0;
    assert!(answers.iter().flatten().all(|answer| answer.body == "2"));
    assert_eq!((answers.len(), site.origin.calls()), (CALLERS, 2));
}

#[tokio::test]
async fn nobody_waits_for_a_response_that_is_known_to_be_anothers_alone() {
    let site = Site::new(Origin::saying(&[("cache-control", "private")]).gated());
    site.origin.open(1);
    site.get("/a", &[]).await;
    let asked = join_all((0..CALLERS).map(|_| site.send("GET", "/a", &[])));
    let gate = async {
        eventually("all calls have begun", LONG, async || site.origin.calls() == 1 + CALLERS).await;
        site.origin.open(CALLERS);
    };
    let answers = futures::join!(asked, gate).0;
    let bodies: BTreeSet<String> = answers.into_iter().map(|answer| answer.unwrap().body).collect();
    assert_eq!(bodies.len(), CALLERS);
}

#[tokio::test]
async fn an_error_keeps_nobody_from_sharing_the_next_response() {
    for status in [400, 503] {
        let origin = Origin::new(move |_, n| {
            Ok(response(if n == 1 { status } else { 200 }, &[("cache-control", "max-age=60")], "x"))
        });
        let site = Site::new(origin);
        assert_eq!(site.get("/a", &[]).await.status.as_u16(), status);
        assert_eq!(site.get("/a", &[]).await.did(), "fwd=miss; stored");
    }
}

#[tokio::test]
async fn an_error_is_its_callers_and_the_others_ask_themselves() {
    let origin = Origin::new(|_, n| {
        if n == 1 { Err(Broken(n)) } else { Ok(response(200, &[("cache-control", "max-age=60")], "fine")) }
    });
    let site = Site::new(origin.gated());
    let answers = crowd(&site).await;
    let broken: Vec<&Broken> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(broken, [&Broken(1)]);
    assert!(answers.iter().flatten().all(|answer| answer.body == "fine"));
    assert_eq!(site.origin.calls(), CALLERS);
    site.origin.open(1);
    assert_eq!(site.get("/a", &[]).await.did(), "fwd=miss; stored", "an error is not remembered");
}

#[tokio::test]
async fn a_call_goes_on_when_its_caller_goes_away() {
    let site = Site::new(Origin::saying(&[("cache-control", "max-age=60")]).gated());
    let leader = site.clone();
    let leader = tokio::spawn(async move { leader.get("/a", &[]).await });
    eventually("the call has begun", LONG, async || site.origin.calls() == 1).await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    site.origin.open(1);
    assert_eq!(site.get("/a", &[]).await.body, "1");
    assert_eq!(site.origin.calls(), 1);
}

#[tokio::test]
async fn a_busy_service_is_not_called_and_holds_up_no_hit() {
    let site = Site::new(Origin::saying(&[("cache-control", "max-age=60")]).busy());
    site.origin.admit(1);
    assert_eq!(site.get("/a", &[]).await.body, "1");
    assert_eq!(site.get("/a", &[]).await.did(), "hit", "there is no place in the service");
    let other = site.clone();
    let waiting = tokio::spawn(async move { other.get("/b", &[]).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished() && site.origin.calls() == 1, "it is called only when it is ready");
    site.origin.admit(1);
    assert_eq!(waiting.await.unwrap().body, "2");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_passes_the_deadline_is_a_504() {
    let policy = Policy { load_deadline: Duration::from_secs(5), ..exact() };
    let cache = Cache::builder("responses", &Keyspace::default()).policy(policy).build().unwrap();
    let site =
        Site::with(&CacheLayer::new(cache), Origin::saying(&[("cache-control", "max-age=60")]).gated());
    let answer = site.get("/a", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.did().as_str()), (504, "detail=timeout"));
    site.origin.open(1);
    assert_eq!(site.get("/a", &[]).await.body, "2");
}

#[tokio::test]
async fn a_call_that_panics_is_a_500() {
    let site = Site::new(Origin::new(|_, _| panic!("scripted")));
    let answer = site.get("/a", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.did().as_str()), (500, "detail=panicked"));
}

#[tokio::test]
async fn without_its_cache_the_service_still_answers() {
    let cache = cache();
    let site =
        Site::with(&CacheLayer::new(cache.clone()), Origin::saying(&[("cache-control", "max-age=60")]));
    site.get("/a", &[]).await;
    cache.shutdown().await;
    assert_eq!(site.get("/a", &[]).await.body, "1", "what is stored is served");
    let miss = site.get("/b", &[]).await;
    assert_eq!((miss.status.as_u16(), miss.body.as_str()), (200, "2"));
}
