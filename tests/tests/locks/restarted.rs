//! Five servers, of which two lose all they knew while somebody holds a lock that two others have not heard of.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use mystocks_config::LockSettings;
use mystocks_lock::{Keyspace, LockBackend, Locker, QuorumLocks, RedisLocks, Resource};
use mystocks_testkit::{FaultProxy, RedisServer};
use tokio::time::{Instant, sleep};

use crate::{connect, is_long, millis, seed};

const SERVERS: usize = 5;
/// For a slow machine: two servers have to be restarted, and connected to, before it is over.
const TTL: Duration = Duration::from_millis(1_500);
const PATIENCE: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_that_forgot_grant_nothing_in_quarantine() {
    let (trials, granted) = trials(true).await;
    assert_eq!(granted, 0, "of {trials}");
}

/// What the quarantine is for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_that_forgot_grant_it_again_without_quarantine() {
    let (trials, granted) = trials(false).await;
    assert!(granted > 0, "of {trials}");
}

/// Returns how many trials there were, and in how many somebody else was granted what was still held.
async fn trials(quarantine: bool) -> (usize, usize) {
    let (worlds, each) = if is_long() { (8, 25) } else { (5, 2) };
    let seed = seed();
    println!("restarted: {} trials, quarantine {quarantine}, seed {seed}", worlds * each);
    let began = Instant::now();
    let worlds = (0..worlds as u64).map(async |n| {
        let mut random = fastrand::Rng::with_seed(seed.wrapping_add(n));
        let mut five = Five::start(quarantine).await;
        let (mut granted, mut asked) = (0, 0);
        for trial in 0..each {
            let (is_granted, times) = five.trial(trial, &mut random).await;
            (granted, asked) = (granted + usize::from(is_granted), asked + usize::from(times > 0));
        }
        (each, granted, asked)
    });
    let all = join_all(worlds).await;
    let sum = |part: fn(&(usize, usize, usize)) -> usize| all.iter().map(part).sum::<usize>();
    let (trials, granted, asked) = (sum(|all| all.0), sum(|all| all.1), sum(|all| all.2));
    println!(
        "quarantine {quarantine}: granted twice in {granted} of {trials} trials; in {asked} it was asked for after the \
         restart, while it was held; {:.0} s",
        began.elapsed().as_secs_f64()
    );
    assert!(asked > trials / 2, "in {asked} of {trials} trials only the restart came in time");
    (trials, granted)
}

/// Five servers and two processes; what the first says to a server can be cut off.
struct Five {
    servers: Vec<RedisServer>,
    proxies: Vec<FaultProxy>,
    here: Locker,
    there: Locker,
    quarantine: bool,
}

impl Five {
    async fn start(quarantine: bool) -> Self {
        let servers = join_all((0..SERVERS).map(|_| RedisServer::start())).await;
        let proxies = join_all(servers.iter().map(|server| FaultProxy::start(server.address()))).await;
        let here = on(proxies.iter().map(|proxy| proxy.url(1)), quarantine).await;
        let there = on(servers.iter().map(RedisServer::url), quarantine).await;
        let five = Self { servers, proxies, here, there, quarantine };
        five.until_trusted().await;
        five
    }

    /// Waits until the quarantine of who was restarted is over.
    async fn until_trusted(&self) {
        if self.quarantine {
            sleep(TTL + Duration::from_secs(2)).await;
        }
    }

    /// Returns whether it was granted twice, and how often the other asked for it after the restart, while it was held.
    async fn trial(&mut self, trial: usize, random: &mut fastrand::Rng) -> (bool, usize) {
        let resource = || Resource::new(format!("report-{trial}")).ttl(TTL).without_renewal();
        let mut order: Vec<usize> = (0..SERVERS).collect();
        random.shuffle(&mut order);
        // Three of five grant it, and two never hear of it.
        for n in &order[..2] {
            self.proxies[*n].refuse(true);
            self.proxies[*n].cut();
        }
        let guard = self.here.lock(resource(), Duration::from_secs(30)).await.unwrap().unwrap();
        // One of those who granted it, and any other.
        let forget = [order[2], order[random.usize(..4)]];
        let forget = if forget[0] == forget[1] { [order[2], order[4]] } else { forget };
        let restarts = self.servers.iter_mut().enumerate().filter(|(n, _)| forget.contains(n));
        join_all(restarts.map(|(_, server)| server.restart())).await;
        let restarted = Instant::now();
        let (mut is_granted, mut asked) = (false, 0);
        while guard.is_valid() && !is_granted {
            let second = self.there.try_lock(resource()).await;
            // What is granted later is granted rightly.
            let is_held = guard.is_valid();
            is_granted = is_held && matches!(second, Ok(Some(_)));
            asked += usize::from(is_held);
            sleep(millis(10)).await;
        }
        drop(guard);
        self.proxies.iter().for_each(FaultProxy::heal);
        if self.quarantine {
            tokio::time::sleep_until(restarted + TTL + Duration::from_secs(2)).await;
        }
        (is_granted, asked)
    }
}

async fn on(urls: impl Iterator<Item = String>, quarantine: bool) -> Locker {
    let keyspace = Keyspace::default();
    let nodes = urls.map(async |url| {
        let locks = RedisLocks::new(connect(&url).await, &keyspace).unwrap();
        let locks = if quarantine { locks.with_quarantine(&keyspace, TTL) } else { locks };
        Arc::new(locks) as Arc<dyn LockBackend>
    });
    let quorum = QuorumLocks::new(join_all(nodes).await, PATIENCE).unwrap();
    Locker::new(quorum, &LockSettings::default(), &keyspace)
}
