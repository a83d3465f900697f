//! `mystocks cache`: the cache that services and Python share.

mod entry;
mod warm;

use std::process::ExitCode;

use anyhow::Result;
use mystocks_cache::{KeyCount, NamespaceStats};
use serde_json::json;

use crate::cli::{Cache, Format};
use crate::platform::Platform;
use crate::say;

/// Counts, reads, removes or fills.
pub(crate) async fn run(arguments: &Cache) -> Result<ExitCode> {
    Platform::with("cache", async |platform| match arguments {
        Cache::Stats(format) => stats(platform, *format).await,
        Cache::Get { key, format } => entry::get(platform, key, *format).await,
        Cache::Invalidate { what, format } => entry::invalidate(platform, what, *format).await,
        Cache::Warm(arguments) => warm::run(platform, arguments).await,
    })
    .await
}

async fn stats(platform: &Platform, format: Format) -> Result<ExitCode> {
    let NamespaceStats { lookups, services, keys, .. } = platform.shared_cache()?.namespace_stats().await?;
    let (count, is_exact) = match keys {
        KeyCount::Exact(count) => (count, true),
        KeyCount::AtLeast(count) => (count, false),
    };
    let prefix = &platform.keyspace.prefixes().cache;
    let machine = json!({
        "prefix": prefix,
        "keys": count,
        "keys_are_exact": is_exact,
        "services": services,
        "hits": lookups.hits,
        "misses": lookups.misses,
        "rejected": lookups.rejected,
        "hit_rate": lookups.hit_rate(),
    });
    say::answer(format.json, &machine, || {
        let least = if is_exact { "" } else { "at least " };
        let keys = say::count(count, "key", "keys");
        let told = match lookups.hit_rate() {
            None => "no service has told of its lookups in the last hour".to_owned(),
            Some(rate) => {
                let (hits, misses, rejected) = (lookups.hits, lookups.misses, lookups.rejected);
                let services = say::count(services, "service", "services");
                let rate = rate * 100.0;
                format!(
                    "{services} in the last hour: {rate:.1} % hits, {hits} of {}; {rejected} entries could not be used",
                    hits.saturating_add(misses)
                )
            }
        };
        format!("{least}{keys} under {prefix}\n{told}")
    })?;
    Ok(ExitCode::SUCCESS)
}
