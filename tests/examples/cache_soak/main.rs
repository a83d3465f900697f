//! The cache under everything at once: `cargo run --release -p mystocks-tests --example cache_soak -- --minutes 10 --seed 1`.
//!
//! Four processes on one Redis that is killed every minute: reads of hot and cold keys, a tenth of them cancelled,
//! invalidations, tags, loads that fail and things that are not there. At the end it prints one table and fails unless the
//! ledger of every process is exact, nothing is left running, memory stayed flat and no read was stale beyond its bound.
#![expect(clippy::unwrap_used, reason = "a soak fails by panicking")]
#![expect(clippy::print_stdout, reason = "a program that prints a table")]

mod book;
mod node;
mod oracle;

use std::process::{ExitCode, Stdio};
use std::time::Duration;

use book::{Order, Report};
use mystocks_testkit::RedisServer;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep_until};

const PROCESSES: u64 = 4;
const CYCLE: Duration = Duration::from_secs(60);
const DOWN: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (mut minutes, mut seed, mut rate) = (10.0, 1_u64, 20_000_u64);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--minutes" => minutes = value().parse().expect("--minutes is a number"),
            "--seed" => seed = value().parse().expect("--seed is a whole number"),
            "--rate" => rate = value().parse().expect("--rate is a whole number"),
            "--node" => {
                node::run(serde_json::from_str(&value()).unwrap()).await;
                return ExitCode::SUCCESS;
            }
            other => panic!("there is no option {other}; there are --minutes, --seed and --rate"),
        }
    }
    soak(Duration::from_secs_f64(60.0 * minutes), seed, rate).await
}

async fn soak(lasts: Duration, seed: u64, rate: u64) -> ExitCode {
    let (mut server, source) = (RedisServer::start().await, RedisServer::start().await);
    println!("cache soak: {PROCESSES} processes, {rate} requests a second asked for, {lasts:?}, seed {seed}");
    let mut nodes: Vec<(Child, Lines<BufReader<ChildStdout>>)> = Vec::new();
    for number in 0..PROCESSES {
        let order = Order {
            url: server.url(),
            source: source.url(),
            seed: seed.wrapping_mul(PROCESSES).wrapping_add(number),
            per_second: rate / PROCESSES,
            lasts,
        };
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--node", &serde_json::to_string(&order).unwrap()]);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        nodes.push((child, lines));
    }
    let began = Instant::now();
    let mut at = began + CYCLE / 2;
    let mut restarts = 0;
    // The last minute is left in peace, or the last third of a short soak.
    while at + DOWN < began + lasts - (lasts / 3).min(CYCLE / 2) {
        sleep_until(at).await;
        server.kill().await;
        sleep_until(at + DOWN).await;
        server.restart().await;
        restarts += 1;
        at += CYCLE;
    }
    let mut reports: Vec<Report> = Vec::new();
    for (child, lines) in &mut nodes {
        let line =
            lines.next_line().await.unwrap().expect("a process ended early; its complaint stands above");
        reports.push(serde_json::from_str(&line).unwrap());
        child.wait().await.unwrap();
    }
    println!("Redis was killed and started again {restarts} times\n");
    book::print(&reports, lasts);
    let complaints: Vec<String> = reports.iter().flat_map(|report| report.complaints(lasts)).collect();
    for complaint in &complaints {
        println!("WRONG: {complaint}");
    }
    println!("{}", if complaints.is_empty() { "all of it holds" } else { "the soak failed" });
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
