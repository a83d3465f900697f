//! Is what one connection writes what another one reads?

use std::time::Duration;

use mystocks_cache::{Lifetime, Put, RedisStore, Store};
use tokio::time::Instant;

use super::links::Links;
use super::{Found, Outcome, advice, in_time};

/// What is left behind by a process that is killed ends by itself.
const TTL: Duration = Duration::from_secs(60);
const BYTES: usize = 256;

/// Writes a random value, reads it over the other connection, removes it, and sees it gone.
pub(super) async fn check(links: &Links) -> Outcome {
    let key = links.keyspace.own("verify", &[&links.nonce], None).map_err(|error| error.to_string())?;
    let key = key.as_str().to_owned();
    let found = in_time(links, "cache", round(links, &key)).await;
    let removed = links.remove(&[key]).await;
    let found = found?;
    removed.map(|()| found)
}

async fn round(links: &Links, key: &str) -> Outcome {
    let (here, there) = (RedisStore::new(links.one.clone()), RedisStore::new(links.other.clone()));
    let value: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(BYTES).collect();
    let mut latencies = Vec::new();

    let began = Instant::now();
    let put = here.put(&[Put { key, value: value.clone().into(), ttl: TTL }]).await;
    put.map_err(|error| advice::sentence(links, "an entry cannot be written", &error))?;
    latencies.push(("write", began.elapsed()));

    let began = Instant::now();
    let read = there.get(&[key]).await;
    let read = read.map_err(|error| advice::sentence(links, "an entry cannot be read", &error))?;
    latencies.push(("read", began.elapsed()));
    match read.first().and_then(Option::as_ref) {
        Some(read) if **read == *value => {}
        Some(_) => {
            return Err(format!(
                "{key} holds other bytes than were written: something else writes under this \
                 prefix, or changes values on the way"
            ));
        }
        None => {
            return Err(format!(
                "{key} was written and another connection does not find it: do both reach the same \
                 server and database? ({})",
                links.place
            ));
        }
    }
    let left = there.touch(key, None).await;
    match left.map_err(|error| advice::sentence(links, "an entry's time to live cannot be read", &error))? {
        Lifetime::Expires(left) if left <= TTL && left > TTL / 2 => {}
        other => {
            return Err(format!(
                "{key} was written for {TTL:?} and its time to live is {other:?}: the server does \
                 not keep times to live"
            ));
        }
    }

    let began = Instant::now();
    let removed = here.remove(&[key]).await;
    let removed = removed.map_err(|error| advice::sentence(links, "an entry cannot be removed", &error))?;
    latencies.push(("remove", began.elapsed()));
    let after = there
        .get(&[key])
        .await
        .map_err(|error| advice::sentence(links, "an entry cannot be read", &error))?;
    if removed != 1 || after.first().is_some_and(Option::is_some) {
        return Err(format!("{key} was removed and is still there for another connection"));
    }
    let detail = format!("{BYTES} random bytes written, read over another connection, and removed");
    Ok(Found { detail, latencies })
}
