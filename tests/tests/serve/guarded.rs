//! Who is answered, and how often.

use std::process::Stdio;
use std::time::Duration;

use mystocks_testkit::RedisServer;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::service::{CALCULATE, CLEAR, REGISTRY, STATS, Service, alone, averages, command, sample};

/// Returns what a line of credentials says of `token`.
pub(crate) fn digest(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lines() -> String {
    format!("# two\ndash {} read\nops {} admin\n", digest("reader-secret"), digest("admin-secret"))
}

const READER: (&str, &str) = ("authorization", "Bearer reader-secret");
const ADMIN: (&str, &str) = ("authorization", "Bearer admin-secret");

async fn guarded(redis: Option<&str>, arguments: &[&str]) -> Service {
    Service::of(|command| {
        command.arg("--bars").arg(sample()).args(arguments).env("MYSTOCKS_TOKENS", lines());
        if let Some(url) = redis {
            command.env("REDIS_URL", url);
        }
    })
    .await
}

#[tokio::test]
async fn a_token_is_asked_for_and_gives_its_rights_alone() {
    let service = guarded(None, &[]).await;
    // The first ones that Redis would be asked about: that it is given up is logged, with the key.
    for _ in 0..10 {
        service.ask("GET", &format!("{REGISTRY}/path-secret"), &[READER], b"").await.refused(404);
    }
    let body = averages().to_string();
    let json = ("content-type", "application/json");
    let wrong = [
        None,
        Some("Bearer reader-secre"),
        Some("Bearer reader-secret2"),
        Some("Basic reader-secret"),
        Some("Bearer"),
        Some("reader-secret"),
    ];
    for (method, path) in [
        ("POST", CALCULATE),
        ("GET", REGISTRY),
        ("GET", STATS),
        ("POST", CLEAR),
        ("GET", "/metrics"),
        ("GET", "/nowhere"),
    ] {
        for value in wrong {
            let header = value.map(|value| ("authorization", value));
            let headers: Vec<_> = header.into_iter().chain([json]).collect();
            let answer = service.ask(method, path, &headers, body.as_bytes()).await;
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {path} {value:?}");
            answer.refused(401);
        }
    }
    for path in ["/health/live", "/health/ready", "/openapi.json"] {
        assert_eq!(service.get(path).await.status, 200, "{path}");
    }
    for (who, status) in [(READER, 403), (ADMIN, 200)] {
        assert_eq!(service.ask("POST", CALCULATE, &[who, json], body.as_bytes()).await.status, 200);
        assert_eq!(service.ask("GET", REGISTRY, &[who], b"").await.status, 200);
        assert_eq!(service.ask("GET", "/nowhere", &[who], b"").await.status, 404);
        let answer = service.ask("POST", CLEAR, &[who], b"").await;
        assert_eq!(answer.status, status);
        if status == 403 {
            assert!(answer.refused(403).contains("right admin"));
        }
    }
    // Who has no token does not get what was stored for those who have one.
    service.get(REGISTRY).await.refused(401);
    let turned = |reason| format!("mystocks_http_turned_away_total{{reason=\"{reason}\"}}");
    assert_eq!(service.metric(&turned("unknown_token"), &[READER]).await, 37.0);
    assert_eq!(service.metric(&turned("right"), &[READER]).await, 1.0);
    // Neither tokens, nor their digests, nor queries are logged.
    service.ask("GET", &format!("{REGISTRY}?token=query-secret"), &[READER], b"").await;
    let log = service.log();
    assert!(
        log.contains("route=\"/api/v1/indicators/registry\"") && log.contains("client=\"dash\""),
        "{log}"
    );
    for secret in [
        "reader-secre",
        "admin-secret",
        "query-secret",
        "path-secret",
        &digest("reader-secret"),
        &digest("admin-secret"),
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[tokio::test]
async fn without_credentials_only_this_machine_is_answered_and_nothing_is_ended() {
    let service = alone(&[]).await;
    assert!(service.ask("POST", CLEAR, &[], b"").await.refused(403).contains("--tokens-file"));
    service.calculate(&averages()).await;
    for host in ["evil.example", "evil.example:8020", "localhost.evil.example"] {
        let answer = service.ask("GET", REGISTRY, &[("host", host)], b"").await;
        assert!(answer.refused(403).contains("without credentials"), "{host}");
    }
    assert_eq!(service.ask("GET", REGISTRY, &[("host", "127.0.0.1:1")], b"").await.status, 200);
}

async fn refused(arguments: &[&str], tokens: Option<&str>) -> String {
    let folder = tempfile::TempDir::new().unwrap();
    let mut command = command(folder.path());
    command.arg("--bars").arg(sample()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(tokens) = tokens {
        command.env("MYSTOCKS_TOKENS", tokens);
    }
    let ended = timeout(Duration::from_secs(60), command.output()).await.expect("it ends").unwrap();
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(1), 0), "{ended:?}");
    let error = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.starts_with("mystocks: failed to "), "{error}");
    error
}

#[tokio::test]
async fn an_address_that_others_reach_takes_credentials() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let error = refused(&["--listen", listen], None).await;
        for text in ["no credentials are configured", "--tokens-file", "MYSTOCKS_TOKENS", "127.0.0.1"] {
            assert!(error.contains(text), "{text} in {error}");
        }
    }
    // With them it listens.
    let service = Service::listening("0.0.0.0:0", |command| {
        command.arg("--bars").arg(sample()).env("MYSTOCKS_TOKENS", lines());
    })
    .await;
    assert!(service.address.ip().is_unspecified());
    let here = std::net::SocketAddr::from(([127, 0, 0, 1], service.address.port()));
    let asked = crate::client::request("GET", REGISTRY, &[READER, ("host", "mystocks.example")], b"");
    assert_eq!(crate::client::send(here, &asked).await.status, 200);
}

