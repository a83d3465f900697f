//! What stands in L2 may be anything: mutations of genuine entries are misses or the genuine value, cost no more memory than
//! they may, and never a panic.
//!
//! `cargo xtask soak fuzz` runs a million; here it is a bounded number. `MYSTOCKS_SEED`, `MYSTOCKS_PAYLOADS` and `MYSTOCKS_MINUTES` choose.
#![expect(clippy::unwrap_used, reason = "what surrounds the tests may panic as they do")]
#![expect(clippy::print_stdout, reason = "seeds and figures are for whoever reads the log")]
#![expect(clippy::disallowed_methods, reason = "the figures are of real time")]

mod corpus;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use corpus::{Kind, SCHEMA, Series, cache, corpus};
use mystocks_cache::{MemoryStore, Policy, Put, Store};

/// So many payloads are tried when nobody asks for more.
const BOUNDED: u64 = 50_000;
const MAX_ENTRY: usize = 64 * 1024;
/// What reading costs beside the bytes of the value: the decoded value is a copy of them, and L1 has room of its own.
const BESIDE: u64 = 64 * 1024;
/// What serde sets aside, at most, for a sequence that claims to be long; only behind a checksum that fits.
const CLAIMED: u64 = 1 << 20;
/// JSON becomes a tree before it becomes a value: so many bytes for one.
const TREE: u64 = 64;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var_os(name)?;
    Some(text.to_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} is no number")))
}

#[test]
fn fuzzed_entries_are_misses_or_the_genuine_value() {
    let seed = number("MYSTOCKS_SEED").unwrap_or_else(|| fastrand::u64(..1 << 40));
    let payloads = number("MYSTOCKS_PAYLOADS").unwrap_or(BOUNDED);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let store = Arc::new(MemoryStore::new());
    let corpus = runtime.block_on(corpus(&store));
    let policy = |schema| Policy { max_entry: MAX_ENTRY, schema, ..Policy::default() };
    let (own, shared) = (cache(&store, policy(SCHEMA), false), cache(&store, policy(SCHEMA), true));
    let began = Instant::now();
    let ends = number("MYSTOCKS_MINUTES").map(|minutes| began + Duration::from_secs(60 * minutes));
    let payloads = if ends.is_some() { u64::MAX } else { payloads };
    let (mut misses, mut hits, mut peak) = (0_u64, 0_u64, [0_u64; 2]);
    let mut tried = 0;
    for payload in 0..payloads {
        if ends.is_some_and(|ends| Instant::now() > ends) {
            break;
        }
        tried = payload + 1;
        let entry = &corpus[random.usize(..corpus.len())];
        let (bytes, resealed) = entry.mutated(&mut random, &corpus);
        let untouched = bytes == entry.bytes;
        let said = format!("seed {seed}, payload {payload}, {:?}", entry.kind);
        let put = Put { key: entry.key, value: Bytes::from(bytes.clone()), ttl: Duration::from_secs(60) };
        runtime.block_on(store.put(&[put])).unwrap();
        let reader = if entry.kind == Kind::Shared { &shared } else { &own };
        reader.drop_l1();
        let name = [entry.name.to_owned()];
        let mut answer = None;
        let cost = allocation_counter::measure(|| answer = Some(runtime.block_on(reader.get_many(&name))));
        let found: Option<Arc<Series>> = answer.unwrap().unwrap().remove(0).map(|outcome| outcome.value);
        let tree = usize::from(entry.kind == Kind::Shared);
        peak[tree] = peak[tree].max(cost.bytes_max);
        let claimed = if resealed { CLAIMED } else { 0 };
        let most = [2, TREE][tree] * MAX_ENTRY as u64 + BESIDE + claimed;
        assert!(cost.bytes_max <= most, "{said}: {} bytes for {}: {bytes:x?}", cost.bytes_max, bytes.len());
        match (found, &entry.value) {
            // Whoever can write a checksum, or JSON, can write a value.
            (Some(_), _) if resealed || entry.kind == Kind::Shared => hits += 1,
            (Some(found), Some(value)) if found.as_ref() == value => hits += 1,
            (Some(found), _) => panic!("{said}: {bytes:x?} was read as {found:?}"),
            (None, Some(_)) if untouched => panic!("{said}: the entry itself is a hit"),
            (None, _) => misses += 1,
        }
    }
    let rate = tried as f64 / began.elapsed().as_secs_f64();
    let unreadable = own.stats().unreadable + shared.stats().unreadable;
    println!(
        "{tried} payloads, {rate:.0} a second: {misses} misses ({unreadable} unreadable), {hits} hits, 0 wrong; \
         at most {} bytes for an entry of ours, {} for a shared one, where one may hold {MAX_ENTRY}",
        peak[0], peak[1]
    );
    assert!(hits > 0 && misses > tried / 2, "{hits} hits, {misses} misses");
}
