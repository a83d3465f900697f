//! `mystocks verify`: does everything work from here, end to end?
//!
//! Every check compares what it got with what it gave, has a deadline, and takes away what it wrote whatever came of it.

mod advice;
mod bus;
mod cache;
mod clock;
mod connection;
mod database;
mod durable;
mod links;
mod lock;
mod report;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, timeout_at};

use crate::cli;
use crate::verify::links::Links;
use crate::verify::report::{Check, Verdict};
use crate::{platform, say};

/// How long one answer is waited for.
const ANSWER: Duration = Duration::from_secs(2);
/// How long one check may take, and then its cleaning up.
const CHECK: Duration = Duration::from_secs(4);
const CLEAN_UP: Duration = Duration::from_millis(1500);
/// When all checks have ended, and all cleaning up: a slow beginning takes from what comes after it.
const CHECKED: Duration = Duration::from_millis(7500);
const CLEANED: Duration = Duration::from_secs(9);

/// What a check found when all was as it should be.
#[derive(Debug)]
struct Found {
    /// One line for people.
    detail: String,
    /// How long each step took.
    latencies: Vec<(&'static str, Duration)>,
}

/// What a check found, or one sentence that names what is wrong and what mends it.
type Outcome = Result<Found, String>;

/// Runs every check; ends with 0 when all that are configured passed.
pub(crate) async fn run(arguments: &cli::Verify) -> Result<ExitCode> {
    let settings = platform::loader().load()?;
    let keyspace = platform::keyspace(&settings)?;
    let began = Instant::now();
    let database = timed("database", async {
        match &arguments.database {
            Some(url) => verdict(database::check(url).await),
            None => Verdict::NotConfigured("give --database or DATABASE_URL".to_owned()),
        }
    });
    let on_redis = async {
        let links = Links::open(settings, keyspace, began).await?;
        let mut checks = vec![
            timed("connection", async {
                verdict(in_time(&links, "connection", connection::check(&links)).await)
            })
            .await,
        ];
        let is_up = checks.iter().all(Check::is_well);
        if is_up {
            let (clock, cache, bus, lock) = tokio::join!(
                timed("clock", async { verdict(in_time(&links, "clock", clock::check(&links)).await) }),
                timed(
                    "cache",
                    switched(links.settings.cache.enabled, "REDIS_ENABLE_CACHE", cache::check(&links))
                ),
                timed("bus", switched(links.settings.bus.enabled, "REDIS_ENABLE_PUBSUB", bus::check(&links))),
                timed(
                    "lock",
                    switched(links.settings.lock.enabled, "REDIS_ENABLE_LOCK", lock::check(&links))
                ),
            );
            checks.extend([clock, cache, bus, lock]);
        } else {
            checks.extend(["clock", "cache", "bus", "lock"].map(Check::not_tried));
        }
        links.close().await;
        anyhow::Ok(checks)
    };
    let (checks, database) = tokio::join!(on_redis, database);
    let mut checks = checks?;
    checks.push(database);
    let took = began.elapsed();
    say::answer(arguments.format.json, &report::machine(&checks, took), || report::human(&checks, took))?;
    Ok(if report::is_well(&checks) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn timed(name: &'static str, check: impl Future<Output = Verdict>) -> Check {
    let began = Instant::now();
    let verdict = check.await;
    Check { name, verdict, took: began.elapsed() }
}

/// Checks a layer unless it is switched off, for then it does not use Redis.
async fn switched(is_on: bool, key: &str, check: impl Future<Output = Outcome>) -> Verdict {
    if is_on { verdict(check.await) } else { Verdict::NotConfigured(format!("{key} is off")) }
}

fn verdict(outcome: Outcome) -> Verdict {
    outcome.map_or_else(Verdict::Failed, Verdict::Passed)
}

/// Ends a check that takes too long.
async fn in_time(links: &Links, name: &str, check: impl Future<Output = Outcome>) -> Outcome {
    let until = links.until(CHECK, CHECKED);
    let limit = until.saturating_duration_since(Instant::now());
    let late = || {
        format!(
            "the {name} check had not ended after its deadline of {:.1} s: {} or the way to it hangs, or is overloaded",
            limit.as_secs_f64(),
            links.place
        )
    };
    timeout_at(until, check).await.unwrap_or_else(|_| Err(late()))
}
