//! Telling L2 what it missed, in the order in which it was asked for, whichever process tells first.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::try_join_all;
use tokio::time::timeout;

use crate::backplane::{Invalidation, digest};
use crate::envelope;
use crate::error::Error;
use crate::lease::{Held, Seen, Take, Want, Write};
use crate::listening;
use crate::pending::{Change, Issued, Sealing};
use crate::recovery::PATIENCE;
use crate::shared::Shared;
use crate::store::Put;

/// How many changes one batch tells.
const BATCH: usize = 500;
const LEASE: Duration = Duration::from_secs(2);
/// How long the store remembers when an entry was invalidated, for those who come with an older value; one that is older
/// than this itself is not told any more.
const GRAVE: Duration = Duration::from_secs(3600);

type Told = (u64, Arc<str>, Change);

/// A change of one entry.
struct Entry<'a> {
    number: u64,
    key: &'a Arc<str>,
    issued: Issued,
    /// What is to stand there, and for how long.
    value: Option<(&'a Sealing, Duration)>,
    is_set: bool,
}

/// Tells L2 what it missed; returns whether it took all of it.
pub(crate) async fn replay(shared: &Shared) -> bool {
    loop {
        let oldest = shared.pending.oldest(BATCH);
        // Marks and entries each go together, and neither overtakes the other.
        let Some(are_marks) = oldest.first().map(|(.., change)| matches!(change, Change::Mark)) else {
            return true;
        };
        let batch: Vec<Told> = oldest
            .into_iter()
            .take_while(|(.., change)| matches!(change, Change::Mark) == are_marks)
            .collect();
        let told =
            async { if are_marks { tell_marks(shared, &batch).await } else { tell(shared, &batch).await } };
        match timeout(PATIENCE, told).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) | Err(_) => return false,
            Ok(Err(error)) => {
                tracing::debug!(%error, "L2 does not take what it missed");
                return false;
            }
        }
    }
}

pub(crate) async fn invalidate(shared: &Shared, keys: &[&str]) -> Result<(), Error> {
    match (&shared.backplane, &shared.store) {
        (Some(backplane), _) => backplane.invalidate(Invalidation::Keys(keys)).await.map(drop),
        (None, Some(store)) => store.remove(keys).await.map(drop),
        (None, None) => Ok(()),
    }
}

async fn tell_marks(shared: &Shared, batch: &[Told]) -> Result<bool, Error> {
    if let Some(backplane) = &shared.backplane {
        let set = batch.iter().map(async |(_, mark, _)| backplane.invalidate(Invalidation::Mark(mark)).await);
        for ((_, mark, _), stamp) in batch.iter().zip(try_join_all(set).await?) {
            listening::set_mark(shared, mark, Some(stamp));
            shared.pending.tell(stamp);
        }
    }
    batch.iter().for_each(|(number, mark, _)| shared.pending.done(*number, mark));
    Ok(true)
}