#[tokio::test]
async fn credentials_that_cannot_be_right_end_the_start_and_are_not_repeated() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "dash hunter2 read\n").unwrap();
    let path = file.to_str().unwrap();
    let error = refused(&["--tokens-file", path], None).await;
    assert!(error.contains(path) && error.contains("line 1") && error.contains("sha256sum"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    std::fs::write(&file, "# nobody\n").unwrap();
    assert!(refused(&["--tokens-file", path], None).await.contains("there are none"));
    assert!(refused(&["--tokens-file", "absent"], None).await.contains("absent"));
    assert!(refused(&[], Some("dash")).await.contains("MYSTOCKS_TOKENS"));
}

#[tokio::test]
async fn the_rate_is_one_for_all_processes() {
    let redis = RedisServer::start().await;
    // One in a minute comes back, so nothing does during the test.
    let limits = ["--rate", "1", "--burst", "60"];
    let (one, other) =
        (guarded(Some(&redis.url()), &limits).await, guarded(Some(&redis.url()), &limits).await);
    let mut statuses = Vec::new();
    for at in 0..200 {
        let service = if at % 2 == 0 { &one } else { &other };
        let answer = service.ask("GET", STATS, &[READER], b"").await;
        if answer.status == 429 {
            let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=2).contains(&seconds), "{seconds}");
            answer.refused(429);
            break;
        }
        statuses.push(answer.status);
    }
    // Those that came back while it ran are allowed for.
    assert!((60..=120).contains(&statuses.len()), "{} were answered", statuses.len());
    assert!(statuses.iter().all(|status| *status == 200));
    // Somebody else has a rate of his own; who has no token is counted by address; probes are not counted.
    assert_eq!(one.ask("GET", STATS, &[ADMIN], b"").await.status, 200);
    assert_eq!(one.get("/health/live").await.status, 200);
    one.get(STATS).await.refused(401);
    assert_eq!(one.metric("mystocks_http_local_rates_total", &[ADMIN]).await, 0.0);
}

#[tokio::test]
async fn without_redis_each_process_counts_for_itself() {
    let service = guarded(None, &["--rate", "1", "--burst", "5"]).await;
    let mut answered = 0;
    while service.ask("GET", STATS, &[READER], b"").await.status == 200 {
        answered += 1;
        assert!(answered < 60, "there is no limit");
    }
    assert!(answered >= 5, "{answered}");
    assert!(service.metric("mystocks_http_local_rates_total", &[ADMIN]).await >= 6.0);
    // Whoever tries tokens is counted too.
    let mut tried = 0;
    while service.ask("GET", STATS, &[("authorization", "Bearer guess")], b"").await.status == 401 {
        tried += 1;
        assert!(tried < 60, "one may guess for ever");
    }
}
