//! The OpenAPI document says what is answered, all of it and nothing else.

mod schema;

use mystocks_testkit::RedisServer;
use serde_json::{Value, json};

use self::schema::Document;
use crate::client::{Answer, send};
use crate::guarded::digest;
use crate::service::{CALCULATE, CLEAR, REGISTRY, STATS, Service, averages, sample};

const ADMIN: (&str, &str) = ("authorization", "Bearer admin-secret");
const JSON: (&str, &str) = ("content-type", "application/json");

/// Holds `answer` against what the document says of `method` and `path`.
fn hold(document: &mut Document, method: &str, path: &str, answer: &Answer) {
    let status = answer.status.to_string();
    let at = format!("/paths/{}/{}/responses/{status}", path.replace('/', "~1"), method.to_lowercase());
    let place =
        document.resolve(&at).unwrap_or_else(|| panic!("{method} {path} answers {status}: {answer:?}"));
    let content = format!("{place}/content/application~1json/schema");
    match document.at(&content) {
        Some(_) => document.hold(&content, &answer.json(), path),
        None => assert!(
            document
                .at(&format!("{place}/content"))
                .is_none_or(|content| content.get("text/plain").is_some())
        ),
    }
}

async fn guarded(redis: &str, arguments: &[&str]) -> Service {
    Service::of(|command| {
        command.arg("--bars").arg(sample()).args(arguments).env("REDIS_URL", redis);
        command.env(
            "MYSTOCKS_TOKENS",
            format!("ops {} admin; dash {} read", digest("admin-secret"), digest("reader")),
        );
    })
    .await
}

#[tokio::test]
async fn every_answer_is_in_the_document_and_every_field_of_the_document_in_an_answer() {
    let redis = RedisServer::start().await;
    let service = guarded(&redis.url(), &["--body", "4000"]).await;
    let mut document = Document::new(service.get("/openapi.json").await.json());
    let batch = format!("{CALCULATE}/batch");
    let (mut wrong, mut unknown, mut lines) = (averages(), averages(), averages());
    wrong["start_date"] = json!("x");
    unknown["symbol"] = json!("NOBODY");
    lines["indicators"] = json!([{"abbreviation": "RSI"}, {"abbreviation": "SMA"}]);
    let both = json!({"calculations": [averages(), wrong.clone()]});
    let large = vec![b' '; 5_000];
    let bytes = |value: &Value| value.to_string().into_bytes();
    for (method, path, pattern, body, status) in [
        ("POST", CALCULATE, CALCULATE, bytes(&lines), 200),
        ("POST", CALCULATE, CALCULATE, bytes(&wrong), 422),
        ("POST", CALCULATE, CALCULATE, bytes(&unknown), 404),
        ("POST", CALCULATE, CALCULATE, b"{".to_vec(), 400),
        ("POST", CALCULATE, CALCULATE, large, 413),
        ("POST", &batch, &batch, bytes(&both), 200),
        ("POST", &batch, &batch, b"{}".to_vec(), 422),
        ("GET", REGISTRY, REGISTRY, vec![], 200),
        ("GET", "/api/v1/indicators/registry/trend", "/api/v1/indicators/registry/{category}", vec![], 200),
        ("GET", "/api/v1/indicators/registry/x", "/api/v1/indicators/registry/{category}", vec![], 404),
        ("GET", STATS, STATS, vec![], 200),
        ("POST", CLEAR, CLEAR, vec![], 200),
        ("POST", "/api/v1/indicators/cache/clear?pattern=AAPL", CLEAR, vec![], 200),
        ("POST", "/api/v1/indicators/cache/clear?pattern=%00", CLEAR, vec![], 422),
        ("GET", "/health/live", "/health/live", vec![], 200),
        ("GET", "/health/ready", "/health/ready", vec![], 200),
        ("GET", "/metrics", "/metrics", vec![], 200),
        ("GET", "/openapi.json", "/openapi.json", vec![], 200),
    ] {
        let answer = service.ask(method, path, &[ADMIN, JSON], &body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", String::from_utf8_lossy(&answer.body));
        hold(&mut document, method, pattern, &answer);
        if document.needs_token(method, pattern) {
            let answer = service.ask(method, path, &[JSON], &body).await;
            assert_eq!(answer.status, 401);
            hold(&mut document, method, pattern, &answer);
        }
    }
    hold(&mut document, "POST", CALCULATE, &service.ask("POST", CALCULATE, &[ADMIN], b"{}").await);
    let reader = [("authorization", "Bearer reader")];
    hold(&mut document, "POST", CLEAR, &service.ask("POST", CLEAR, &reader, b"").await);
    // Not all of it is told by one answer that succeeds.
    for error in ["/components/schemas/Fault", "/components/schemas/Error"] {
        assert!(document.at(error).is_some());
    }
    let unseen = document.unseen();
    assert!(unseen.is_empty(), "no answer has {unseen:#?}");
}

#[tokio::test]
async fn what_the_document_says_of_requests_is_held() {
    let service = crate::service::alone(&[]).await;
    let document = Document::new(service.get("/openapi.json").await.json());
    let properties = |name: &str| {
        let schema = document.at(&format!("/components/schemas/{name}")).unwrap();
        let required: Vec<String> = serde_json::from_value(schema["required"].clone()).unwrap();
        let all = schema["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        all.into_iter().map(move |name| (required.contains(&name), name)).collect::<Vec<_>>()
    };
    for (is_required, name) in properties("CalculateRequest") {
        let mut wrong = averages();
        wrong[&name] = json!(null);
        let answer = service.post(CALCULATE, &wrong).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![name.clone()]), "it is read");
        wrong.as_object_mut().unwrap().remove(&name);
        let answer = service.post(CALCULATE, &wrong).await;
        assert_eq!(answer.status, if is_required { 422 } else { 200 }, "{name}");
    }
    for (is_required, name) in properties("IndicatorRequest") {
        let mut wrong = averages();
        wrong["indicators"][0][&name] = json!(null);
        let answer = service.post(CALCULATE, &wrong).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![format!("indicators[0].{name}")]));
        wrong["indicators"][0].as_object_mut().unwrap().remove(&name);
        let answer = service.post(CALCULATE, &wrong).await;
        assert_eq!(answer.status, if is_required { 422 } else { 200 }, "{name}");
    }
    // A method that is not there is none.
    for path in document.at("/paths").unwrap().as_object().unwrap().keys() {
        let path = path.replace("{category}", "trend");
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let bytes =
                crate::client::request(method, &path, &[("host", "localhost"), ("content-length", "0")], b"");
            let is_there = send(service.address, &bytes).await.status != 405;
            let pattern = path.replace("registry/trend", "registry/{category}").replace('/', "~1");
            let described = document.at(&format!("/paths/{pattern}/{}", method.to_lowercase())).is_some();
            assert_eq!(is_there, described, "{method} {path}");
        }
    }
}
