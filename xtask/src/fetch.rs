//! Fetches private copies of servers from the package archive of a Debian or Ubuntu, without root.
//!
//! The package lists may be empty and the caches may belong to root: both are ours here.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, ensure};

use crate::apt;
use crate::process::{on_path, read};

/// What a copy is made of.
pub(crate) struct Recipe {
    /// The packages that are asked for.
    pub(crate) packages: &'static [&'static str],
    /// Whether a dependency goes along; those of the C runtime are always there.
    pub(crate) needs: fn(&str) -> bool,
    /// The folder of the programs in the packages, as the shell would match it.
    pub(crate) folder: &'static str,
    /// The programs.
    pub(crate) programs: &'static [&'static str],
    /// Says whether the program at this path, the last of them, runs.
    pub(crate) runs: fn(&Path) -> Result<String>,
}

/// Makes `home/bin` with the programs of `recipe`: whole, or not at all.
pub(crate) fn fetch(home: &Path, recipe: &Recipe) -> Result<()> {
    for tool in ["apt-get", "dpkg", "dpkg-deb"] {
        ensure!(on_path(tool).is_some(), "there is no {tool} here");
    }
    let parent = home.parent().context("the target folder has no parent")?;
    let name = home.file_name().unwrap_or_default().to_string_lossy();
    let work = parent.join(format!("{name}.{}.part", process::id()));
    let built = build(&work, recipe).and_then(|()| {
        if home.exists() {
            fs::remove_dir_all(home).context("failed to remove the unusable copy")?;
        }
        fs::rename(work.join("copy"), home).context("failed to put the copy in place")
    });
    let _ = fs::remove_dir_all(&work);
    built
}

fn build(work: &Path, recipe: &Recipe) -> Result<()> {
    let (debs, copy) = (work.join("debs"), work.join("copy"));
    let root = copy.join("root");
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
    let mut wanted: Vec<String> = recipe.packages.iter().map(|name| (*name).to_owned()).collect();
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
        wanted = needed(&debs, recipe.needs)?.difference(&had).cloned().collect();
    }
    for deb in files(&debs)? {
        read(Command::new("dpkg").arg("-x").arg(deb).arg(&root))?;
    }
    wrap(&copy, recipe)?;
    let last = recipe.programs.last().context("no program was asked for")?;
    (recipe.runs)(&copy.join("bin").join(last)).map(drop)
}

/// Returns what the packages fetched so far need.
fn needed(debs: &Path, needs: fn(&str) -> bool) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for deb in files(debs)? {
        let fields = read(Command::new("dpkg-deb").arg("-f").arg(deb).args(["Pre-Depends", "Depends"]))?;
        names.extend(depends(&fields).filter(|name| needs(name)));
    }
    Ok(names)
}

fn depends(fields: &str) -> impl Iterator<Item = String> {
    fields
        .lines()
        .flat_map(|line| line.split_once(": ").map_or(line, |(_, names)| names).split(','))
        .filter_map(|alternatives| alternatives.trim().split([' ', '|', ':']).next())
        .filter(|name| !matches!(*name, "libc6" | "libgcc-s1" | "libcrypt1"))
        .map(str::to_owned)
}

/// Writes the scripts that start the programs with the libraries fetched beside them.
fn wrap(copy: &Path, recipe: &Recipe) -> Result<()> {
    fs::create_dir_all(copy.join("bin"))?;
    let folder = recipe.folder;
    for name in recipe.programs {
        let script = format!(
            "#!/bin/sh\nhere=$(cd \"$(dirname \"$0\")/..\" && pwd)\nfor folder in \"$here\"/root/lib/*-linux-* \"$here\"/root/usr/lib/*-linux-*; do\n\
             \x20   LD_LIBRARY_PATH=\"$folder${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\"\ndone\nexport LD_LIBRARY_PATH\n\
             for program in \"$here\"/root/{folder}/{name}; do\n    exec \"$program\" \"$@\"\ndone\n"
        );
        let file = copy.join("bin").join(name);
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
    fn the_dependencies_are_read_from_the_fields_of_a_package() {
        let fields = "Pre-Depends: init-system-helpers (>= 1.54~)\nDepends: libc6 (>= 2.34), libssl3 (>= 3.0) | libssl1.1, lua-cjson, adduser, libzstd1:any\n";
        let names: Vec<_> = super::depends(fields).collect();
        assert_eq!(names, ["init-system-helpers", "libssl3", "lua-cjson", "adduser", "libzstd1"]);
        assert_eq!(super::depends("").count(), 0);
    }
}
