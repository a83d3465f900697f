//! A process of its own that runs the same test in the other role.

use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child as Process, ChildStdout, Command};
use tokio::time::timeout;

/// What a child is told to do; who has none is the parent.
const ORDER: &str = "MYSTOCKS_LOCK_ORDER";
const MARK: &str = "@said ";

/// What every child has to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) url: String,
    /// Where what is protected lies.
    pub(crate) resource: String,
    pub(crate) name: String,
    pub(crate) seed: u64,
}

/// Returns what this process is told to do, if it is a child.
pub(crate) fn order() -> Option<Order> {
    let text = std::env::var_os(ORDER)?;
    Some(serde_json::from_str(text.to_str().unwrap()).unwrap())
}

/// Says something to the parent.
pub(crate) fn say(what: &impl Serialize) {
    println!("{MARK}{}", serde_json::to_string(what).unwrap());
}

pub(crate) struct Child {
    pub(crate) name: String,
    process: Process,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Child {
    /// Starts a child that runs `test`.
    pub(crate) fn start(test: &str, order: &Order) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(ORDER, serde_json::to_string(order).unwrap());
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("a process");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { name: order.name.clone(), process, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// Waits for what it says next.
    pub(crate) async fn said<T: DeserializeOwned>(&mut self) -> T {
        let said = async {
            loop {
                let line = self.lines.next_line().await.unwrap();
                let line = line.expect("the child ended early; its complaint stands above");
                if let Some((_, said)) = line.split_once(MARK) {
                    return serde_json::from_str(said).unwrap();
                }
            }
        };
        timeout(Duration::from_secs(60), said).await.expect("the child says something")
    }

    /// Returns whether it ended by itself, which none is to do.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    /// Ends it as `kill -9` does.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Sends it `STOP` or `CONT`.
    pub(crate) async fn signal(&self, signal: &str) {
        let mut kill = Command::new("sh");
        kill.args(["-c", r#"kill -s "$0" "$1""#, signal, &self.pid().to_string()]);
        assert!(kill.status().await.unwrap().success(), "SIG{signal} to {}", self.name);
    }
}

/// Microseconds since the epoch: all processes are on one host.
pub(crate) fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}
