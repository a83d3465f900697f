//! Where `redis-server` is, and the target folder with private copies.

use std::env;
use std::path::{Path, PathBuf};

const HOW: &str = "redis-server not found: run `cargo xtask redis up` once (it fetches a private copy under target/redis), \
                   or set REDIS_SERVER_BIN to the path of a redis-server";

/// Returns the path of `redis-server`, or panics with the line that says how to get one.
pub(crate) fn redis_server() -> PathBuf {
    if let Some(path) = env::var_os("REDIS_SERVER_BIN") {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "REDIS_SERVER_BIN names no file: {}", path.display());
        return path;
    }
    on_path().or_else(in_target).unwrap_or_else(|| panic!("{HOW}"))
}

fn on_path() -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join("redis-server")).find(|path| path.is_file())
}

fn in_target() -> Option<PathBuf> {
    targets().map(|target| target.join("redis/bin/redis-server")).find(|path| path.is_file())
}

/// Returns the target folders: the configured one, then that of the workspace.
pub(crate) fn targets() -> impl Iterator<Item = PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let default = workspace.map(|root| root.join("target"));
    env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).into_iter().chain(default)
}
