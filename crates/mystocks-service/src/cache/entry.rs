//! One entry, or those that match a pattern.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use mystocks_cache::{ENVELOPE_MAGIC, Json, Lifetime, Store};
use serde_json::{Value, json};

use crate::cli::Format;
use crate::platform::Platform;
use crate::say;

/// Prints an entry as it stands in the store.
pub(super) async fn get(platform: &Platform, key: &str, format: Format) -> Result<ExitCode> {
    let (store, name) = (platform.store(), name(platform, key)?);
    let Some(bytes) = store.get(&[&name]).await?.pop().flatten() else {
        say::answer(format.json, &json!({ "key": name, "found": false }), || {
            format!("there is no entry {name}")
        })?;
        return Ok(ExitCode::FAILURE);
    };
    let left = match store.touch(&name, None).await? {
        Lifetime::Expires(left) => Some(left.as_secs_f64()),
        Lifetime::Absent | Lifetime::Unlimited => None,
    };
    let value = Json::parse(&bytes).ok();
    let form = match (&value, bytes.first()) {
        (Some(_), _) => "JSON",
        (None, Some(&ENVELOPE_MAGIC)) => "an entry of this project's own",
        _ => "no JSON",
    };
    let machine = json!({
        "key": name,
        "found": true,
        "form": form,
        "bytes": bytes.len(),
        "seconds_left": left,
        "value": value.as_ref().and_then(|value| value.to_deserialize::<Value>().ok()),
    });
    say::answer(format.json, &machine, || {
        let left = left.map_or_else(|| "without an end".to_owned(), |left| format!("{left:.1} s left"));
        let head = format!("{name}: {form}, {}, {left}", say::count(bytes.len() as u64, "byte", "bytes"));
        value.map_or_else(|| head.clone(), |value| format!("{head}\n{}", value.dumps()))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Removes an entry, or all that match.
pub(super) async fn invalidate(platform: &Platform, what: &str, format: Format) -> Result<ExitCode> {
    let prefix = &platform.keyspace.prefixes().cache;
    let short = what.strip_prefix(prefix.as_str()).unwrap_or(what);
    let cache = platform.shared_cache()?;
    let removed = if short.contains(['*', '?', '[']) {
        cache.delete_pattern(short).await?
    } else {
        let name = name(platform, what)?;
        platform.store().remove(&[&name]).await?
    };
    say::answer(format.json, &json!({ "what": short, "removed": removed }), || {
        format!("{} removed", say::count(removed, "entry", "entries"))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the whole name of the entry that is meant by `key`, with or without the prefix.
fn name(platform: &Platform, key: &str) -> Result<String> {
    let keyspace = &platform.keyspace;
    let short = key.strip_prefix(keyspace.prefixes().cache.as_str());
    if let Some(short) = short
        && keyspace.entry(short).is_err()
    {
        // One of this project's own, by its whole name.
        ensure!(
            !keyspace.is_foreign(key),
            "use {key}: it is no entry of the cache, but of a lock, a session or the cache's own needs"
        );
        return Ok(key.to_owned());
    }
    Ok(keyspace.entry(short.unwrap_or(key))?.as_str().to_owned())
}
