//! The program `mystocks`, run as a person runs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

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

/// Returns the program that `cargo xtask test` has built, or builds it: `CARGO_BIN_EXE_…` is for a package's own tests only.
fn mystocks() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(named) = std::env::var_os("MYSTOCKS_BIN") {
            return named.into();
        }
        let this = std::env::current_exe().unwrap();
        // It lies in TARGET/PROFILE/deps.
        let target = this.ancestors().nth(3).expect("tests lie in a target folder");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = std::process::Command::new(cargo);
        build.args(["build", "--quiet", "--package", "mystocks-service", "--target-dir"]).arg(target);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(build.status().expect("cargo runs").success(), "mystocks-service does not build");
        target.join("debug").join(format!("mystocks{}", std::env::consts::EXE_SUFFIX))
    })
}
