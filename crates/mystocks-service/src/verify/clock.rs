//! Do the server and this host agree on the time?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mystocks_redis_core::Call;
use mystocks_redis_core::redis::cmd;
use tokio::time::Instant;

use super::links::Links;
use super::{ANSWER, Found, Outcome, advice};

/// Further apart, times in events and entries of different hosts mean different things to people.
const APART: Duration = Duration::from_secs(5);

/// Asks the server for its time.
pub(super) async fn check(links: &Links) -> Outcome {
    let (before, began) = (SystemTime::now(), Instant::now());
    let asked = links.one.query::<(u64, u64)>(&cmd("TIME"), Call::once().timeout(ANSWER)).await;
    let (seconds, micros) =
        asked.map_err(|error| advice::sentence(links, "the server does not tell its time", &error))?;
    let trip = began.elapsed();
    let server = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
    let ours = before.duration_since(UNIX_EPOCH).unwrap_or_default() + trip / 2;
    let (apart, way) = match server.checked_sub(ours) {
        Some(ahead) => (ahead, "ahead of"),
        None => (ours.saturating_sub(server), "behind"),
    };
    // Within the round trip nobody knows.
    if apart > APART + trip {
        return Err(format!(
            "the clock of {} is {:.1} s {way} this host's: set both by NTP (at most {} s are accepted)",
            links.place,
            apart.as_secs_f64(),
            APART.as_secs()
        ));
    }
    let detail = format!("the server's clock is {:.1} ms {way} this host's", apart.as_secs_f64() * 1e3);
    Ok(Found { detail, latencies: vec![("time", trip)] })
}
