//! A private redis-server for as long as a command runs: own port, own folder, loopback, nothing written to disk.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::loopback::{free_port, options, url, wait_for};
use crate::workspace;

/// Ends the server when we are gone, however we went: our end of the pipe closes even when we are killed.
/// It has nothing to save, so nothing is asked of it.
const KEEPER: &str = r#"trap '' INT TERM HUP
dir=$1; shift
"$@" </dev/null >"$dir/log" 2>&1 &
echo "$!"
read -r _
{ kill -9 "$!"; wait "$!"; } 2>/dev/null
rm -rf "$dir"
"#;

#[derive(Debug)]
pub(crate) struct Server {
    keeper: Child,
    port: u16,
}

impl Server {
    /// Starts `binary` and returns once it answers.
    pub(crate) fn start(binary: &Path) -> Result<Self> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match Self::attempt(binary) {
                // The port was free when we looked; somebody else may have taken it since.
                Err(error) if attempts < 3 && error.to_string().contains("in use") => {}
                outcome => return outcome,
            }
        }
    }

    fn attempt(binary: &Path) -> Result<Self> {
        let port = free_port()?;
        let folder = folder().join(format!("private.{}.{port}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&folder)
            .arg(binary)
            .args(options(port))
            .arg("--dir")
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start a shell")?;
        let mut pid = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout).read_line(&mut pid).context("the shell says no pid")?;
        }
        let server = Self { keeper, port };
        if wait_for(port, pid.trim()) {
            return Ok(server);
        }
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        let last = log.lines().rev().find(|line| !line.trim().is_empty());
        bail!("the private redis-server did not come up: {}", last.unwrap_or("it says nothing"))
    }

    /// Returns where it answers, with the database that the platform uses by default.
    pub(crate) fn url(&self) -> String {
        url(self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Returns the folder for what running servers keep.
pub(crate) fn folder() -> PathBuf {
    workspace::root().join("target/redis-run")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loopback::info;

    #[test]
    fn a_server_answers_while_it_is_held_and_leaves_nothing() {
        let server = Server::start(&crate::redis::server().unwrap()).unwrap();
        let port = server.port;
        assert!(info(port).unwrap().contains("process_id:"));
        drop(server);
        assert!(info(port).is_err());
        let left = format!("private.{}.", std::process::id());
        let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.filter(|name| name.to_string_lossy().starts_with(&left)).count(), 0);
    }

    #[test]
    fn a_server_that_cannot_start_is_an_error_with_its_own_words() {
        let error = Server::start(Path::new("/no/such/redis-server")).unwrap_err().to_string();
        assert!(error.contains("/no/such/redis-server"), "{error}");
    }
}
