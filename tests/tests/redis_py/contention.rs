//! A Python process and a Rust process want one lock all the time.

use std::time::Duration;

use mystocks_lock::{Locker, Released, Resource};
use mystocks_redis_core::{Call, RedisManager, redis::cmd};
use mystocks_testkit::RedisServer;
use tokio::time::Instant;

use crate::ledger::Ledger;
use crate::locks::{connect, locker};
use crate::peer::Peer;

const LEDGER: &str = "contention:ledger";
/// What each side gets at least, a second. Alone, either would have about 33.
const TURNS_A_SECOND: usize = 2;

/// How long the two contend: `MYSTOCKS_CONTENTION_SECONDS`, else a minute.
fn duration() -> Duration {
    let seconds = std::env::var_os("MYSTOCKS_CONTENTION_SECONDS");
    Duration::from_secs(seconds.map_or(60, |seconds| seconds.to_str().unwrap().parse().unwrap()))
}

async fn enter(manager: &RedisManager, line: String) {
    let _: i64 = manager.query(cmd("RPUSH").arg(LEDGER).arg(line), Call::once()).await.unwrap();
}

/// Takes turns for so long; returns how long each was waited for, in milliseconds.
async fn contend(
    locker: &Locker,
    manager: &RedisManager,
    resource: &'static str,
    time: Duration,
) -> Vec<f64> {
    let (begun, mut waits) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let asked = Instant::now();
        let wanted = Resource::new(resource).ttl(Duration::from_secs(10));
        let guard =
            locker.lock(wanted, Duration::from_secs(60)).await.unwrap().expect("a turn within a minute");
        waits.push(asked.elapsed().as_secs_f64() * 1000.0);
        let token = guard.token().as_str().to_owned();
        enter(manager, format!("enter rust {token}")).await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(5..=15))).await;
        enter(manager, format!("leave rust {token}")).await;
        assert_eq!(guard.release().await.unwrap(), Released::Released);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(10..=30))).await;
    }
    waits
}

/// Has Python contend for one resource and Rust for another, or the same; returns the ledger and both sides' waits.
async fn run(python: &'static str, rust: &'static str, time: Duration) -> (Ledger, Vec<f64>, Vec<f64>) {
    let server = RedisServer::start().await;
    let (manager, url) = (connect(&server).await, server.url());
    let locker = locker(&manager);
    let millis = i64::try_from(time.as_millis()).unwrap();
    let theirs = tokio::task::spawn_blocking(move || {
        Peer::start(&url)
            .ask("contend", &[python, LEDGER], Some(millis))
            .to_deserialize::<Vec<f64>>()
            .unwrap()
    });
    let ours = contend(&locker, &manager, rust, time).await;
    let theirs = theirs.await.unwrap();
    let lines: Vec<String> =
        manager.query(cmd("LRANGE").arg(LEDGER).arg(0).arg(-1), Call::repeatable()).await.unwrap();
    locker.shutdown().await;
    manager.shutdown().await;
    (Ledger::read(&lines), theirs, ours)
}

fn figures(side: &str, mut waits: Vec<f64>) -> String {
    waits.sort_by(f64::total_cmp);
    let at = |percent: usize| waits[(waits.len() - 1) * percent / 100];
    format!(
        "{side}: {} turns; waited p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
        waits.len(),
        at(50),
        at(99),
        at(100)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn python_and_rust_take_turns() {
    let time = duration();
    let (ledger, theirs, ours) = run("nightly", "nightly", time).await;
    println!(
        "one lock for {} s: {} overlaps, longest row {}",
        time.as_secs(),
        ledger.overlaps,
        ledger.longest_row
    );
    let turns = [theirs.len(), ours.len()];
    println!("{}\n{}", figures("python", theirs), figures("rust", ours));
    assert_eq!(ledger.overlaps, 0, "both held it at once");
    assert_eq!([ledger.turns["python"], ledger.turns["rust"]], turns, "every turn stands in the ledger");
    let least = TURNS_A_SECOND * usize::try_from(time.as_secs()).unwrap();
    assert!(turns.iter().all(|&turns| turns >= least), "at least {least} turns each: {turns:?}");
}

/// The same run with nothing that excludes: what the ledger then shows is what the other test looks for.
#[tokio::test(flavor = "multi_thread")]
async fn without_exclusion_the_ledger_shows_overlaps() {
    let (ledger, ..) = run("nightly", "nightly:own", Duration::from_secs(3)).await;
    assert!(ledger.overlaps > 0, "{ledger:?}");
}

#[test]
fn figures_are_of_the_waits() {
    let shown = figures("rust", vec![3.0, 1.0, 2.0]);
    assert_eq!(shown, "rust: 3 turns; waited p50 2.0 ms, p99 2.0 ms, at most 3.0 ms");
}
