//! An apt of our own: the system's sources and keys, but lists, caches and locks in a folder of ours.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::fetch::files;

/// Sources, pins, keys and settings: what of the system's apt we follow.
const FOLLOWED: [&str; 8] = [
    "sources.list",
    "sources.list.d",
    "preferences",
    "preferences.d",
    "trusted.gpg",
    "trusted.gpg.d",
    "apt.conf",
    "apt.conf.d",
];

/// Writes the settings of our apt: the readable part of the system's, its state here, none of its hooks.
pub(crate) fn configure(work: &Path) -> Result<PathBuf> {
    let etc = work.join("etc");
    for name in FOLLOWED {
        let from = Path::new("/etc/apt").join(name);
        if from.is_dir() {
            fs::create_dir_all(etc.join(name))?;
            for file in files(&from)?.iter().filter(|file| file.is_file()) {
                copy_readable(file, &etc.join(name).join(file.file_name().unwrap_or_default()))?;
            }
        } else {
            fs::create_dir_all(&etc)?;
            copy_readable(&from, &etc.join(name))?;
        }
    }
    fs::create_dir_all(etc.join("apt.conf.d"))?;
    fs::write(
        etc.join("apt.conf.d/zz-private"),
        "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n",
    )?;
    let config = work.join("apt.conf");
    let here = work.display();
    fs::write(
        &config,
        format!(
            "Dir::Etc \"{here}/etc\";\nDir::State \"{here}\";\nDir::State::lists \"{here}/lists\";\n\
             Dir::State::status \"/var/lib/dpkg/status\";\nDir::Cache \"{here}/cache\";\n\
             APT::Sandbox::User \"root\";\nDebug::NoLocking \"true\";\nAcquire::Retries \"2\";\n"
        ),
    )?;
    Ok(config)
}

fn copy_readable(from: &Path, to: &Path) -> Result<()> {
    // A file that only root reads holds nothing we can follow.
    fs::read(from).map_or(Ok(()), |bytes| fs::write(to, bytes)).context("failed to copy the settings of apt")
}
