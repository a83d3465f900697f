//! Fetches a private redis-server from the package archive of a Debian or Ubuntu, without root.
//!
//! The package lists may be empty and the caches may belong to root: both are ours here.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, ensure};

use crate::process::{on_path, read};
use crate::{apt, redis};

/// Fetches redis-server and redis-cli into `home/bin`: whole, or not at all.
pub(crate) fn fetch(home: &Path) -> Result<()> {
    for tool in ["apt-get", "dpkg", "dpkg-deb"] {
        ensure!(on_path(tool).is_some(), "there is no {tool} here");
    }
    let parent = home.parent().context("the target folder has no parent")?;
    let work = parent.join(format!("redis.{}.part", process::id()));
    let built = build(&work).and_then(|()| {
        if home.exists() {
            fs::remove_dir_all(home).context("failed to remove the unusable copy")?;
        }
        fs::rename(work.join("redis"), home).context("failed to put the copy in place")
    });
    let _ = fs::remove_dir_all(&work);
    built
}

fn build(work: &Path) -> Result<()> {
    let debs = work.join("debs");
    let root = work.join("redis/root");
    for folder in [&debs, &root, &work.join("lists/partial"), &work.join("cache/archives/partial")] {
        fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    }
    let config = apt::configure(work)?;
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", &config).env("LC_ALL", "C").current_dir(&debs).args(words);
        read(&mut command)
    };
    // One broken source of many must not stop us: what counts is whether the download finds the packages.
    let updated = apt(&["-q", "update"]);
    let mut wanted = vec!["redis-server".to_owned(), "redis-tools".to_owned()];
    let mut had = BTreeSet::new();
    while !wanted.is_empty() {
        let mut words = vec!["-q", "download"];
        words.extend(wanted.iter().map(String::as_str));
        if let Err(error) = apt(&words) {
            return Err(updated
                .err()
                .map_or(error, |first| first.context("the package lists could not be had")));
        }
        had.extend(wanted);
        wanted = libraries(&debs)?.difference(&had).cloned().collect();
    }
    for deb in files(&debs)? {
        read(Command::new("dpkg").arg("-x").arg(deb).arg(&root))?;
    }
    wrap(&work.join("redis"))?;
    redis::version(&work.join("redis/bin/redis-server")).map(drop)
}

/// Returns the libraries that the packages fetched so far need; those of the C runtime are always there.
fn libraries(debs: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for deb in files(debs)? {
        let fields = read(Command::new("dpkg-deb").arg("-f").arg(deb).args(["Pre-Depends", "Depends"]))?;
        names.extend(depends(&fields));
    }
    Ok(names)
}

fn depends(fields: &str) -> impl Iterator<Item = String> {
    fields
        .lines()
        .flat_map(|line| line.split_once(": ").map_or(line, |(_, names)| names).split(','))
        .filter_map(|alternatives| alternatives.trim().split([' ', '|', ':']).next())
        .filter(|name| name.starts_with("lib") || name.starts_with("lua-"))
        .filter(|name| !matches!(*name, "libc6" | "libgcc-s1" | "libcrypt1"))
        .map(str::to_owned)
}

/// Writes the scripts that start the programs with the libraries fetched beside them.
fn wrap(redis: &Path) -> Result<()> {
    fs::create_dir_all(redis.join("bin"))?;
    for name in ["redis-server", "redis-cli"] {
        let script = format!(
            "#!/bin/sh\nhere=$(cd \"$(dirname \"$0\")/..\" && pwd)\nfor folder in \"$here\"/root/lib/*-linux-* \"$here\"/root/usr/lib/*-linux-*; do\n\
             \x20   LD_LIBRARY_PATH=\"$folder${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\"\ndone\nexport LD_LIBRARY_PATH\n\
             exec \"$here/root/usr/bin/{name}\" \"$@\"\n"
        );
        let file = redis.join("bin").join(name);
        fs::write(&file, script)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    entries.map(|entry| Ok(entry?.path())).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_libraries_are_read_from_the_fields_of_a_package() {
        let fields = "Pre-Depends: init-system-helpers (>= 1.54~)\nDepends: libc6 (>= 2.34), libssl3 (>= 3.0) | libssl1.1, lua-cjson, adduser, libzstd1:any\n";
        let names: Vec<_> = super::depends(fields).collect();
        assert_eq!(names, ["libssl3", "lua-cjson", "libzstd1"]);
        assert_eq!(super::depends("").count(), 0);
    }
}
