//! Do locks exclude, and do fences rise?

use std::time::Duration;

use mystocks_lock::{Error, Locker, RedisLocks, Released, Resource};
use tokio::time::Instant;

use super::links::Links;
use super::{Found, Outcome, advice, in_time};

const TTL: Duration = Duration::from_secs(10);

/// Locks, is refused, releases, locks again with a higher fence, and sees the lock free.
pub(super) async fn check(links: &Links) -> Outcome {
    let name = format!("verify:{}", links.nonce);
    let key = links.keyspace.lock(&name).map_err(|error| error.to_string())?;
    let lockers = [&links.one, &links.other].map(|redis| {
        let locks = RedisLocks::new(redis.clone(), &links.keyspace)?;
        Ok::<_, Error>(
            Locker::new(locks, &links.settings.lock, &links.keyspace).with_owner("mystocks verify"),
        )
    });
    let [Ok(here), Ok(there)] = lockers else {
        return Err("the prefixes leave no room for the names of locks: shorten REDIS_LOCK_PREFIX".to_owned());
    };
    let found = in_time(links, "lock", round(links, &here, &there, &name)).await;
    let ending = async { tokio::join!(here.shutdown(), there.shutdown()) };
    let _ = links.clean_up(ending).await;
    // Fences outlive their locks by a day; this one's name never comes again.
    let removed = links.remove(&[key.as_str().to_owned(), key.fence().as_str().to_owned()]).await;
    let found = found?;
    removed.map(|()| found)
}

async fn round(links: &Links, here: &Locker, there: &Locker, name: &str) -> Outcome {
    let resource = || Resource::new(name.to_owned()).ttl(TTL);
    let failed = |what: &'static str| move |error: Error| advice::sentence(links, what, &error);
    let mut latencies = Vec::new();

    let began = Instant::now();
    let first = here.try_lock(resource()).await.map_err(failed("a lock cannot be taken"))?;
    latencies.push(("acquire", began.elapsed()));
    let first = first.ok_or_else(|| format!("the lock {name} is held although nobody knows its name"))?;
    let second = there.try_lock(resource()).await.map_err(failed("a held lock cannot be asked for"))?;
    if second.is_some() {
        return Err(format!(
            "two hold the lock {name} at once: do both connections reach the same server? ({})",
            links.place
        ));
    }
    let held = there.info(resource()).await.map_err(failed("a lock cannot be looked at"))?;
    let holder = held.and_then(|held| held.owner).map(|owner| owner.pid);
    if holder != Some(std::process::id()) {
        return Err(format!("the lock {name} is not said to be held by this process"));
    }
    let fence = first.fence();

    let began = Instant::now();
    let released = first.release().await.map_err(failed("a lock cannot be released"))?;
    latencies.push(("release", began.elapsed()));
    if released != Released::Released {
        return Err(format!("the lock {name} was lost before it was released ({released:?})"));
    }
    let again = there.try_lock(resource()).await.map_err(failed("a released lock cannot be taken again"))?;
    let again = again.ok_or_else(|| format!("the lock {name} was released and is not free"))?;
    let rises = matches!((fence, again.fence()), (Some(before), Some(after)) if after > before);
    again.release().await.map_err(failed("a lock cannot be released"))?;
    if !rises {
        return Err(format!(
            "the fence of {name} did not rise from one holder to the next: what is written under \
             locks is not protected"
        ));
    }
    if here.is_locked(resource()).await.map_err(failed("a lock cannot be looked at"))? {
        return Err(format!("the lock {name} was released and somebody holds it"));
    }
    let detail = "taken, refused to another, released, taken again with a higher fence, free".to_owned();
    Ok(Found { detail, latencies })
}
