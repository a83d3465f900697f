//! The program `mystocks`, run as a person runs it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mystocks_tests::program::mystocks;
use serde_json::Value;
use tokio::process::Command;

/// Against hanging; a run takes seconds.
const DEADLINE: Duration = Duration::from_secs(240);

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) pid: u32,
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Parses the standard output as the one JSON value it must be.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error} in {:?}; stderr: {}", self.out, self.err))
    }
}

/// Runs `mystocks demo --bars FOLDER ARGUMENTS…` to its end.
pub(crate) async fn demo(bars: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(mystocks());
    command.arg("demo").arg("--bars").arg(bars).args(arguments);
    // Whoever has these set sees backtraces in errors that are no programming errors, unless the program prevents it.
    command.env("RUST_BACKTRACE", "1").env("RUST_LIB_BACKTRACE", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().expect("mystocks starts");
    let pid = child.id().expect("it has not been waited for");
    let output =
        tokio::time::timeout(DEADLINE, child.wait_with_output()).await.expect("mystocks ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("mystocks writes UTF-8");
    Run { pid, code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}
