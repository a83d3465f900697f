//! Many single reads at once: few commands, to each its own answer, and nobody left behind.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{join_all, poll_immediate};
use mystocks_cache::{Error, ErrorKind, Put, RedisStore, Store};
use mystocks_config::RedisSettings;
use mystocks_redis_core::RedisManager;
use mystocks_testkit::{FaultProxy, eventually};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::fixture::PrivateRedis;

const PATIENCE: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);
/// So many reads at once go out one by one.
const ALONE: usize = 32;

type Read = Result<Vec<Option<Bytes>>, Error>;

/// What is written under key `n`; nothing under every seventh.
fn expected(n: usize) -> Option<Bytes> {
    (!n.is_multiple_of(7)).then(|| Bytes::from(format!("value {n}")))
}

fn key(n: usize) -> String {
    format!("k{n}")
}

async fn fill(store: &RedisStore, count: usize) {
    let keys: Vec<String> = (0..count).map(key).collect();
    let entries = keys.iter().enumerate();
    let entries: Vec<_> =
        entries.filter_map(|(n, key)| Some(Put { key, value: expected(n)?, ttl: HOUR })).collect();
    store.put(&entries).await.unwrap();
}

/// A store whose connection goes through a proxy, with time enough for every fault to be seen.
async fn behind_a_proxy(direct: &PrivateRedis) -> (FaultProxy, RedisManager, RedisStore) {
    let proxy = FaultProxy::start(direct.server.address()).await;
    let mut settings = RedisSettings::from_url(&proxy.url(1)).unwrap();
    settings.socket_timeout = 2 * PATIENCE;
    let manager = RedisManager::start(&settings).await.unwrap();
    (proxy, manager.clone(), RedisStore::new(manager))
}

fn read(store: &RedisStore, n: usize) -> impl Future<Output = Read> + Send + 'static {
    let store = store.clone();
    async move { store.get(&[&key(n)]).await }
}

/// Waits until the server has executed at least `calls` of `command`; the answers may be on their way.
async fn seen(direct: &PrivateRedis, command: &str, calls: usize) {
    let what = format!("{calls} {command}");
    eventually(&what, PATIENCE, async || {
        direct.executed().await.get(command).copied().unwrap_or(0) >= calls as u64
    })
    .await;
}

async fn within_patience<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("somebody hangs")
}

#[tokio::test]
async fn two_thousand_readers_get_their_own_values_with_few_commands() {
    let private = PrivateRedis::start().await;
    fill(&private.store, 1_500).await;
    let _: () = private.ask(&["CONFIG", "RESETSTAT"]).await;
    let reads = (0..2_000).map(|n| read(&private.store, n % 1_500));
    for (n, value) in within_patience(join_all(reads)).await.into_iter().enumerate() {
        assert_eq!(value.unwrap(), [expected(n % 1_500)], "reader {n}");
    }
    let executed = private.executed().await;
    assert_eq!(executed.get("get"), Some(&(ALONE as u64)), "{executed:?}");
    let mget = executed.get("mget").copied().unwrap_or(0);
    // Asked for 256 at a time 1,968 keys are 8.
    assert!((8..=12).contains(&mget), "{executed:?}");
}

#[tokio::test]
async fn few_readers_are_not_gathered() {
    let private = PrivateRedis::start().await;
    fill(&private.store, ALONE).await;
    let _: () = private.ask(&["CONFIG", "RESETSTAT"]).await;
    for _ in 0..3 {
        let reads = (0..ALONE).map(|n| read(&private.store, n));
        for (n, value) in within_patience(join_all(reads)).await.into_iter().enumerate() {
            assert_eq!(value.unwrap(), [expected(n)]);
        }
    }
    let executed = private.executed().await;
    assert_eq!(executed.into_iter().collect::<Vec<_>>(), [("get".to_owned(), 3 * ALONE as u64)]);
}

