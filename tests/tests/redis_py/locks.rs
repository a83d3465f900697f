//! Locks of a Python process and of ours: who sees whom, and who is refused.

use std::time::Duration;

use mystocks_config::{LockSettings, RedisSettings};
use mystocks_keys::Keyspace;
use mystocks_lock::{
    ErrorKind, Extended, LockGuard, Locker, LossReason, RedisLocks, Released, Resource, Token,
};
use mystocks_redis_core::RedisManager;
use mystocks_testkit::{RedisServer, eventually};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::peer::Peer;

const LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn connect(server: &RedisServer) -> RedisManager {
    RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap()
}

pub(crate) fn locker(manager: &RedisManager) -> Locker {
    let keyspace = Keyspace::default();
    Locker::new(RedisLocks::new(manager.clone(), &keyspace).unwrap(), &LockSettings::default(), &keyspace)
}

struct Both {
    _server: RedisServer,
    manager: RedisManager,
    locker: Locker,
    python: Peer,
}

impl Both {
    async fn start() -> Self {
        let server = RedisServer::start().await;
        let manager = connect(&server).await;
        Self { locker: locker(&manager), python: Peer::start(&server.url()), manager, _server: server }
    }

    /// Has Python lock `resource` for so many milliseconds; returns the token.
    fn python_locks(&mut self, resource: &str, millis: i64) -> Option<String> {
        self.python.ask("lock", &[resource], Some(millis)).to_deserialize().unwrap()
    }

    /// Begins to wait for `resource` and returns when the first look was in vain.
    async fn wait_for(&self, resource: &'static str) -> JoinSet<(LockGuard, Instant)> {
        let locker = self.locker.clone();
        let mut waiting = JoinSet::new();
        waiting.spawn(async move {
            let guard = locker.lock(resource, LIMIT).await.unwrap().expect("it is free in the end");
            (guard, Instant::now())
        });
        let is_seen =
            async || self.locker.info(resource).await.unwrap().is_some_and(|info| info.waiters == 1);
        eventually("it waits in the queue", LIMIT, is_seen).await;
        waiting
    }

    async fn end(self) {
        self.locker.shutdown().await;
        self.manager.shutdown().await;
    }
}

#[tokio::test]
async fn a_lock_of_python_is_seen_here() {
    let mut both = Both::start().await;
    let token = both.python_locks("task:batch:b-17", 60_000).unwrap();
    let wanted = both.locker.batch_task_lock("b-17").unwrap();
    assert!(both.locker.try_lock(&wanted).await.unwrap().is_none(), "the named lock is the same key");

    let info = both.locker.info(&wanted).await.unwrap().unwrap();
    assert_eq!((info.resource.as_str(), info.waiters), ("task:batch:b-17", 0));
    assert_eq!((info.owner, info.fence, info.acquired_at), (None, None, None), "of Python no more is known");
    let left = info.ttl.unwrap();
    assert!(left > LIMIT && left <= 2 * LIMIT, "{left:?} left of a minute");
    let listed: Vec<String> =
        both.locker.list("task:").await.unwrap().into_iter().map(|info| info.resource).collect();
    assert_eq!(listed, ["task:batch:b-17"]);

    assert_eq!(both.python.number("unlock", &["task:batch:b-17", &token]), 1);
    assert!(!both.locker.is_locked(&wanted).await.unwrap());
    both.end().await;
}

#[tokio::test]
async fn a_lock_of_ours_is_seen_by_python() {
    let mut both = Both::start().await;
    let guard = both.locker.try_lock(Resource::new("nightly").ttl(2 * LIMIT)).await.unwrap().unwrap();
    assert_eq!(both.python.text("holder", &["nightly"]), guard.token().as_str());
    let left = both.python.number("lock_ttl_ms", &["nightly"]);
    assert!((30_000..=60_000).contains(&left), "{left} ms left of a minute");
    assert_eq!(both.python_locks("nightly", 1000), None);
    assert_eq!(guard.release().await.unwrap(), Released::Released);
    assert!(both.python_locks("nightly", 1000).is_some());
    both.end().await;
}

