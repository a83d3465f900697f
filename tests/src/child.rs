//! A process of its own that runs the same test in the other role.
#![expect(clippy::print_stdout, reason = "children report on stdout")]

use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdout, Command};
use tokio::time::timeout;

/// What a child is told to do; who has none is the parent.
const ORDER: &str = "MYSTOCKS_ORDER";
const EXPECT: &str = "tests may panic";
const MARK: &str = "@said ";

/// Returns what this process is told to do, if it is a child.
pub fn order<T: DeserializeOwned>() -> Option<T> {
    let text = std::env::var_os(ORDER)?;
    Some(serde_json::from_str(text.to_str().expect(EXPECT)).expect(EXPECT))
}

/// Says something to the parent.
pub fn say(what: &impl Serialize) {
    println!("{MARK}{}", serde_json::to_string(what).expect(EXPECT));
}

/// A process that this one has started; it is killed when it is dropped.
#[derive(Debug)]
pub struct Child {
    /// What this test calls it.
    pub name: String,
    process: Process,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts a child that runs `test`.
    pub fn start(test: &str, name: &str, order: &impl Serialize) -> Self {
        let mut command = Command::new(std::env::current_exe().expect(EXPECT));
        command
            .args(["--exact", test, "--nocapture"])
            .env(ORDER, serde_json::to_string(order).expect(EXPECT));
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("a process");
        let lines = BufReader::new(process.stdout.take().expect(EXPECT)).lines();
        Self { name: name.to_owned(), process, lines }
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// Waits for what it says next.
    pub async fn said<T: DeserializeOwned>(&mut self) -> T {
        let said = async {
            loop {
                let line = self.lines.next_line().await.expect(EXPECT);
                let line = line.expect("the child ended early; its complaint stands above");
                if let Some((_, said)) = line.split_once(MARK) {
                    return serde_json::from_str(said).expect(EXPECT);
                }
            }
        };
        timeout(Duration::from_secs(60), said).await.expect("the child says something")
    }

    /// Returns whether it ended by itself, which none is to do.
    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().expect(EXPECT).is_some()
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(&mut self) {
        self.process.kill().await.expect(EXPECT);
    }

    /// Sends it `STOP` or `CONT`.
    pub async fn signal(&self, signal: &str) {
        let mut kill = Command::new("sh");
        kill.args(["-c", r#"kill -s "$0" "$1""#, signal, &self.pid().to_string()]);
        assert!(kill.status().await.expect(EXPECT).success(), "SIG{signal} to {}", self.name);
    }
}
