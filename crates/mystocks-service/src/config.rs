//! `mystocks config show`: what is in force, and since where.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli::Format;
use crate::{platform, say};

/// Prints every setting; one mistake in any source is an error that names all of them.
pub(crate) fn show(format: Format) -> Result<ExitCode> {
    let loader = platform::loader();
    let (settings, shown) = (loader.load()?, loader.show()?);
    // Prefixes that overlap are a mistake too.
    platform::keyspace(&settings)?;
    let redis = settings.redis.display_url();
    let machine = || {
        let all = shown.iter().map(|setting| {
            let value = Some(&setting.value).filter(|value| !value.is_empty());
            json!({ "key": setting.key.name, "value": value, "source": setting.source })
        });
        json!({ "settings": all.collect::<Vec<Value>>(), "redis": redis })
    };
    say::answer(format.json, &machine(), || {
        let mut rows = vec![["setting", "value", "from"].map(str::to_owned).to_vec()];
        rows.extend(shown.iter().map(|setting| {
            let value = if setting.value.is_empty() { "-" } else { &setting.value };
            vec![setting.key.name.to_owned(), value.to_owned(), setting.source.clone()]
        }));
        format!("{}\n\nRedis is asked for at {redis}", say::table(&rows))
    })?;
    Ok(ExitCode::SUCCESS)
}
