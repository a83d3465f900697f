//! The job as it runs every evening: the binary, in a process of its own.

use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, interval};

/// How often its memory is looked at.
const LOOK: Duration = Duration::from_millis(10);

pub(super) struct Ours {
    binary: PathBuf,
    database: String,
    redis: String,
    /// Without settings of anybody else.
    folder: TempDir,
}

/// A run: how long the process lived, what it said, and the most memory it had.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) took: Duration,
    pub(super) said: Said,
    pub(super) peak_kilobytes: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) total: usize,
    pub(super) succeeded: usize,
    pub(super) rows: usize,
    pub(super) failed: serde_json::Map<String, serde_json::Value>,
    pub(super) skipped: serde_json::Map<String, serde_json::Value>,
}

impl Ours {
    /// Finds the binary where cargo puts it beside this one.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn new(database: &str, redis: &str) -> Result<Self> {
        let name = format!("mystocks{}", std::env::consts::EXE_SUFFIX);
        let binary = std::env::current_exe().context("find this program")?.with_file_name(name);
        ensure!(binary.is_file(), "there is no {}: `cargo xtask bench daily` builds it", binary.display());
        let folder = tempfile::tempdir().context("make a folder")?;
        Ok(Self { binary, database: database.to_owned(), redis: redis.to_owned(), folder })
    }

    /// Runs the task and says what the process needed from its start to its end.
    ///
    /// # Errors
    /// It did not end well, with what it says of that.
    pub(super) async fn run(&self, task: &str) -> Result<Ran> {
        let began = Instant::now();
        let child = Command::new(&self.binary)
            .args(["daily", "--json", "--task", task])
            .env_clear()
            .env("DATABASE_URL", &self.database)
            .env("REDIS_URL", &self.redis)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", self.binary.display()))?;
        let pid = child.id().context("it has ended already")?;
        let mut ended = std::pin::pin!(child.wait_with_output());
        let (mut looks, mut peak_kilobytes) = (interval(LOOK), 0);
        let output: Output = loop {
            tokio::select! {
                output = &mut ended => break output.context("wait for the job")?,
                _ = looks.tick() => peak_kilobytes = peak(pid).unwrap_or(peak_kilobytes),
            }
        };
        let took = began.elapsed();
        ensure!(
            output.status.success(),
            "the job ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        ensure!(peak_kilobytes > 0, "nobody here says how much memory a process had: Linux does");
        let said = serde_json::from_slice(&output.stdout).context("read what the job says")?;
        Ok(Ran { took, said, peak_kilobytes })
    }
}

/// The most memory that the process `pid` ever had, in KB.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
