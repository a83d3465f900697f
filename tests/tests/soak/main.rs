//! The cache under everything at once: `cargo xtask soak cache --minutes 10 --seed 1`.
//!
//! Four processes on one Redis that is killed every minute: reads of hot and cold keys, a tenth of them cancelled,
//! invalidations, tags, loads that fail and things that are not there. At the end it prints one table and fails unless the
//! ledger of every process is exact, nothing is left running, memory stayed flat and no read was stale beyond its bound.
#![expect(clippy::unwrap_used, reason = "a soak fails by panicking")]
#![expect(clippy::print_stdout, reason = "it prints a table")]

mod book;
mod node;
mod oracle;

use std::process::Stdio;
use std::time::Duration;

use book::{Order, Report};
use mystocks_testkit::RedisServer;
use mystocks_tests::number;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep_until};

/// What a process of the soak is told to do.
const ORDER: &str = "MYSTOCKS_SOAK_ORDER";
const MARK: &str = "@report ";
const PROCESSES: u64 = 4;
const CYCLE: Duration = Duration::from_secs(60);
const DOWN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cache() {
    if let Some(order) = std::env::var_os(ORDER) {
        let report = node::run(serde_json::from_str(order.to_str().unwrap()).unwrap()).await;
        println!("{MARK}{}", serde_json::to_string(&report).unwrap());
        return;
    }
    let minutes: f64 = number("MYSTOCKS_MINUTES").unwrap_or(10.0);
    let seed: u64 = number("MYSTOCKS_SEED").unwrap_or(1);
    let rate: u64 = number("MYSTOCKS_RATE").unwrap_or(20_000);
    soak(Duration::from_secs_f64(60.0 * minutes), seed, rate).await;
}

async fn soak(lasts: Duration, seed: u64, rate: u64) {
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
        command.args(["--exact", "cache", "--nocapture"]).env(ORDER, serde_json::to_string(&order).unwrap());
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
        let report = loop {
            let line = lines.next_line().await.unwrap();
            let line = line.expect("a process ended early; its complaint stands above");
            if let Some((_, report)) = line.split_once(MARK) {
                break serde_json::from_str(report).unwrap();
            }
        };
        reports.push(report);
        child.wait().await.unwrap();
    }
    println!("Redis was killed and started again {restarts} times\n");
    book::print(&reports, lasts);
    let complaints: Vec<String> = reports.iter().flat_map(|report| report.complaints(lasts)).collect();
    assert_eq!(complaints, Vec::<String>::new(), "the soak failed");
}
