//! A password shows in nothing that is printed.

use std::error::Error as _;

use mystocks_config::{Error, Loader, RedisSettings};
use proptest::prelude::{ProptestConfig, prop_assert, prop_oneof, proptest};

// Without a character that a URL or a `.env` treats specially, so that every malformed case can hold it whole.
const PASSWORD: &str = "Zq9hunter2xW";

fn printed(error: &Error) -> String {
    let mut text = format!("{error}\n{error:?}\n{error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!("\n{cause}\n{cause:?}");
        source = cause.source();
    }
    for problem in error.problems() {
        text += &format!("\n{problem}\n{}", problem.expected());
    }
    text
}

#[test]
fn settings_and_loader_show_no_password() {
    let url = format!("redis://user:{PASSWORD}@h:1/2");
    let variables = [
        ("REDIS_URL", url.as_str()),
        ("REDIS_PASSWORD", PASSWORD),
        ("CELERY_BROKER_URL", url.as_str()),
        ("CELERY_RESULT_BACKEND", url.as_str()),
    ];
    let loader = Loader::new().environment(variables);
    let settings = loader.load().unwrap();
    assert_eq!(settings.redis.password.as_ref().unwrap().expose(), PASSWORD);
    assert_eq!(settings.redis.display_url(), "redis://user:***@h:1/2");
    let password = settings.redis.password.as_ref().unwrap();
    let text = format!("{loader:?} {settings:?} {settings:#?} {password} {password:?}");
    assert!(!text.contains(PASSWORD), "{text}");
    assert!(text.contains("password: Some(***)"), "{text}");
}

#[test]
fn malformed_urls_show_no_password() {
    let forms = [
        "redis://user:§@",
        "redis://:§",
        "redis://user:§",
        "redis://§:x",
        "redis://:§@h:x",
        "redis://:§@h/x",
        "redis://:§%zz@h",
        "redis://:§@h?x",
        "redis://:§@h#",
        "redis://:§#@h",
        "redis://:1/§@h",
        "redis://h/§",
        "redis://h/§@h",
        "redis://u:1/§",
        "redis://u:1?§@h",
        "redis://u:§/@h/x",
        "redis://u:1#§@h",
        "redis://h?password=§&x",
        "redis://h?db=§",
        "redis://h?§=1",
        "redis://u:a@§@h:x",
        "redis+unix://:§@/",
        "redis+unix://:§@x/run",
        "redis+unix:///run/§%",
        "http://:§@h",
        "§",
        "://§",
        "redis:§",
        "redis//:§@h",
        "rediss://[§]",
        "rediss://[::1]§",
        "rediss://[§",
        "redis://:§ h",
    ];
    for form in forms {
        let url = form.replace('§', PASSWORD);
        let from_url = printed(&RedisSettings::from_url(&url).unwrap_err());
        assert!(!from_url.contains(PASSWORD), "{form}: {from_url}");
        let loader = Loader::new().environment([("REDIS_URL", &url)]);
        let loaded = printed(&loader.load().unwrap_err());
        assert!(!loaded.contains(PASSWORD), "{form}: {loaded}");
    }
}

#[test]
fn malformed_files_show_no_password() {
    let dotenv = [
        "REDIS_PASSWORD=\"§",
        "REDIS_PASSWORD='§' §",
        "REDIS_PASSWORD: §",
        "REDIS_PASSWORD §",
        "REDIS_PASSWORD=§${§",
        "REDIS_PASSWORD=§${§}",
        "REDIS_PASSWORD=§${",
        "REDIS_PASSWORD=${REDIS_PASSWORD}§",
        "REDIS_PASWORD=§",
        "REDIS_PORT=§",
        "REDIS_HOST=:§",
        "REDIS_DB=§",
        "REDIS_CACHE_TTL=§",
        "REDIS_ENABLE_LOCK=§",
        "REDIS_CACHE_PREFIX={§}",
        "REDIS_URL=redis://:§${§}@h",
        "REDIS_URL=redis://:${REDIS_PASSWORD}@h:x\nREDIS_PASSWORD=§",
        "REDIS_PASSWORD=A${§}\nREDIS_URL=redis://:${REDIS_PASSWORD}@h",
        "CELERY_BROKER_URL=redis://:§${@h",
        "\"§\"=1",
        "REDIS_PASSWORD=§\u{7}",
        "REDIS_PASSWORD=§\0",
    ];
    let toml = [
        "REDIS_PASSWORD = §",
        "REDIS_PASSWORD = \"§",
        "REDIS_PASSWORD = \"§\" x",
        "REDIS_PASSWORD = \"§\"\nREDIS_PASSWORD = \"§\"",
        "REDIS_PASSWORD = [\"§\"]",
        "REDIS_PASSWORD = { a = \"§\" }",
        "REDIS_PASSWORD = \"\\§\"",
        "REDIS_PASWORD = \"§\"",
        "REDIS_PORT = \"§\"",
        "= §",
    ];
    let files = dotenv.map(|text| (".env", text)).into_iter();
    for (file, form) in files.chain(toml.map(|text| ("mystocks.toml", text))) {
        let folder = tempfile::tempdir().unwrap();
        let text = form.replace('§', PASSWORD);
        std::fs::write(folder.path().join(file), &text).unwrap();
        let error = Loader::in_folder(folder.path()).load().unwrap_err();
        let printed = printed(&error);
        assert!(!printed.contains(PASSWORD), "{form}: {printed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_url_error_shows_any_piece_of_the_password(
        scheme in prop_oneof!["redis", "rediss", "redis\\+unix", "unix", "http"],
        user in "[a-z@:/]{0,3}",
        junk in "[/:@?#%&= \\[\\]0-9a-f]{0,4}",
        tail in "(@[a-z]{1,3})?(:[0-9x]{1,3})?(/[0-9x]{1,2})?(\\?[a-z]{1,2}=?)?",
    ) {
        let url = format!("{scheme}://{user}:Zq9hun{junk}ter2xW{tail}");
        if let Err(error) = RedisSettings::from_url(&url) {
            let text = printed(&error);
            prop_assert!(!text.contains("Zq9") && !text.contains("2xW"), "{url}: {text}");
        }
    }
}