/// Tells of entries; returns whether L2 took any of it.
///
/// Under the lease of each, taken by force, so that of two processes that tell of one entry neither misses the other.
async fn tell(shared: &Shared, batch: &[Told]) -> Result<bool, Error> {
    let entries: Vec<Entry<'_>> = batch.iter().filter_map(entry).collect();
    let keys: Vec<&str> = entries.iter().map(|entry| &**entry.key).collect();
    let Some(store) = &shared.store else { return Ok(done(shared, &entries, |_| true)) };
    let Some(leases) = &shared.leases else {
        let stamp = shared.now_us();
        let (set, gone): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.is_set);
        let puts: Vec<Put<'_>> = set.iter().filter_map(|entry| put(entry, stamp)).collect();
        store.put(&puts).await?;
        store.remove(&gone.iter().map(|entry| &**entry.key).collect::<Vec<_>>()).await?;
        return Ok(done(shared, &entries, |_| true));
    };
    let token = crate::load::token();
    let wants: Vec<Want<'_>> =
        keys.iter().map(|key| Want { key, token: &token, seen: Seen::NOTHING, by_force: true }).collect();
    let taken = leases.take(&wants, LEASE).await?;
    let found = store.get(&keys).await?;
    let now_ms = store.as_ref().now_ms();
    // By the place in the batch: what is written, what is only removed, and what is let be.
    let (mut writes, mut written, mut gone, mut released) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (place, ((entry, found), taken)) in entries.iter().zip(found).zip(taken).enumerate() {
        let held = Held { key: entry.key, token: &token };
        let known = found.as_deref().and_then(envelope::times);
        let is_later = known.is_some_and(|(stamp, _)| entry.issued.is_before(stamp));
        let write = match (entry.value, known, found) {
            _ if !matches!(taken, Take::Taken { .. }) => continue,
            // What stands there was loaded or written later, and stays; those who hold what was before it are told.
            (_, Some((_, until_ms)), Some(value)) if is_later && !entry.is_set && until_ms > now_ms => {
                Some((value, Duration::from_millis(until_ms - now_ms)))
            }
            _ if is_later => None,
            // Asked for after the marks that this process told before it, whose stamps are of when they were told.
            (Some((seal, ttl)), ..) => Some((seal(entry.issued.us.max(shared.pending.told())), ttl)),
            (None, ..) => {
                gone.push(place);
                continue;
            }
        };
        match write {
            Some((value, ttl)) => {
                writes.push(Write { held, value, ttl, seen: None, announce: true });
                written.push(place);
            }
            None => released.push((place, held)),
        }
    }
    let told = leases.commit(&writes).await?;
    let gone_keys: Vec<&str> = gone.iter().filter_map(|place| keys.get(*place).copied()).collect();
    if !gone_keys.is_empty() {
        invalidate(shared, &gone_keys).await?;
    }
    let held: Vec<Held<'_>> = released.iter().map(|(_, held)| *held).collect();
    if !held.is_empty() {
        leases.release(&held).await?;
    }
    let mut over = vec![false; entries.len()];
    let written = written.into_iter().zip(told).filter_map(|(place, told)| told.then_some(place));
    for place in written.chain(gone).chain(released.into_iter().map(|(place, _)| place)) {
        if let Some(over) = over.get_mut(place) {
            *over = true;
        }
    }
    Ok(done(shared, &entries, |place| over.get(place).copied().unwrap_or(false)))
}

/// Strikes out what was told, and has this process look at it anew; returns whether that was anything.
fn done(shared: &Shared, entries: &[Entry<'_>], is_over: impl Fn(usize) -> bool) -> bool {
    let members = shared.members();
    let over: Vec<&Entry<'_>> =
        entries.iter().enumerate().filter(|(place, _)| is_over(*place)).map(|(_, entry)| entry).collect();
    for entry in &over {
        shared.pending.done(entry.number, entry.key);
        // What was loaded here while L2 was away is not what L2 holds now.
        let digest = digest(entry.key);
        shared.order.invalidate(digest);
        members.iter().for_each(|member| member.void(digest));
    }
    !over.is_empty()
}

fn entry((number, key, change): &Told) -> Option<Entry<'_>> {
    let number = *number;
    match change {
        Change::Invalidate { issued, grave, .. } => {
            let value = grave.as_ref().map(|grave| (grave, GRAVE));
            Some(Entry { number, key, issued: *issued, value, is_set: false })
        }
        Change::Set { issued, value, ttl, .. } => {
            let waited = issued.at.elapsed();
            let left = ttl.saturating_sub(waited).as_millis() > 0 && waited < GRAVE;
            let value = left.then(|| (value, ttl.saturating_sub(waited)));
            Some(Entry { number, key, issued: *issued, value, is_set: left })
        }
        Change::Mark => None,
    }
}

fn put<'a>(entry: &Entry<'a>, stamp: u64) -> Option<Put<'a>> {
    let (seal, ttl) = entry.value?;
    let value: Bytes = seal(stamp);
    Some(Put { key: entry.key, value, ttl })
}
