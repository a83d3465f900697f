//! Stale responses, where the policy serves them.

use std::time::Duration;

use mystocks_cache::http::CacheLayer;
use mystocks_cache::{Cache, Keyspace, Policy};

use crate::origin::{Broken, Origin, Site, exact, response};

/// A service whose first response is fresh for a minute and which then fails, as 503 or by an error.
fn failing(control: &'static str, status: Option<u16>) -> Site {
    let policy = Policy { stale_if_error: Duration::from_secs(600), ..exact() };
    let cache = Cache::builder("responses", &Keyspace::default()).policy(policy).build().unwrap();
    let origin = Origin::new(move |_, n| match (n, status) {
        (1, _) => Ok(response(200, &[("cache-control", control)], "1")),
        (n, None) => Err(Broken(n)),
        (n, Some(status)) => Ok(response(status, &[], &n.to_string())),
    });
    Site::with(&CacheLayer::new(cache), origin)
}

async fn ask_late(site: &Site) -> Result<(u16, String, String), Broken> {
    site.get("/a", &[]).await;
    tokio::time::advance(Duration::from_secs(70)).await;
    let answer = site.send("GET", "/a", &[]).await?;
    Ok((answer.status.as_u16(), answer.body.clone(), answer.did()))
}

#[tokio::test(start_paused = true)]
async fn a_failing_service_leaves_the_stale_response() {
    for status in [None, Some(503)] {
        let site = failing("max-age=60", status);
        let stale = (200, "1".to_owned(), "fwd=stale; detail=served-stale".to_owned());
        assert_eq!(ask_late(&site).await, Ok(stale), "{status:?}");
        assert_eq!(site.get("/a", &[]).await.header("age").as_deref(), Some("70"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_be_revalidated_is_never_served_stale() {
    for control in ["max-age=60, must-revalidate", "max-age=60, proxy-revalidate", "s-maxage=60"] {
        assert_eq!(ask_late(&failing(control, None)).await, Err(Broken(2)), "{control}");
        let own = (503, "2".to_owned(), "fwd=miss".to_owned());
        assert_eq!(ask_late(&failing(control, Some(503))).await, Ok(own), "{control}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_no_failure_is_the_callers_own() {
    let own = (403, "2".to_owned(), "fwd=miss".to_owned());
    assert_eq!(ask_late(&failing("max-age=60", Some(403))).await, Ok(own));
}

#[tokio::test(start_paused = true)]
async fn a_response_refreshed_early_is_the_one_for_who_takes_no_older() {
    // So eager that nearly every hit refreshes, after a load of two seconds: a load without length is never early.
    let policy = Policy { early_refresh: 100.0, ..exact() };
    let cache = Cache::builder("responses", &Keyspace::default()).policy(policy).build().unwrap();
    let origin = Origin::saying(&[("cache-control", "max-age=60")]).gated();
    let site = Site::with(&CacheLayer::new(cache), origin);
    let slow = async || {
        tokio::time::sleep(Duration::from_secs(2)).await;
        site.origin.open(1);
    };
    assert_eq!(futures::join!(site.get("/a", &[]), slow()).0.body, "1");
    tokio::time::advance(Duration::from_secs(55)).await;
    let younger = futures::join!(site.get("/a", &[("cache-control", "max-age=9")]), slow()).0;
    assert_eq!((younger.status.as_u16(), younger.body.as_str()), (200, "2"));
}
