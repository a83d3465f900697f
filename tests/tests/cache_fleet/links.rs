//! A process loses its link to the others, or its way to L2, or hears nothing on a line that stands.

use std::time::Duration;

use mystocks_testkit::{FaultProxy, Line, eventually};

use crate::ask::{Got, now_us};
use crate::fleet::{Fleet, HANG, between, full, names};
use crate::node::Node;

const KEYS: usize = 1_000;
/// Generous: the promise is 1.1 s.
const BOUND: u64 = 2_500_000;
const PAUSE: Duration = Duration::from_millis(100);

/// A process behind a proxy, and the others.
struct Remote {
    fleet: Fleet,
    proxy: FaultProxy,
    node: Node,
}

impl Remote {
    async fn start() -> Self {
        let fleet = Fleet::start(1, |_| ()).await;
        let proxy = FaultProxy::start(fleet.server.address()).await;
        let mut setup = fleet.setup.clone();
        setup.url = proxy.url(1);
        let mut node = Node::start(&setup).await;
        eventually("it hears the others", HANG, async || node.stand().await.hears_others).await;
        Self { fleet, proxy, node }
    }

    /// Breaks something by `fault` while a peer invalidates every key, and prints under `what` how it went.
    async fn story(
        mut self,
        what: &str,
        (bound, worst): (u64, u64),
        fault: impl Fn(&FaultProxy),
        mend: impl Fn(&FaultProxy),
    ) {
        let names = names("cut", KEYS);
        let peer = &mut self.fleet.nodes[0];
        let source = &self.fleet.source;
        source.set(&names, 1).await;
        peer.read(&names).await;
        self.node.read(&names).await;
        self.node.watch(&names, PAUSE, Duration::ZERO).await;
        eventually("everything is watched", HANG, async || self.node.watched().await.seen.len() == KEYS)
            .await;
        assert_eq!(source.all_loads().await, KEYS as u64, "{what}: loads before the cut");

        fault(&self.proxy);
        let lasts = Duration::from_secs(if full() { 5 } else { 3 });
        let (parts, mut written) = (20, Vec::new());
        for part in names.chunks(KEYS / parts) {
            tokio::time::sleep(lasts / u32::try_from(parts).unwrap()).await;
            source.set(part, 2).await;
            assert_eq!(peer.invalidate(part).await, part.len());
            written.extend(part.iter().map(|_| now_us()));
        }
        let mut raw = self.fleet.raw().await;
        let healed = raw.calls().await;
        mend(&self.proxy);
        eventually("the link and the way to L2 are back", HANG, async || {
            let stand = self.node.stand().await;
            stand.hears_others && stand.reads
        })
        .await;
        let back = now_us();
        // Long enough for every key to have been read again, and for the figure of the first second.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let first_second = between(&healed, &raw.calls().await);
        let watched = self.node.watched().await;

        let stale = names.iter().zip(&written).filter_map(|(name, written)| {
            watched.last_below(name, 2).map(|last| last.saturating_sub(*written))
        });
        let longest = stale.max().unwrap_or(0);
        // What was asked of L2 at the moment it came back may have been in vain.
        let after = names.iter().filter(|name| watched.last_below(name, 2) > Some(back + 250_000)).count();
        let reads: u64 = ["get", "mget"].iter().filter_map(|name| first_second.get(*name)).sum();
        let loads = source.loads(&names).await;
        let most = loads.iter().copied().max().unwrap();
        println!(
            "A5 {what}: {} reads, stale for at most {} ms, {after} stale after the link was back, \
             {reads} reads of L2 in the first second, {} loads of {KEYS} keys invalidated once, at most {most} of one",
            watched.reads,
            longest / 1000,
            loads.iter().sum::<u64>(),
        );
        assert_eq!(watched.errors, Vec::<String>::new());
        assert_eq!(watched.went_back(), Vec::<&str>::new(), "{what}: versions went back");
        assert_eq!(after, 0, "{what}: stale after the link was back");
        assert!(longest < bound, "{what}: stale for {longest} us");
        assert!(most <= worst, "{what}: a key was loaded {most} times");
        let last = self.node.read(&names).await;
        assert!(last.iter().all(|got: &Got| got.version == 2), "{what}: stale for good");
        // One of each key, and for one that is loaded those that its scripts make.
        assert!(reads <= 4 * KEYS as u64, "{what}: {reads} reads of L2 in the first second");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_subscription_is_cut_is_not_stale_for_long() {
    let sever = |proxy: &FaultProxy| proxy.sever(Some(Line::Subscription));
    Remote::start().await.story("subscription cut", (BOUND, 2), sever, FaultProxy::heal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_subscription_is_silent_but_dead_is_not_stale_for_long() {
    let hush = |proxy: &FaultProxy| proxy.hush(Some(Line::Subscription));
    Remote::start().await.story("subscription silent", (BOUND, 2), hush, FaultProxy::heal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_cannot_ask_l2_still_hears_the_others() {
    let sever = |proxy: &FaultProxy| proxy.sever(Some(Line::Commands));
    // The first load, and after the invalidation one by each of the two that cannot see each other's.
    Remote::start().await.story("commands cut", (BOUND, 3), sever, FaultProxy::heal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_cut_off_from_everything_is_not_stale_when_it_is_back() {
    // It is an outage, in which reads go on from L1; so only what comes after it is bounded.
    let cut = |proxy: &FaultProxy| {
        proxy.refuse(true);
        proxy.cut();
    };
    Remote::start().await.story("everything cut", (30_000_000, 3), cut, FaultProxy::heal).await;
}
