//! Whoever was cut off is told so: what is missing lies in exactly one gap.

use std::time::Duration;

use fastrand::Rng;
use mystocks_bus::{Subscription, Topics};
use mystocks_testkit::{FaultProxy, Line, RedisServer};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::ledger::{Account, Handed, Publisher, account};
use crate::{Tick, bus, is_long, millis, seed};

const LONG: Duration = Duration::from_secs(30);
/// Within this it is to be live again; `cargo xtask soak bus` holds it to that.
const SOON: Duration = Duration::from_millis(200);

/// Takes everything until the subscription ends.
fn collect(mut subscription: Subscription<Tick>) -> AbortOnDropHandle<Vec<Handed>> {
    AbortOnDropHandle::new(TaskTracker::new().spawn(async move {
        let mut handed = Vec::new();
        while let Some(delivery) = subscription.next().await {
            handed.push(Handed::from(delivery));
        }
        handed
    }))
}

async fn until_live(live: &mut watch::Receiver<bool>, is_live: bool) {
    timeout(LONG, live.wait_for(|now| *now == is_live)).await.expect("in time").unwrap();
}

/// What the times until it was live again were.
fn report(what: &str, seed: u64, mut back: Vec<Duration>, found: &Account) {
    back.sort();
    let (median, longest) = (back[back.len() / 2], back[back.len() - 1]);
    println!(
        "{what}: seed {seed}; {} delivered, {} missing, all of them in {} gaps, {} gaps with nothing missing; live again after \
         {median:?}, at most {longest:?}",
        found.delivered, found.missing, found.gaps, found.empty
    );
    assert!(!is_long() || longest <= SOON, "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lost_connection_costs_is_told() {
    let (seed, faults) = (seed(), if is_long() { 200 } else { 40 });
    println!("{faults} faults, seed {seed}");
    let mut random = Rng::with_seed(seed);
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let (here, there) = (bus(&server.url()).await, bus(&proxy.url(0)).await);
    let subscription = there.subscribe(Topics::from(Tick::topic()).messages(1 << 20)).await.unwrap();
    let mut live = subscription.live();
    let handed = collect(subscription);
    let publisher = Publisher::start(here, millis(1));
    let mut back = Vec::new();
    for fault in 0..faults {
        sleep(millis(random.u64(0..60))).await;
        match if fault % 4 == 0 { random.u8(1..5) } else { 0 } {
            0 => proxy.cut(),
            // Silence, which only asking shows.
            1 => proxy.black_hole(),
            // The new connections, too, break when they subscribe.
            2 => proxy.sever(Some(Line::Subscription)),
            // The answer to subscribing anew does not come.
            3 => {
                proxy.hush(Some(Line::Subscription));
                proxy.cut();
            }
            _ => {
                proxy.refuse(true);
                proxy.cut();
            }
        }
        until_live(&mut live, false).await;
        sleep(millis(random.u64(0..200))).await;
        let healed = Instant::now();
        proxy.heal();
        until_live(&mut live, true).await;
        back.push(healed.elapsed());
    }
    publisher.goes_on(20).await;
    let published = publisher.stop().await;
    sleep(millis(200)).await;
    there.shutdown().await;
    let handed = timeout(LONG, handed).await.unwrap().unwrap();
    let found = account(&published, &handed);
    report("lost connections", seed, back, &found);
    assert_eq!(found.gaps, faults, "one for each");
    assert_eq!(found.delivered + found.missing, published.len());
    assert!(found.missing > 0, "nothing was lost, so nothing was shown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_restarted_server_costs_is_told() {
    let (seed, restarts) = (seed(), if is_long() { 20 } else { 4 });
    println!("{restarts} restarts, seed {seed}");
    let mut random = Rng::with_seed(seed);
    let mut server = RedisServer::start().await;
    let (here, there) = (bus(&server.url()).await, bus(&server.url()).await);
    let subscription = there.subscribe(Topics::from(Tick::topic()).messages(1 << 20)).await.unwrap();
    let mut live = subscription.live();
    let handed = collect(subscription);
    let publisher = Publisher::start(here, millis(1));
    let mut back = Vec::new();
    for _ in 0..restarts {
        sleep(millis(random.u64(100..300))).await;
        server.kill().await;
        until_live(&mut live, false).await;
        sleep(millis(random.u64(0..1000))).await;
        server.restart().await;
        let accepts = Instant::now();
        until_live(&mut live, true).await;
        back.push(accepts.elapsed());
        // The publisher takes longer to come back.
        publisher.goes_on(20).await;
    }
    let published = publisher.stop().await;
    sleep(millis(200)).await;
    there.shutdown().await;
    let handed = timeout(LONG, handed).await.unwrap().unwrap();
    let found = account(&published, &handed);
    report("restarts", seed, back, &found);
    assert_eq!(found.gaps, restarts, "one for each");
}
