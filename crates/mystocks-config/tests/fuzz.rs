//! Arbitrary input never panics, and what is read comes back.

use mystocks_config::{Loader, RedisSettings, Secret};
use proptest::collection;
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use tempfile::TempDir;

type Outcome = Result<mystocks_config::Settings, mystocks_config::Error>;

/// Loads the bytes as a file of the folder, and removes it again.
#[expect(clippy::unwrap_used, reason = "a function of tests that is no test itself")]
fn load(folder: &TempDir, file: &str, bytes: &[u8]) -> Outcome {
    let path = folder.path().join(file);
    std::fs::write(&path, bytes).unwrap();
    let outcome = Loader::in_folder(folder.path()).load();
    std::fs::remove_file(path).unwrap();
    outcome
}

fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) }
}

fn double_quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "$${");
    format!("\"{escaped}\"")
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn any_bytes_are_settings_or_an_error() {
    let folder = TempDir::new().unwrap();
    proptest!(cases(), |(bytes in collection::vec(any::<u8>(), 0..200))| {
        let _ = load(&folder, ".env", &bytes);
        let _ = load(&folder, "mystocks.toml", &bytes);
    });
}

#[test]
fn any_lines_near_the_grammar_are_settings_or_an_error() {
    let folder = TempDir::new().unwrap();
    let near =
        "((export )?(REDIS_(HOST|PORT|URL|DB)|A|é)?[ =\"'#$\\{\\}\\\\\n\r:/@%0-9a-z\u{feff}]{0,12}\n?){0,6}";
    proptest!(cases(), |(text in near)| {
        let _ = load(&folder, ".env", text.as_bytes());
        let _ = load(&folder, "mystocks.toml", text.as_bytes());
        let variables = [("REDIS_URL", &text), ("REDIS_HOST", &text)];
        let _ = Loader::new().environment(variables).load();
    });
}

#[test]
fn any_text_is_a_url_or_an_error() {
    let near = "redis(s|\\+unix)?://[a:@/\\[\\]%?=&#é0-9]{0,16}";
    proptest!(cases(), |(any in ".{0,40}", near in near)| {
        for url in [any, near] {
            if let Ok(redis) = RedisSettings::from_url(&url) {
                // What was understood is shown as a URL that is understood the same way.
                let shown = RedisSettings::from_url(&redis.display_url()).unwrap();
                prop_assert_eq!(shown.endpoint, redis.endpoint);
                prop_assert_eq!(shown.database, redis.database);
                prop_assert_eq!(shown.username, redis.username);
            }
        }
    });
}

#[test]
fn any_password_comes_back() {
    let folder = TempDir::new().unwrap();
    proptest!(cases(), |(password in "[^\0\n\r]{1,40}")| {
        let secret = Some(Secret::from(password.as_str()));
        let text = format!("A=1\nREDIS_PASSWORD={} # x\nB=2", double_quoted(&password));
        let settings = load(&folder, ".env", text.as_bytes()).unwrap();
        prop_assert_eq!(&settings.redis.password, &secret);
        let loader = Loader::new().environment([("REDIS_PASSWORD", &password)]);
        prop_assert_eq!(&loader.load().unwrap().redis.password, &secret);
        let url = format!("redis://:{}@h", percent_encoded(&password));
        prop_assert_eq!(&RedisSettings::from_url(&url).unwrap().password, &secret);
    });
}
