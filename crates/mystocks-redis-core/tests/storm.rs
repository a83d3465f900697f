//! Many callers while the connection is cut again and again: nothing that must not happen twice does.

mod fixture;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fixture::{LONG, attached, connected, witness};
use mystocks_redis_core::Call;
use mystocks_testkit::{FaultProxy, RedisServer, eventually};
use redis::cmd;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const CUTS: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_happens_at_most_once_and_once_when_it_was_answered() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let manager = connected(&proxy.url(1)).await;
    let answers = Arc::new(AtomicU64::new(0));
    let over = CancellationToken::new();
    let mut callers = JoinSet::new();
    for caller in 0..8 {
        let (manager, answers, over) = (manager.clone(), Arc::clone(&answers), over.clone());
        callers.spawn(async move {
            let mut outcomes = Vec::new();
            while !over.is_cancelled() {
                let key = format!("once:{caller}:{}", outcomes.len());
                let answer = manager.query::<i64>(cmd("INCR").arg(&key), Call::once()).await;
                let answered = answer.is_ok();
                outcomes.push((key, answered));
                if answered {
                    answers.fetch_add(1, Ordering::SeqCst);
                } else {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            outcomes
        });
    }
    for _ in 0..CUTS {
        let so_far = answers.load(Ordering::SeqCst);
        eventually("calls are answered between the cuts", LONG, async || {
            answers.load(Ordering::SeqCst) >= so_far + 50
        })
        .await;
        proxy.cut();
    }
    over.cancel();
    attached(&manager).await;
    let mut direct = witness(&server).await;
    let mut unanswered = 0;
    for (key, answered) in callers.join_all().await.into_iter().flatten() {
        let times: Option<i64> = cmd("GET").arg(&key).query_async(&mut direct).await.unwrap();
        let times = times.unwrap_or_default();
        assert!(if answered { times == 1 } else { times <= 1 }, "{key}: {times}, answered: {answered}");
        unanswered += u64::from(!answered);
    }
    assert!(unanswered >= CUTS, "the cuts hit calls under way: {unanswered}");
}
