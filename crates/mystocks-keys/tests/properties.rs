//! Promises about every name at once.

use std::collections::HashMap;

use mystocks_keys::{ChannelName, Json, Keyspace};
use proptest::prelude::*;

fn wild() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9:.{}*?\\[\\]\\\\\n\u{7f}价 ]{0,12}", "[a-z]{1,8}(:[a-z]{1,4}){0,2}", any::<String>()]
}

fn clean(name: &str) -> bool {
    !name.chars().any(|c| "{}*?[]\\".contains(c) || c.is_control())
        && name.split(':').all(|segment| !segment.is_empty())
        && name.len() <= 512
}

proptest! {
    #[test]
    fn a_name_is_clean_or_refused(a in wild(), b in wild()) {
        let keys = Keyspace::default();
        let params = Json::from(a.clone());
        let made = [
            keys.entry(&a), keys.indicator(&a, &b, &params), keys.api(&a, &params), keys.own(&a, &[&b], None),
            keys.own("c", &[&a, &b], Some(&params)), keys.lock(&a), keys.lock_indicator(&a, &b, &params),
            keys.lock_task(&a), keys.lock_resource(&a, &b), keys.session(&a), keys.session_user(&a),
        ];
        for key in made.into_iter().flatten() {
            prop_assert!(clean(key.as_str()), "{key}");
            for sidecar in [key.lease(), key.fence(), key.queue()] {
                let inside = sidecar.as_str().strip_prefix('{').and_then(|rest| rest.split_once('}'));
                prop_assert_eq!(inside.map(|(inside, _)| inside), Some(key.as_str()));
            }
        }
        for name in [ChannelName::Task(&a), ChannelName::MarketOf(&a)] {
            if let Ok(channel) = keys.channel(name) {
                prop_assert!(clean(channel.as_str()), "{channel}");
            }
        }
    }

    #[test]
    fn an_entry_is_never_foreign(key in wild(), reach in "(lock|session|own|indicator|l)?:?") {
        let keys = Keyspace::default();
        if let Ok(entry) = keys.entry(&format!("{reach}{key}")) {
            prop_assert!(!keys.is_foreign(entry.as_str()), "{entry}");
            prop_assert!(!entry.as_str().starts_with("mystocks:own:"), "{entry}");
        }
    }

    #[test]
    fn a_pattern_matches_only_under_the_literal_prefix(
        glob in "[a-c*?\\[\\]\\\\:^-]{0,8}",
        key in "(mystocks:|mystock|yourstocks:|)[a-c:*?\\[\\]\\\\]{0,6}",
    ) {
        let keys = Keyspace::default();
        if let Ok(pattern) = keys.pattern(&glob) {
            let matches = matches(pattern.as_str().as_bytes(), key.as_bytes());
            prop_assert!(!matches || key.starts_with("mystocks:"), "{pattern} matches {key}");
            // The prefix takes nothing from the user's glob.
            if let Some(rest) = key.strip_prefix("mystocks:") {
                prop_assert_eq!(matches, self::matches(glob.as_bytes(), rest.as_bytes()));
            }
        }
    }
}

/// Redis' own matching (`stringmatchlen` in its util.c), without ranges' reversal and case.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| matches(rest, &text[at..])),
        ([b'[', class @ ..], [c, text @ ..]) => {
            let (found, rest) = class_holds(class, *c);
            found && matches(rest, text)
        }
        ([b'?', rest @ ..], [_, text @ ..]) => matches(rest, text),
        ([b'\\', literal, rest @ ..], [c, text @ ..]) | ([literal, rest @ ..], [c, text @ ..]) => {
            literal == c && matches(rest, text)
        }
        _ => false,
    }
}

fn class_holds(class: &[u8], c: u8) -> (bool, &[u8]) {
    let (negated, mut class) = match class {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    loop {
        let (low, high, rest) = match class {
            [] => return (found != negated, class),
            [b']', rest @ ..] => return (found != negated, rest),
            [b'\\', literal, rest @ ..] => (*literal, *literal, rest),
            [low, b'-', high, rest @ ..] => (*low.min(high), *low.max(high), rest),
            [literal, rest @ ..] => (*literal, *literal, rest),
        };
        found |= (low..=high).contains(&c);
        class = rest;
    }
}

#[test]
fn different_things_never_share_an_own_key() {
    let keys = Keyspace::default();
    let mut texts = vec![String::new()];
    for length in 0..3 {
        let longer: Vec<String> = texts
            .iter()
            .filter(|text| text.len() == length)
            .flat_map(|text| ["a", "b", ":"].map(|letter| format!("{text}{letter}")))
            .collect();
        texts.extend(longer);
    }
    texts.push("99914b932bd37a50b983c5e7c90ae93b".to_owned());
    let mut params: Vec<Option<Json>> =
        [r#"{"n": 5}"#, r#"{"n": 5.0}"#, r#"{"n": "5"}"#, r#"{"n": 5, "m": 5}"#, "{}", "[]"]
            .map(|text| Some(Json::parse(text.as_bytes()).unwrap()))
            .into();
    params.push(None);
    // The digest of `{}` as a part: it must not pass for the parameters `{}`.
    let own = keys.own("c", &["a"], params[4].as_ref()).unwrap();
    texts.push(own.as_str().rsplit(':').next().unwrap().to_owned());

    let mut seen: HashMap<String, String> = HashMap::new();
    for stock in &texts {
        for indicator in &texts {
            for params in &params {
                let lists: [(&str, Vec<&str>); 3] =
                    [("a", vec![stock, indicator]), (stock, vec![indicator]), (stock, vec![indicator, "a"])];
                for (cache, parts) in lists {
                    let told = format!("{cache:?} {parts:?} {:?}", params.as_ref().map(Json::dumps_sorted));
                    if let Ok(key) = keys.own(cache, &parts, params.as_ref()) {
                        let other = seen.insert(key.into(), told.clone()).unwrap_or(told.clone());
                        assert_eq!(other, told, "two things under one key");
                    }
                }
            }
        }
    }
    assert!(seen.len() > 1_000, "{}", seen.len());
}
