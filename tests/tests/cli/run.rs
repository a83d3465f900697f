//! A run of the program.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mystocks_tests::program::mystocks;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::Instant;

/// Against hanging.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
}

impl Run {
    /// Parses the standard output as the one JSON value it must be.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Asserts that it ended with 0 and returns what it printed as JSON.
    pub(crate) fn well(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.json()
    }

    /// Asserts that it refused with one line that has each of `wanted` in it.
    pub(crate) fn assert_refused(&self, wanted: &[&str]) {
        assert_eq!((self.code, &*self.out), (Some(1), ""), "{self:?}");
        assert!(self.err.starts_with("mystocks: failed to ") && self.err.lines().count() == 1, "{self:?}");
        for text in wanted {
            assert!(self.err.contains(text), "{text:?} in {:?}", self.err);
        }
    }
}

/// Where the program runs, with the settings of one test only.
pub(crate) struct Desk {
    pub(crate) folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Desk {
    /// An empty folder, and the Redis at `url`.
    pub(crate) fn of(url: &str) -> Self {
        Self { folder: TempDir::new().unwrap(), environment: Vec::new() }.with("REDIS_URL", url)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(mystocks());
        command.args(arguments).current_dir(self.folder.path());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("REDIS_") || name == "DATABASE_URL" {
                command.env_remove(&*name);
            }
        }
        command.env("RUST_BACKTRACE", "1").env("RUST_LIB_BACKTRACE", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs `mystocks ARGUMENTS…` to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        // Who asks first may have to wait for it to be built.
        let mut command = self.command(arguments);
        let began = Instant::now();
        let running = command.output();
        let output = tokio::time::timeout(DEADLINE, running).await.expect("mystocks ends").unwrap();
        let text = |bytes| String::from_utf8(bytes).expect("mystocks writes UTF-8");
        Run {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
            took: began.elapsed(),
        }
    }
}

/// The real bars of the repository.
pub(crate) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample")
}
