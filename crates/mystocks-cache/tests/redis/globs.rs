//! The store in memory reads a glob exactly as the server does.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use mystocks_cache::{Cursor, MemoryStore, Put, Store};

use crate::fixture::PrivateRedis;

const HOUR: Duration = Duration::from_secs(3600);

fn text(rng: &mut fastrand::Rng, alphabet: &[u8], longest: usize) -> String {
    let length = rng.usize(1..=longest);
    let chosen = (0..length).map(|_| char::from(*rng.choice(alphabet).unwrap()));
    chosen.collect()
}

async fn matching(store: &dyn Store, glob: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut cursor = Some(Cursor::START);
    while let Some(at) = cursor {
        let page = store.scan(glob, at).await.unwrap();
        found.extend(page.keys);
        cursor = page.next;
    }
    found
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "a failed run tells its seed")]
async fn random_globs_match_the_same_keys_in_memory_and_on_the_server() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let (memory, private) = (MemoryStore::new(), PrivateRedis::start().await);
    let keys: BTreeSet<String> = (0..400).map(|_| text(&mut rng, b"ab-c^]\\*", 5)).collect();
    let entries: Vec<_> =
        keys.iter().map(|key| Put { key, value: Bytes::from_static(b"v"), ttl: HOUR }).collect();
    memory.put(&entries).await.unwrap();
    private.store.put(&entries).await.unwrap();
    let mut matched = 0;
    for _ in 0..3_000 {
        let glob = text(&mut rng, b"aabbc-^[]\\*?", 8);
        let here = matching(&memory, &glob).await;
        matched += here.len();
        assert_eq!(here, matching(&private.store, &glob).await, "{glob:?}, seed {seed}");
    }
    assert!(matched > 1_000, "seed {seed}: {matched} matches: the globs test too little");
}