#[tokio::test]
async fn large_values_are_gathered_in_small_batches_and_bulk_reads_never() {
    let private = PrivateRedis::start().await;
    let value = Bytes::from(vec![7; 16 * 1024]);
    private.store.put(&[Put { key: "k1", value: value.clone(), ttl: HOUR }]).await.unwrap();
    let executed = async |store: &RedisStore| {
        let _: () = private.ask(&["CONFIG", "RESETSTAT"]).await;
        let reads = (0..ALONE + 128).map(|_| read(store, 1));
        for read in within_patience(join_all(reads)).await {
            assert_eq!(read.unwrap(), [Some(value.clone())]);
        }
        let executed = private.executed().await;
        ["get", "mget"].map(|command| executed.get(command).copied().unwrap_or(0))
    };
    assert_eq!(executed(&private.store).await, [32, 1]);
    assert_eq!(executed(&private.store).await, [32, 8]);
    assert_eq!(executed(&private.store.clone().bulk()).await, [160, 0]);
}

#[tokio::test]
async fn whoever_goes_away_takes_no_answer_from_the_others() {
    let direct = PrivateRedis::start().await;
    fill(&direct.store, 400).await;
    let (proxy, _, store) = behind_a_proxy(&direct).await;
    let _: () = direct.ask(&["CONFIG", "RESETSTAT"]).await;
    proxy.hold_replies(true);
    // Two go out, and what comes after them waits.
    let readers: Vec<JoinHandle<Read>> = (0..400).map(|n| tokio::spawn(read(&store, n))).collect();
    seen(&direct, "get", ALONE).await;
    let goes = |n: usize| n == ALONE || n.is_multiple_of(3);
    for (n, reader) in readers.iter().enumerate() {
        if goes(n) {
            reader.abort();
        }
    }
    proxy.hold_replies(false);
    for (n, reader) in readers.into_iter().enumerate() {
        match within_patience(reader).await {
            Ok(value) => assert_eq!(value.unwrap(), [expected(n)], "reader {n}"),
            Err(aborted) => assert!(aborted.is_cancelled() && goes(n), "reader {n}"),
        }
    }
}

/// Starts two collectors on `runtime`, both waiting for an answer the proxy holds back.
fn occupy_collectors(runtime: &Runtime, direct: &PrivateRedis, store: &RedisStore) -> Vec<JoinHandle<Read>> {
    runtime.block_on(async {
        let mut readers: Vec<_> = (0..=ALONE).map(|n| tokio::spawn(read(store, n))).collect();
        seen(direct, "mget", 1).await;
        readers.push(tokio::spawn(read(store, ALONE + 1)));
        seen(direct, "mget", 2).await;
        readers
    })
}

#[test]
fn readers_whose_collector_ends_read_by_themselves() {
    let ours = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let theirs = Builder::new_current_thread().enable_all().build().unwrap();
    let (direct, proxy, _manager, store) = ours.block_on(async {
        let direct = PrivateRedis::start().await;
        fill(&direct.store, 100).await;
        let (proxy, manager, store) = behind_a_proxy(&direct).await;
        let _: () = direct.ask(&["CONFIG", "RESETSTAT"]).await;
        proxy.hold_replies(true);
        (direct, proxy, manager, store)
    });
    let gone = occupy_collectors(&theirs, &direct, &store);
    // From here on their runtime stands still, with both seats taken.
    let mut reads = Box::pin(join_all((50..100).map(|n| read(&store, n))));
    assert!(ours.block_on(poll_immediate(&mut reads)).is_none());
    drop((gone, theirs));
    proxy.hold_replies(false);
    for (n, value) in (50..100).zip(ours.block_on(within_patience(reads))) {
        assert_eq!(value.unwrap(), [expected(n)], "reader {n}");
    }
    // The seats are free again.
    let later = ours.block_on(within_patience(join_all((0..100).map(|n| read(&store, n)))));
    for (n, value) in later.into_iter().enumerate() {
        assert_eq!(value.unwrap(), [expected(n)], "reader {n}");
    }
}

