//! Settings as people are told of them: each with its place, and without its secrets.

use crate::error::Problem;
use crate::keys::{KEYS, KeyInfo, PASSWORD};
use crate::merged::Merged;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// A setting that can be shown: its key, its value without secrets, and where that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShownSetting {
    /// The key.
    pub key: &'static KeyInfo,
    /// The value with every `${NAME}` filled in, a password in it as `***`; empty means none.
    pub value: String,
    /// Where it stands: `the default`, `line 3 of .env`, `the environment`; with the older name, if it has that.
    pub source: String,
}

/// Returns every setting, in the order of [`KEYS`].
pub(crate) fn all(merged: &Merged, problems: &mut Vec<Problem>) -> Vec<ShownSetting> {
    KEYS.iter()
        .filter_map(|key| {
            let raw = merged.raw(key)?;
            let text = merged.filled(raw).map_err(|problem| problems.push(problem)).ok()?;
            let mut source = merged.place(raw);
            if raw.name() != key.name {
                source.push_str(", as ");
                source.push_str(raw.name());
            }
            Some(ShownSetting { key, value: hidden(key, &text), source })
        })
        .collect()
}

fn hidden(key: &KeyInfo, text: &str) -> String {
    match key.name {
        _ if text.is_empty() => String::new(),
        PASSWORD => HIDDEN.to_owned(),
        "REDIS_URL" | "CELERY_BROKER_URL" | "CELERY_RESULT_BACKEND" => without_password(text),
        _ => text.to_owned(),
    }
}

/// Returns a URL without what may be a password in it: rather too little is shown than a part of one.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return HIDDEN.to_owned() };
    let (before, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
    if query.is_some_and(|query| query.contains('@')) {
        // The end of a password, or a parameter with a mark in it: nobody can tell.
        return format!("{scheme}://{HIDDEN}");
    }
    let mut shown = format!("{scheme}://");
    match before.rsplit_once('@') {
        None => shown.push_str(before),
        Some((login, place)) => {
            let user = login.split_once(':').map_or(login, |(user, _)| user);
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '%' | '+');
            shown.push_str(if user.chars().all(is_plain) { user } else { HIDDEN });
            if login.contains(':') {
                shown.push(':');
                shown.push_str(HIDDEN);
            }
            shown.push('@');
            shown.push_str(place);
        }
    }
    let Some(query) = query else { return shown };
    for (at, pair) in query.split('&').enumerate() {
        shown.push(if at == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                shown.push_str(name);
                shown.push('=');
                shown.push_str(HIDDEN);
            }
            _ => shown.push_str(pair),
        }
    }
    shown
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "pwd", "secret", "token", "key"].iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_password_is_shown() {
        for (url, shown) in [
            ("redis://localhost:6379/2", "redis://localhost:6379/2"),
            ("redis://:sesame@host:6379/2", "redis://:***@host:6379/2"),
            ("amqp://app:sesame@host//", "amqp://app:***@host//"),
            ("redis://app@host/1?db=3&password=sesame", "redis://app@host/1?db=3&password=***"),
            ("redis://:ses@ame@host/1", "redis://:***@host/1"),
            ("redis://:ses/ame@host/1", "redis://:***@host/1"),
            ("redis://:ses?ame@host/1", "redis://***"),
            ("redis://host/1?password=ses@ame", "redis://***"),
            ("amqp://a:sesame@h1;amqp://b:sesame@h2", "amqp://a:***@h2"),
            ("ses/ame@host", "***"),
            ("sesame", "***"),
        ] {
            assert_eq!(without_password(url), shown, "{url}");
        }
    }
}
