//! Answers that may be kept, and what ends what is kept.

use mystocks_testkit::RedisServer;
use serde_json::json;

use crate::guarded::digest;
use crate::service::{CALCULATE, CLEAR, REGISTRY, STATS, Service, alone, averages, sample};

#[tokio::test]
async fn the_registry_has_a_tag_and_who_has_it_already_is_told_so() {
    let redis = RedisServer::start().await;
    let service = Service::start(Some(&redis.url()), &[]).await;
    for path in [REGISTRY, "/api/v1/indicators/registry/volume", "/openapi.json"] {
        let first = service.get(path).await;
        assert_eq!(
            (first.status, first.header("cache-status")),
            (200, Some("mystocks; fwd=miss; stored")),
            "{path}"
        );
        assert_eq!(first.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(first.header("content-type"), Some("application/json"));
        let tag = first.header("etag").expect("it has a tag").to_owned();
        let again = service.ask("GET", path, &[("if-none-match", &tag)], b"").await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), Some(&*tag));
        let other = service.ask("GET", path, &[("if-none-match", "\"other\"")], b"").await;
        assert_eq!((other.status, &other.body), (200, &first.body));
        // Neither a host nor a query makes another copy.
        for (path, host) in [(format!("{path}?a=1"), "localhost"), (path.to_owned(), "127.0.0.1:99")] {
            let same = service.ask("GET", &path, &[("host", host)], b"").await;
            assert_eq!(
                (same.header("cache-status"), &same.body),
                (Some("mystocks; hit"), &first.body),
                "{path} {host}"
            );
        }
        let head = service.ask("HEAD", path, &[], b"").await;
        assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, Some(&*tag)));
    }
    // Another process has it from the first one.
    let other = Service::start(Some(&redis.url()), &[]).await;
    assert_eq!(other.get(REGISTRY).await.header("cache-status"), Some("mystocks; hit"));
}

#[tokio::test]
async fn the_registry_is_the_one_that_is_computed_with() {
    let service = alone(&[]).await;
    let body = service.get(REGISTRY).await.json();
    let data = &body["data"];
    let all = data["indicators"].as_array().unwrap();
    let known = mystocks_ta::registry();
    assert_eq!((&data["total_count"], all.len()), (&json!(known.iter().count()), known.iter().count()));
    let expected = json!({
        "abbreviation": "SMA", "full_name": "Simple moving average", "chinese_name": "简单移动平均线", "category": "trend",
        "description": "Simple moving average (简单移动平均线)", "panel_type": "overlay",
        "parameters": [{"name": "timeperiod", "type": "int", "default": 20, "min": 2, "max": 200, "description": "timeperiod"}],
        "outputs": [{"name": "sma", "description": "sma of SMA"}], "reference_lines": null, "min_data_points_formula": "20",
    });
    assert_eq!(all[0], expected);
    for (category, count) in data["categories"].as_object().unwrap() {
        let list = service.get(&format!("{REGISTRY}/{category}")).await.json();
        assert_eq!(json!(list.as_array().unwrap().len()), *count, "{category}");
        assert!(
            list.as_array().unwrap().iter().all(|one| one["category"] == **category && all.contains(one))
        );
    }
    let message = service.get("/api/v1/indicators/registry/trendy").await.refused(404);
    assert!(message.contains("trend, momentum"), "{message}");
    service.get("/api/v1/indicators/registry/%ff").await.refused(404);
}

#[tokio::test]
async fn a_clear_ends_what_every_process_keeps() {
    let redis = RedisServer::start().await;
    let start = async || {
        Service::of(|command| {
            command.arg("--bars").arg(sample()).env("REDIS_URL", redis.url());
            command.env("MYSTOCKS_TOKENS", format!("ops {} admin", digest("the admin")));
        })
        .await
    };
    let (one, other) = (start().await, start().await);
    let auth = [("authorization", "Bearer the admin"), ("content-type", "application/json")];
    let cached = async |service: &Service| {
        let body = averages().to_string();
        let answer = service.ask("POST", CALCULATE, &auth, body.as_bytes()).await;
        answer.json()["data"]["cached"].clone()
    };
    let clear = async |query: &str| {
        let answer = one.ask("POST", &format!("{CLEAR}{query}"), &auth, b"").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["data"].clone()
    };
    assert_eq!([cached(&one).await, cached(&one).await, cached(&other).await], [false, true, true]);
    assert_eq!(clear("").await, json!({"cleared_count": null, "pattern": null, "shared": "applied"}));
    assert_eq!([cached(&one).await, cached(&one).await], [false, true]);
    // The other one is told: what it kept is ended, and it reads what is there now.
    assert_eq!(cached(&other).await, true);
    // Of other symbols nothing is ended.
    assert_eq!(
        clear("?pattern=MSFT").await,
        json!({"cleared_count": 0, "pattern": "MSFT", "shared": "applied"})
    );
    assert_eq!(cached(&one).await, true);
    let removed = clear("?pattern=AAP").await;
    assert!(removed["cleared_count"].as_u64().unwrap() >= 1, "{removed}");
    assert_eq!(cached(&one).await, false);
    assert_eq!(one.ask("POST", &format!("{CLEAR}?pattern=%2A"), &auth, b"").await.fields(), ["pattern"]);
    let stats = one.ask("GET", STATS, &auth, b"").await.json()["data"].clone();
    let answers = &stats["answers"];
    let hits: u64 = ["result_l1", "bars_l1", "result_l2", "bars_l2"]
        .iter()
        .map(|way| answers[way].as_u64().unwrap())
        .sum();
    assert_eq!((hits, answers["source"].as_u64().unwrap()), (3, 3), "{stats}");
    assert_eq!((&stats["hit_rate"], &stats["ttl"]), (&json!(0.5), &json!(3_600)));
}