#[tokio::test]
async fn an_unanswered_batch_holds_up_no_other() {
    let direct = PrivateRedis::start().await;
    fill(&direct.store, 100).await;
    let (proxy, _, store) = behind_a_proxy(&direct).await;
    let _: () = direct.ask(&["CONFIG", "RESETSTAT"]).await;
    proxy.hold_replies(true);
    let mut readers: Vec<_> = (0..ALONE).map(|n| tokio::spawn(read(&store, n))).collect();
    for batch in 1..=6 {
        readers.push(tokio::spawn(read(&store, ALONE + batch)));
        seen(&direct, "mget", batch).await;
    }
    proxy.hold_replies(false);
    for reader in readers {
        within_patience(reader).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_reader_who_gives_up_has_the_connection_looked_at() {
    let direct = PrivateRedis::start().await;
    fill(&direct.store, 100).await;
    let (proxy, _, store) = behind_a_proxy(&direct).await;
    let _: () = direct.ask(&["CONFIG", "RESETSTAT"]).await;
    proxy.black_hole();
    let readers: Vec<_> = (0..ALONE + 20).map(|n| tokio::spawn(read(&store, n))).collect();
    tokio::task::yield_now().await;
    readers[ALONE + 1].abort();
    // Silent, and nobody else complains: the others have a minute.
    for (n, reader) in readers.into_iter().enumerate().filter(|(n, _)| *n != ALONE + 1) {
        assert_eq!(within_patience(reader).await.unwrap().unwrap(), [expected(n)], "reader {n}");
    }
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn a_batch_nobody_waits_for_is_given_up() {
    let direct = PrivateRedis::start().await;
    fill(&direct.store, 100).await;
    let (proxy, _, store) = behind_a_proxy(&direct).await;
    proxy.black_hole();
    let mut readers: Vec<_> = (0..ALONE + 20).map(|n| tokio::spawn(read(&store, n))).collect();
    tokio::task::yield_now().await;
    for gathered in readers.drain(ALONE..) {
        gathered.abort();
    }
    eventually("the connection was looked at", PATIENCE, async || proxy.connections() == 2).await;
    for (n, reader) in readers.into_iter().enumerate() {
        assert_eq!(within_patience(reader).await.unwrap().unwrap(), [expected(n)], "reader {n}");
    }
    assert_eq!(direct.executed().await.get("mget"), None);
}

#[tokio::test]
async fn when_the_server_dies_every_reader_gets_an_error_about_its_own_key() {
    let mut direct = PrivateRedis::start().await;
    let (proxy, manager, store) = behind_a_proxy(&direct).await;
    let _: () = direct.ask(&["CONFIG", "RESETSTAT"]).await;
    proxy.hold_replies(true);
    let readers: Vec<_> = (0..1_000).map(|n| tokio::spawn(read(&store, n))).collect();
    seen(&direct, "mget", 4).await;
    direct.server.kill().await;
    proxy.refuse(true);
    proxy.cut();
    for (n, reader) in readers.into_iter().enumerate() {
        let error = within_patience(reader).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let subject = format!("get \"k{n}\": ");
        assert!(error.to_string().starts_with(&subject), "reader {n}: {error}");
    }
    proxy.hold_replies(false);
    proxy.refuse(false);
    direct.server.restart().await;
    eventually("connected again", PATIENCE, async || manager.health_check().await.is_up()).await;
    fill(&store, 1_000).await;
    let reads = (0..1_000).map(|n| read(&store, n));
    for (n, value) in within_patience(join_all(reads)).await.into_iter().enumerate() {
        assert_eq!(value.unwrap(), [expected(n)], "reader {n}");
    }
}

#[tokio::test]
async fn after_shutdown_reads_go_out_one_by_one() {
    let direct = PrivateRedis::start().await;
    fill(&direct.store, 200).await;
    let (proxy, _, store) = behind_a_proxy(&direct).await;
    let _: () = direct.ask(&["CONFIG", "RESETSTAT"]).await;
    proxy.hold_replies(true);
    let readers: Vec<_> = (0..100).map(|n| tokio::spawn(read(&store, n))).collect();
    seen(&direct, "mget", 1).await;
    within_patience(store.shutdown()).await;
    // Those whose batch was given up ask by themselves.
    seen(&direct, "get", 100).await;
    proxy.hold_replies(false);
    let later = join_all((100..200).map(|n| read(&store, n)));
    let later = within_patience(later).await;
    for (n, reader) in readers.into_iter().enumerate() {
        assert_eq!(within_patience(reader).await.unwrap().unwrap(), [expected(n)], "reader {n}");
    }
    for (n, value) in (100..).zip(later) {
        assert_eq!(value.unwrap(), [expected(n)], "reader {n}");
    }
    let executed = direct.executed().await;
    assert_eq!((executed.get("get"), executed.get("mget")), (Some(&200), Some(&1)), "{executed:?}");
}
