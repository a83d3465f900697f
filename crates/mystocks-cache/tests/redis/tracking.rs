//! A store whose reads the server watches: what others touch is heard, whatever program they are.

use bytes::Bytes;
use mystocks_cache::{
    Backplane, Held, Invalidation, Keyspace, Leases, Put, RedisBackplane, RedisLeases, RedisStore, Seen,
    Signal, Store, Take, Want, Write, digest,
};
use mystocks_config::RedisSettings;
use mystocks_redis_core::RedisManager;
use redis::cmd;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use crate::processes::{HOUR, PATIENCE, Shared, ask};

const NOTHING: [u64; 0] = [];

struct Tracked {
    shared: Shared,
    store: RedisStore,
    leases: RedisLeases,
    _backplane: RedisBackplane,
    signals: Receiver<Signal>,
}

impl Tracked {
    async fn start() -> Self {
        let shared = Shared::start().await;
        let settings = RedisSettings::from_url(&shared.redis.server.url()).unwrap();
        let (manager, tracking) = RedisManager::start_tracked(&settings).await.unwrap();
        let store = RedisStore::tracked(manager);
        let (leases, backplane) = store.process(&Keyspace::default()).unwrap();
        let backplane = backplane.with_tracking(tracking);
        let mut signals = backplane.listen();
        while timeout(PATIENCE, signals.recv()).await.unwrap().unwrap() != Signal::Up {}
        Self { shared, store, leases, _backplane: backplane, signals }
    }

    /// Writes as another program does.
    async fn set(&self, key: &str) {
        let _: () = ask(&self.shared, cmd("SET").arg(key).arg("theirs")).await;
    }

    /// Returns the digests of all that was told up to now.
    async fn told(&mut self) -> Vec<u64> {
        // Its pushes stand on the same connection before this one's, which the server sends in order.
        self.store.get(&["the end"]).await.unwrap();
        self.set("the end").await;
        let mut all = Vec::new();
        loop {
            match timeout(PATIENCE, self.signals.recv()).await.unwrap().unwrap() {
                Signal::Keys { digests, stamp } if digests == [digest("the end")] => {
                    assert_eq!(stamp, 0);
                    return all;
                }
                Signal::Keys { digests, .. } => all.extend(digests),
                other => panic!("{other:?}"),
            }
        }
    }

    async fn take(&self, key: &str) -> Take {
        let want = Want { key, token: "t", seen: Seen::NOTHING, by_force: false };
        self.leases.take(&[want], HOUR).await.unwrap().remove(0)
    }
}

#[tokio::test]
async fn what_was_read_is_watched_and_what_was_not_is_not() {
    let mut tracked = Tracked::start().await;
    tracked.set("a").await;
    tracked.store.get(&["a"]).await.unwrap();
    tracked.store.get(&["b", "c"]).await.unwrap();
    assert_eq!(tracked.told().await, NOTHING);
    for key in ["a", "b", "unread"] {
        tracked.set(key).await;
    }
    assert_eq!(tracked.told().await, [digest("a"), digest("b")]);
    tracked.set("a").await;
    assert_eq!(tracked.told().await, NOTHING, "told once for each read");
}

#[tokio::test]
async fn what_was_written_is_watched_on_and_is_not_told_to_the_writer() {
    let mut tracked = Tracked::start().await;
    for size in [1, 200_000] {
        let key = &format!("k{size}");
        assert_eq!(tracked.store.get(&[key]).await.unwrap(), [None]);
        let taken = tracked.take(key).await;
        assert!(matches!(taken, Take::Taken { .. }), "{taken:?}");
        let (held, value) = (Held { key, token: "t" }, Bytes::from(vec![7; size]));
        let write = Write { held, value: value.clone(), ttl: HOUR, seen: None, announce: true };
        assert_eq!(tracked.leases.commit(&[write]).await.unwrap(), [true]);
        assert_eq!(tracked.told().await, NOTHING);
        tracked.set(key).await;
        assert_eq!(tracked.told().await, [digest(key)]);
        tracked.store.get(&[key]).await.unwrap();
        tracked.store.put(&[Put { key, value, ttl: HOUR }]).await.unwrap();
        tracked.store.remove(&[key]).await.unwrap();
        assert_eq!(tracked.told().await, NOTHING);
    }
}

#[tokio::test]
async fn an_entry_that_is_answered_instead_of_a_lease_is_watched() {
    let mut tracked = Tracked::start().await;
    tracked.set("k").await;
    assert_eq!(tracked.take("k").await, Take::Changed(Bytes::from("theirs")));
    tracked.set("k").await;
    assert_eq!(tracked.told().await, [digest("k")]);
}

#[tokio::test]
async fn a_flushed_server_is_told_as_down_and_up_and_others_invalidations_still_come() {
    let mut tracked = Tracked::start().await;
    let _: () = ask(&tracked.shared, &cmd("FLUSHALL")).await;
    for expected in [Signal::Down, Signal::Up] {
        assert_eq!(timeout(PATIENCE, tracked.signals.recv()).await.unwrap(), Some(expected));
    }
    tracked.shared.backplane.invalidate(Invalidation::Recheck("bars")).await.unwrap();
    let heard = timeout(PATIENCE, tracked.signals.recv()).await.unwrap();
    assert_eq!(heard, Some(Signal::Recheck { cache: "bars".to_owned() }));
}
