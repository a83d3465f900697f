//! Which source wins, and what each source accepts.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use mystocks_config::{Endpoint, Loader, Secret, Settings};
use tempfile::TempDir;

#[expect(clippy::unwrap_used, reason = "a function of tests that is no test itself")]
fn load(toml: &str, dotenv: &str, environment: &[(&str, &str)]) -> Settings {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("mystocks.toml"), toml).unwrap();
    std::fs::write(folder.path().join(".env"), dotenv).unwrap();
    let variables = environment.iter().copied();
    Loader::in_folder(folder.path()).environment(variables).load().unwrap()
}

fn tcp(host: &str, port: u16, tls: bool) -> Endpoint {
    let host = host.to_string();
    Endpoint::Tcp { host, port, tls }
}

#[test]
fn a_later_source_wins_key_by_key() {
    let toml = "REDIS_HOST = \"toml\"\nREDIS_PORT = 1001\nREDIS_DB = 11\nredis_cache_ttl = 7\n";
    let dotenv = "REDIS_HOST=dotenv\nREDIS_PORT=1002\n";
    let redis = load(toml, dotenv, &[("REDIS_HOST", "environment")]).redis;
    assert_eq!(redis.endpoint, tcp("environment", 1002, false));
    assert_eq!(redis.database, 11);
    assert_eq!(load(toml, dotenv, &[]).cache.ttl, Duration::from_secs(7));
}

#[test]
fn every_key_reaches_its_setting() {
    let dotenv = "
REDIS_HOST=h
REDIS_PORT=1
REDIS_PASSWORD=p
REDIS_DB=2
REDIS_MAX_CONNECTIONS=3
REDIS_SOCKET_TIMEOUT=500ms
REDIS_SOCKET_CONNECT_TIMEOUT=0.3
REDIS_DECODE_RESPONSES=off
REDIS_CACHE_TTL=6m
REDIS_CACHE_PREFIX=c:
REDIS_ENABLE_CACHE=No
REDIS_PUBSUB_CHANNEL_PREFIX=b:
REDIS_ENABLE_PUBSUB=0
REDIS_LOCK_PREFIX=l:
REDIS_LOCK_DEFAULT_TIMEOUT=7 s
REDIS_ENABLE_LOCK=FALSE
REDIS_SESSION_PREFIX=s:
REDIS_SESSION_TTL=1.5d
CELERY_BROKER_URL=redis://${REDIS_HOST}:${REDIS_PORT}/8
CELERY_RESULT_BACKEND=rpc://
REDIS_FIXATION_INTERVAL_SECONDS=9h
";
    let mut wanted = Settings::default();
    wanted.redis.endpoint = tcp("h", 1, false);
    wanted.redis.password = Some(Secret::from("p"));
    wanted.redis.database = 2;
    wanted.redis.max_connections = 3;
    wanted.redis.socket_timeout = Duration::from_millis(500);
    wanted.redis.connect_timeout = Duration::from_millis(300);
    wanted.redis.decode_responses = false;
    wanted.cache.ttl = Duration::from_secs(360);
    wanted.cache.prefix = "c:".into();
    wanted.cache.enabled = false;
    wanted.bus.channel_prefix = "b:".into();
    wanted.bus.enabled = false;
    wanted.lock.prefix = "l:".into();
    wanted.lock.default_timeout = Duration::from_secs(7);
    wanted.lock.enabled = false;
    wanted.session.prefix = "s:".into();
    wanted.session.ttl = Duration::from_secs(129_600);
    wanted.other_programs.celery_broker_url = Some(Secret::from("redis://h:1/8"));
    wanted.other_programs.celery_result_backend = Some(Secret::from("rpc://"));
    wanted.fixation.interval = Duration::from_secs(32_400);
    assert_eq!(load("", dotenv, &[]), wanted);
}