#[tokio::test]
async fn nobody_touches_what_the_other_holds() {
    let mut both = Both::start().await;
    let theirs = both.python_locks("theirs", 60_000).unwrap();
    let ours = both.locker.try_lock("ours").await.unwrap().unwrap();
    let (foreign, own) = (Token::from("not-the-token"), ours.token().as_str().to_owned());

    assert_eq!(both.locker.release("theirs", &foreign).await.unwrap(), Released::TakenOver);
    assert_eq!(both.locker.extend("theirs", &foreign, LIMIT).await.unwrap(), Extended::TakenOver);
    assert_eq!(both.python.text("holder", &["theirs"]), theirs);
    let left = both.python.number("lock_ttl_ms", &["theirs"]);
    assert!(left > 45_000, "{left} ms left of a minute: a stranger has set it to 30 s");
    assert_eq!(both.python.number("unlock", &["ours", &theirs]), 0);
    assert_eq!(
        both.python.ask("extend_lock", &["ours", &theirs], Some(1)).to_deserialize::<i64>().unwrap(),
        0
    );
    assert_eq!(both.python.text("holder", &["ours"]), own);
    assert!(ours.is_valid());

    // With the token it is one lock, whoever asks.
    let extended = both.locker.extend("theirs", &Token::from(theirs.as_str()), 4 * LIMIT).await.unwrap();
    assert_eq!(extended, Extended::Extended);
    assert!(both.python.number("lock_ttl_ms", &["theirs"]) > 90_000);
    let taken = LockGuard::from_token(&both.locker, "theirs", Token::from(theirs.as_str())).await.unwrap();
    assert_eq!(taken.unwrap().release().await.unwrap(), Released::Released);
    assert_eq!(both.python.number("unlock", &["ours", &own]), 1);
    assert_eq!(ours.release().await.unwrap(), Released::AlreadyExpired);
    both.end().await;
}

#[tokio::test]
async fn work_ends_when_python_has_taken_the_lock_over() {
    let mut both = Both::start().await;
    let resource = Resource::new("report").ttl(Duration::from_secs(3));
    let (began, begun) = tokio::sync::oneshot::channel();
    let locker = both.locker.clone();
    let mut work = JoinSet::new();
    work.spawn(async move {
        locker
            .with_lock(resource, LIMIT, |_| async move {
                began.send(()).unwrap();
                std::future::pending::<()>().await;
            })
            .await
    });
    begun.await.unwrap();
    let token = both.python.text("holder", &["report"]);
    both.python.number("unlock", &["report", &token]);
    assert!(both.python_locks("report", 60_000).is_some());
    let error = work.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Lost);
    assert!(error.to_string().contains("taken_over"), "{error}");
    both.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_python_releases_in_silence_is_soon_ours() {
    let mut both = Both::start().await;
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let token = both.python_locks("quiet", 60_000).unwrap();
        let mut waiting = both.wait_for("quiet").await;
        assert_eq!(both.python.number("unlock", &["quiet", &token]), 1);
        let released = Instant::now();
        let (guard, held) = waiting.join_next().await.unwrap().unwrap();
        longest = longest.max(held.saturating_duration_since(released));
        assert_eq!(guard.release().await.unwrap(), Released::Released);
    }
    println!(
        "released by Python without a word: ours after {:.1} ms at most",
        longest.as_secs_f64() * 1000.0
    );
    assert!(longest <= Duration::from_millis(500), "{longest:?}");
    both.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_python_process_held_is_ours_after_its_time() {
    let mut both = Both::start().await;
    assert!(both.python_locks("orphan", 1500).is_some());
    // From after the answer: the key lives no longer than this.
    let locked = Instant::now();
    let mut waiting = both.wait_for("orphan").await;
    both.python.kill();
    let (guard, held) = waiting.join_next().await.unwrap().unwrap();
    let after = held - locked;
    println!("locked for 1500 ms by a process that died: ours after {:.1} ms", after.as_secs_f64() * 1000.0);
    assert!(after > Duration::from_millis(1300), "taken from a live lock after {after:?}");
    assert!(after < Duration::from_millis(2000), "{after:?}");
    assert!(guard.is_valid());
    let reason =
        tokio::select! { reason = guard.lost() => Some(reason), () = std::future::ready(()) => None };
    assert_eq!(reason, None::<LossReason>);
    drop(guard);
    both.end().await;
}
