//! What `REDIS_URL` means together with the parts.

use std::path::PathBuf;

use mystocks_config::{Endpoint, Loader, RedisSettings, Secret};

#[expect(clippy::unwrap_used, reason = "a function of tests that is no test itself")]
fn redis(variables: &[(&str, &str)]) -> RedisSettings {
    let variables = variables.iter().copied();
    Loader::new().environment(variables).load().unwrap().redis
}

fn check(variables: &[(&str, &str)], wanted: &str) {
    assert_eq!(redis(variables).display_url(), wanted, "{variables:?}");
}

#[test]
fn the_url_wins_for_what_it_spells_out() {
    let host = ("REDIS_HOST", "part");
    let port = ("REDIS_PORT", "7000");
    let db = ("REDIS_DB", "7");
    check(&[host, port, db], "redis://part:7000/7");
    let url = |url| ("REDIS_URL", url);
    check(&[host, port, db, url("redis://url:1/2")], "redis://url:1/2");
    check(&[host, port, db, url("redis://url")], "redis://url:7000/7");
    check(&[host, port, db, url("redis://url/")], "redis://url:7000/7");
    check(&[host, port, db, url("REDISS://url/3")], "rediss://url:7000/3");
    check(&[url("redis://url:1/2?db=3")], "redis://url:1/3");
    check(&[host, port, db, url("unix:///run/r.sock")], "redis+unix:///run/r.sock?db=7");
}

#[test]
fn the_application_database_wins_over_every_other() {
    let app = ("REDIS_APP_CACHE_DB", "9");
    check(&[app], "redis://localhost:6379/9");
    check(&[app, ("REDIS_DB", "2"), ("REDIS_URL", "redis://h:1/3?db=4")], "redis://h:1/9");
    check(&[app, ("REDIS_URL", "redis+unix:///s?db=4")], "redis+unix:///s?db=9");
}

#[test]
fn a_password_the_url_leaves_out_comes_from_its_own_key() {
    let own = ("REDIS_PASSWORD", "own");
    let password = |url| redis(&[own, ("REDIS_URL", url)]).password.unwrap();
    for url in ["redis://h", "redis://user@h", "redis://user:@h", "redis://:@h", "unix:///s"] {
        assert_eq!(password(url), Secret::from("own"), "{url}");
    }
    for url in ["redis://:url@h", "redis://u:url@h", "redis://h?password=url", "unix://:url@/s"] {
        assert_eq!(password(url), Secret::from("url"), "{url}");
    }
}

#[test]
fn user_and_password_are_percent_encoded() {
    let redis = RedisSettings::from_url("redis://a%40b:p%2f%3A%40%25%20%C3%BC@h:1/0").unwrap();
    assert_eq!(redis.username.as_deref(), Some("a@b"));
    assert_eq!(redis.password, Some(Secret::from("p/:@% ü")));
    assert_eq!(redis.display_url(), "redis://a%40b:***@h:1/0");
}

#[test]
fn a_url_alone_has_the_defaults_for_the_rest() {
    let redis = RedisSettings::from_url("redis://h").unwrap();
    let endpoint = Endpoint::Tcp { host: "h".into(), port: 6379, tls: false };
    assert_eq!(redis, RedisSettings { endpoint, ..RedisSettings::default() });
}

#[test]
fn unix_sockets_and_ipv6() {
    let redis = RedisSettings::from_url("redis+unix://u:p@/run/a%20b.sock?db=3").unwrap();
    assert_eq!(redis.endpoint, Endpoint::Unix { path: PathBuf::from("/run/a b.sock") });
    assert_eq!(redis.display_url(), "redis+unix://u:***@/run/a%20b.sock?db=3");
    let redis = RedisSettings::from_url("rediss://[::1]:7/0").unwrap();
    assert_eq!(redis.endpoint, Endpoint::Tcp { host: "::1".into(), port: 7, tls: true });
    assert_eq!(redis.display_url(), "rediss://[::1]:7/0");
    for host in ["::1", "[::1]"] {
        check(&[("REDIS_HOST", host)], "redis://[::1]:6379/1");
    }
}

#[test]
fn values_are_filled_in_from_every_source() {
    let folder = tempfile::tempdir().unwrap();
    let toml = "REDIS_HOST = \"from-toml\"\nREDIS_URL = \"redis://${REDIS_HOST}:${PORT}/${redis_db}\"\n";
    std::fs::write(folder.path().join("mystocks.toml"), toml).unwrap();
    std::fs::write(folder.path().join(".env"), "PORT=${BASE}1\nREDIS_DB=${NONE:-5}\n").unwrap();
    let loader = Loader::in_folder(folder.path()).environment([("BASE", "700")]);
    assert_eq!(loader.load().unwrap().redis.display_url(), "redis://from-toml:7001/5");
}

#[test]
fn a_switch_can_be_an_older_name_in_a_reference_too() {
    let variables = [("CELERY_BROKER_URL", "x?on=${REDIS_ENABLE_CACHE}"), ("ENABLE_CACHE", "off")];
    let settings = Loader::new().environment(variables).load().unwrap();
    let broker = settings.other_programs.celery_broker_url.unwrap();
    assert_eq!(broker.expose(), "x?on=off");
}

#[test]
fn only_the_url_itself_is_left_to_the_parts_when_it_names_nothing_else() {
    let text = "redis://${REDIS_HOST}:${REDIS_PORT}/${REDIS_DB}";
    let with = |name| {
        let parts = [("REDIS_HOST", "h"), ("REDIS_PORT", "7000"), ("REDIS_DB", "3")];
        Loader::new().environment(parts.into_iter().chain([(name, text)])).load()
    };
    let broker = with("CELERY_BROKER_URL").unwrap().other_programs.celery_broker_url;
    assert_eq!(broker, Some(Secret::from("redis://h:7000/3")));
    let backend = with("CELERY_RESULT_BACKEND").unwrap().other_programs.celery_result_backend;
    assert_eq!(backend, Some(Secret::from("redis://h:7000/3")));
    // A password is never filled in.
    assert_eq!(with("REDIS_PASSWORD").unwrap().redis.password, Some(Secret::from(text)));
    assert_eq!(with("REDIS_URL").unwrap().redis.display_url(), "redis://h:7000/3");

    // A host would be filled in with itself.
    let error = Loader::new().environment([("REDIS_HOST", text)]).load().unwrap_err();
    assert!(error.problems().any(|problem| problem.key() == Some("REDIS_HOST")), "{error}");
}
