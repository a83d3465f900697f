//! A process of the fleet as the test that started it sees it.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::ask::{Ask, Figures, Got, Herd, Load, Setup, Stand, Watched, now_us};

pub(crate) const ROLE: &str = "MYSTOCKS_FLEET_NODE";
pub(crate) const MARK: &str = "@node ";
/// Against hanging.
const DEADLINE: Duration = Duration::from_secs(120);

/// A process that was started by a test and ends with this value.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    asks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Node {
    pub(crate) async fn start(setup: &Setup) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "desk::another_process_does_what_it_is_asked", "--nocapture"]);
        command.env(ROLE, "1").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("a test binary can be started again");
        let asks = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut node = Self { child, asks, answers };
        node.ask::<()>(&Ask::Open(setup.clone())).await;
        node
    }

    /// Ends the process at once, as `kill -9` does.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) async fn herd(&mut self, name: &str, callers: usize, compute: Duration, at_us: u64) -> Herd {
        self.ask(&Ask::Herd { name: name.to_owned(), callers, compute, at_us }).await
    }

    pub(crate) async fn lead(&mut self, name: &str, compute: Duration) {
        self.ask::<()>(&Ask::Lead { name: name.to_owned(), compute }).await;
    }

    pub(crate) async fn read(&mut self, names: &[String]) -> Vec<Got> {
        self.ask(&Ask::Read { names: names.to_vec() }).await
    }

    /// Returns the versions that L1 holds of `names`.
    pub(crate) async fn peek(&mut self, names: &[String]) -> Vec<Option<u64>> {
        self.ask(&Ask::Peek { names: names.to_vec() }).await
    }

    pub(crate) async fn warm(&mut self, names: &[String]) -> u64 {
        self.ask(&Ask::Warm { names: names.to_vec() }).await
    }

    /// Returns how many were applied, not queued.
    pub(crate) async fn invalidate(&mut self, names: &[String]) -> usize {
        self.ask(&Ask::Invalidate { names: names.to_vec() }).await
    }

    /// Returns how many were applied, not queued.
    pub(crate) async fn set(&mut self, names: &[String], version: u64) -> usize {
        self.ask(&Ask::Set { names: names.to_vec(), version }).await
    }

    /// Returns how many microseconds it took, and whether it was applied.
    pub(crate) async fn invalidate_tag(&mut self, tag: &str) -> (u64, bool) {
        self.ask(&Ask::Tag(tag.to_owned())).await
    }

    /// Has the process read `names` over and over, with a pause after each round.
    pub(crate) async fn watch(&mut self, names: &[String], pause: Duration, compute: Duration) {
        self.ask::<()>(&Ask::Watch { names: names.to_vec(), pause, compute }).await;
    }

    /// Returns what it saw so far and goes on watching.
    pub(crate) async fn watched(&mut self) -> Watched {
        self.ask(&Ask::Watched).await
    }

    pub(crate) async fn steady(&mut self, load: &Load) {
        self.ask::<()>(&Ask::Steady(load.clone())).await;
    }

    pub(crate) async fn figures(&mut self) -> Figures {
        self.ask(&Ask::Figures).await
    }

    /// Ends watching and the steady load.
    pub(crate) async fn rest(&mut self) {
        self.ask::<()>(&Ask::Rest).await;
    }

    pub(crate) async fn stand(&mut self) -> Stand {
        self.ask(&Ask::State).await
    }

    async fn ask<T: for<'de> Deserialize<'de>>(&mut self, ask: &Ask) -> T {
        let mut line = serde_json::to_vec(ask).unwrap();
        line.push(b'\n');
        self.asks.write_all(&line).await.expect("the node listens");
        let answered = async {
            while let Some(line) = self.answers.next_line().await.unwrap() {
                if let Some((_, answer)) = line.split_once(MARK) {
                    return serde_json::from_str(answer).unwrap();
                }
            }
            panic!("the node ended; its complaint stands above")
        };
        tokio::time::timeout(DEADLINE, answered).await.expect("the node answers")
    }
}

/// A moment shortly after now, for processes that are to begin together.
pub(crate) fn soon_us() -> u64 {
    now_us() + 30_000
}
