//! Where `initdb` and `postgres` are.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::user::User;
use crate::binary::targets;

const HOW: &str = "PostgreSQL not found: install one (Debian, Ubuntu: `apt-get install postgresql`), run `cargo xtask \
                   integration --only postgres` once (it fetches a private copy under target/postgres), or set PG_BIN to the \
                   folder of initdb and postgres";

/// The folder of the programs.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Finds the programs, or panics with the line that says how to get them.
    pub(super) fn find() -> Self {
        if let Some(given) = env::var_os("PG_BIN").filter(|given| !given.is_empty()) {
            let folder = PathBuf::from(given);
            assert!(holds_both(&folder), "PG_BIN has no initdb and postgres: {}", folder.display());
            return Self { folder };
        }
        let private = targets().map(|target| target.join("postgres/bin"));
        let found = installed().into_iter().chain(on_path()).chain(private).find(|folder| holds_both(folder));
        Self { folder: found.unwrap_or_else(|| panic!("{HOW}")) }
    }

    /// Begins a command of the program `name` as `user`, in `folder`, without what the environment says of other clusters.
    pub(super) fn command(&self, name: &str, user: Option<User>, folder: &Path) -> Command {
        let mut command = Command::new(self.folder.join(name));
        command.current_dir(folder).env("LC_ALL", "C").env("TZ", "UTC");
        for (variable, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(variable);
        }
        if let Some(user) = user {
            command.gid(user.gid).uid(user.uid);
        }
        command
    }

    /// Returns what `postgres --version` says.
    pub(super) fn version(&self) -> String {
        let said = Command::new(self.folder.join("postgres")).arg("--version").output();
        let said = said.unwrap_or_else(|error| panic!("{}: {error}", self.folder.display()));
        assert!(said.status.success(), "postgres --version: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }
}

fn holds_both(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file())
}

/// Where Debian and Ubuntu have them, the newest first.
fn installed() -> Vec<PathBuf> {
    let entries = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries.map(|entry| entry.path().join("bin")).collect();
    let version = |folder: &PathBuf| -> Option<u32> { folder.parent()?.file_name()?.to_str()?.parse().ok() };
    folders.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    folders
}

fn on_path() -> Vec<PathBuf> {
    env::var_os("PATH").map(|folders| env::split_paths(&folders).collect()).unwrap_or_default()
}