#[test]
fn the_redis_form_of_a_switch_wins_over_its_alias_and_the_alias_over_the_default() {
    let enabled = |dotenv: &str, environment: &[(&str, &str)]| {
        let settings = load("", dotenv, environment);
        (settings.cache.enabled, settings.bus.enabled, settings.lock.enabled)
    };
    let all_off = "ENABLE_CACHE=false\nENABLE_PUBSUB=false\nenable_lock=false\n";
    assert_eq!(enabled(all_off, &[]), (false, false, false));
    let all_on = "REDIS_ENABLE_CACHE=true\nREDIS_ENABLE_PUBSUB=true\nREDIS_ENABLE_LOCK=true\n";
    let environment = [("ENABLE_CACHE", "false"), ("ENABLE_PUBSUB", "false"), ("ENABLE_LOCK", "false")];
    assert_eq!(enabled(all_on, &environment), (true, true, true));
}

#[test]
fn the_environment_may_be_lower_case_and_carry_comments() {
    let variables = [("REDIS_HOST", "upper"), ("redis_host", "lower"), ("redis_db", " 4  # four")];
    let redis = load("", "", &variables).redis;
    assert_eq!(redis.endpoint, tcp("upper", 6379, false));
    assert_eq!(redis.database, 4);
}

#[test]
fn a_password_of_the_environment_is_taken_as_it_is() {
    for password in ["a #b ", "${HOME}", "$${x", "'q'", "\"", "$$$${"] {
        let redis = load("", "", &[("REDIS_PASSWORD", password)]).redis;
        assert_eq!(redis.password, Some(Secret::from(password)), "{password}");
    }
}

#[test]
fn an_empty_value_takes_back_what_an_earlier_source_gave() {
    let dotenv = "REDIS_PASSWORD=p\nREDIS_URL=redis://elsewhere:1/2\nREDIS_APP_CACHE_DB=5\n";
    let variables = [("REDIS_PASSWORD", ""), ("REDIS_URL", ""), ("REDIS_APP_CACHE_DB", "")];
    assert_eq!(load("", dotenv, &variables), Settings::default());
}

#[test]
fn other_programs_variables_are_left_alone() {
    let dotenv = "DATABASE_URL=postgres://x\nSECRET=1\nredisx=2\nREDIS_SERVER_BIN=/usr/bin/redis-server\n";
    let kubernetes = [
        ("PATH", "/bin"),
        ("REDIS_SERVER_BIN", "/usr/bin/redis-server"),
        ("REDIS_SERVICE_HOST", "10.0.0.1"),
        ("REDIS_SERVICE_PORT", "6379"),
        ("REDIS_SERVICE_PORT_REDIS", "6379"),
        ("REDIS_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
        ("REDIS_PORT_6379_TCP_ADDR", "10.0.0.1"),
        ("REDIS_MASTER_PORT", "tcp://10.0.0.1:6379"),
    ];
    assert_eq!(load("", dotenv, &kubernetes), Settings::default());
}

#[cfg(unix)]
#[test]
fn variables_that_are_not_utf8_matter_only_when_they_are_ours() {
    use std::os::unix::ffi::OsStringExt;
    let bad = OsString::from_vec(vec![0xff]);
    let other = [(OsString::from("OTHER"), bad.clone()), (bad.clone(), bad.clone())];
    let settings = Loader::new().environment(other).load().unwrap();
    assert_eq!(settings, Settings::default());
    let ours = [(OsString::from("REDIS_HOST"), bad)];
    let error = Loader::new().environment(ours).load().unwrap_err();
    let text = "load settings: REDIS_HOST in the environment: invalid value, expected UTF-8 text";
    assert_eq!(error.to_string(), text);
}

#[test]
fn files_may_begin_with_a_byte_order_mark_and_end_lines_in_crlf() {
    let toml = "\u{feff}REDIS_DB = 3\r\nREDIS_PORT = 4\r\n";
    let settings = load(toml, "\u{feff}REDIS_PORT=5\r\nENABLE_LOCK=off\r\n", &[]);
    assert_eq!(settings.redis.display_url(), "redis://localhost:5/3");
    assert!(!settings.lock.enabled);
}

#[test]
fn a_named_file_must_be_there() {
    let folder = TempDir::new().unwrap();
    let path: PathBuf = folder.path().join("prod.env");
    for loader in [Loader::new().dotenv_file(&path), Loader::new().toml_file(&path)] {
        let text = loader.load().unwrap_err().to_string();
        assert!(text.contains(&path.display().to_string()), "{text}");
        assert!(text.contains("expected a readable file"), "{text}");
    }
}
