//! What is changed while the store is away reaches it, and everybody, when it is back.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use mystocks_cache::{Done, ErrorKind, Policy, Tier};
use tokio::time::{Instant, sleep, timeout};

use crate::faulty::{Fleet, Mode, Node, assert_ledger, millis, plain, secs};
use crate::nodes::settle;

const AWAY: [Mode; 4] = [Mode::Fail, Mode::Hang, Mode::RefuseWrites, Mode::HangWrites];

async fn recovered(nodes: &[Node]) {
    let began = Instant::now();
    while nodes.iter().any(|node| {
        let state = node.hub.state();
        state.queued > 0 || !state.reads || !state.writes || !state.hears_others
    }) {
        assert!(
            began.elapsed() < secs(5),
            "not recovered: {:?}",
            nodes.iter().map(|n| n.hub.state()).collect::<Vec<_>>()
        );
        sleep(millis(20)).await;
    }
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_is_never_answered_from_l2_before_it_is_told() {
    for mode in AWAY {
        let fleet = Fleet::new();
        let nodes = [fleet.node(plain()), fleet.node(plain())];
        settle().await;
        for key in ["key", "set", "tagged"] {
            nodes[0].read(key, 1).await;
        }
        let tag = |cx: mystocks_cache::LoadCtx<u64>| async move {
            cx.tag("day");
            Ok::<_, Infallible>(1)
        };
        let tagged = "tagged".to_owned();
        nodes[0].cache.invalidate(&tagged).await.unwrap();
        nodes[0].cache.get_or_compute(&tagged, tag).await.unwrap();
        fleet.out(mode, &nodes);
        let one = &nodes[0];
        assert_eq!(one.cache.invalidate(&"key".to_owned()).await.unwrap(), Done::Queued, "{mode:?}");
        assert_eq!(one.cache.set(&"set".to_owned(), 5).await.unwrap(), Done::Queued, "{mode:?}");
        assert_eq!(one.hub.invalidate_tag("day").await.unwrap(), Done::Queued, "{mode:?}");
        assert_eq!((*one.read("set", 9).await.value, one.hub.state().queued), (5, 3), "{mode:?}");
        let began = Instant::now();
        fleet.back(&nodes);
        // Every moment of the recovery: L1 is emptied, so each read would have L2's old value if it asked.
        while began.elapsed() < secs(4) {
            one.cache.drop_l1();
            for (key, value) in [("key", 2), ("tagged", 2), ("set", 5)] {
                let read = *one.read(key, value).await.value;
                assert_eq!(read, value, "{mode:?}: {key} at {:?}", began.elapsed());
            }
            sleep(millis(7)).await;
        }
        recovered(&nodes).await;
        for (key, value) in [("key", 2), ("tagged", 2), ("set", 5)] {
            assert_eq!(*nodes[1].read(key, 9).await.value, value, "{mode:?}: {key} elsewhere");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_queued_clear_ends_everything_of_before() {
    for mode in AWAY {
        let fleet = Fleet::new();
        let nodes = [fleet.node(plain()), fleet.node(plain())];
        settle().await;
        for key in 0..20 {
            nodes[0].read(&format!("{key}"), 1).await;
        }
        fleet.out(mode, &nodes);
        assert_eq!(nodes[0].cache.clear().await.unwrap(), Done::Queued, "{mode:?}");
        assert_eq!(*nodes[0].read("8", 8).await.value, 8, "{mode:?}");
        fleet.back(&nodes);
        recovered(&nodes).await;
        for node in &nodes {
            for key in 9..20 {
                assert_eq!(*node.read(&format!("{key}"), 9).await.value, 9, "{mode:?}: {key}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_changes_on_four_nodes_end_with_the_last_writer_everywhere() {
    for mode in [Mode::Fail, Mode::Hang, Mode::RefuseWrites] {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let fleet = Fleet::new();
        let nodes: Vec<Node> = (0..4).map(|_| fleet.node(plain())).collect();
        settle().await;
        let keys: Vec<String> = (0..3_000).map(|key| format!("{key}")).collect();
        for key in &keys {
            nodes[random.usize(..4)].read(key, 1).await;
        }
        fleet.out(mode, &nodes);
        for node in &nodes {
            // So that the changes themselves do not have to find out, a second each.
            for _ in 0..5 {
                let _done = node.cache.invalidate(&"first".to_owned()).await.unwrap();
            }
        }
        let mut last: HashMap<&String, Option<u64>> = HashMap::new();
        for step in 0..10_000 {
            let (node, key) = (&nodes[random.usize(..4)], &keys[random.usize(..keys.len())]);
            let value = random.bool().then_some(1_000 + step);
            let done = match value {
                Some(value) => node.cache.set(key, value).await.unwrap(),
                None => node.cache.invalidate(key).await.unwrap(),
            };
            assert_eq!(done, Done::Queued);
            last.insert(key, value);
            if random.u8(..) < 8 {
                nodes[random.usize(..4)].read(&keys[random.usize(..keys.len())], 2).await;
            }
            sleep(millis(1)).await;
        }
        fleet.back(&nodes);
        let back = Instant::now();
        recovered(&nodes).await;
        println!("{mode:?}: equal after {:?}", back.elapsed());
        assert!(back.elapsed() < secs(5));
        let fresh = fleet.node(plain());
        settle().await;
        for (key, value) in last {
            let in_l2 = fresh.cache.get_many(std::slice::from_ref(key)).await.unwrap().remove(0);
            let in_l2 = in_l2.map(|outcome| *outcome.value);
            assert_eq!(in_l2, value, "{mode:?}, seed {seed}: {key} in L2");
            for (at, node) in nodes.iter().enumerate() {
                let read = node.cache.get_many(std::slice::from_ref(key)).await.unwrap().remove(0);
                let read = read.map(|outcome| *outcome.value);
                assert_eq!(read, value, "{mode:?}, seed {seed}: {key} at node {at}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_meanwhile_does_not_stay_beside_what_was_set() {
    let fleet = Fleet::new();
    let nodes = [fleet.node(plain()), fleet.node(plain())];
    settle().await;
    fleet.set(Mode::Fail);
    assert_eq!(nodes[0].cache.set(&"600519".to_owned(), 5).await.unwrap(), Done::Queued);
    nodes[0].cache.drop_l1();
    nodes[0].read("600519", 7).await;
    fleet.set(Mode::Answer);
    recovered(&nodes).await;
    let read = [nodes[0].read("600519", 8).await, nodes[1].read("600519", 8).await];
    assert_eq!(read.map(|read| *read.value), [5, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_came_later_is_not_undone_by_one_that_waited() {
    for set_later in [false, true] {
        let fleet = Fleet::new();
        let nodes = [fleet.node(plain()), fleet.node(plain())];
        settle().await;
        let key = "600519".to_owned();
        fleet.set(Mode::Fail);
        assert_eq!(nodes[0].cache.set(&key, 1).await.unwrap(), Done::Queued);
        // One request failed, and all is well again.
        fleet.set(Mode::Answer);
        let expected = if set_later {
            let _done = nodes[0].cache.set(&key, 2).await.unwrap();
            2
        } else {
            let _done = nodes[0].cache.invalidate(&key).await.unwrap();
            3
        };
        assert_eq!(*nodes[0].read("600519", 3).await.value, expected);
        recovered(&nodes).await;
        for node in &nodes {
            assert_eq!(*node.read("600519", expected).await.value, expected, "set later: {set_later}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_failed_invalidation_is_told_again_though_the_breaker_is_closed() {
    let fleet = Fleet::new();
    let nodes = [fleet.node(plain()), fleet.node(plain())];
    settle().await;
    nodes[0].read("600519", 1).await;
    nodes[1].read("600519", 1).await;
    fleet.set(Mode::Fail);
    assert_eq!(nodes[0].cache.invalidate(&"600519".to_owned()).await.unwrap(), Done::Queued);
    fleet.set(Mode::Answer);
    assert!(nodes[0].hub.state().writes && nodes[0].hub.state().queued == 1);
    sleep(millis(100)).await;
    assert_eq!(nodes[0].hub.state().queued, 0);
    assert_eq!(nodes[1].read("600519", 2).await.tier, Tier::L3);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_to_remember_is_not_answered_from_l2_either() {
    let fleet = Fleet::new();
    let nodes = [fleet.node(plain()), fleet.node(plain())];
    settle().await;
    for key in 0..10_500 {
        nodes[0].read(&format!("{key}"), 1).await;
    }
    fleet.set(Mode::RefuseWrites);
    for key in 0..10_500 {
        assert_eq!(nodes[0].cache.invalidate(&format!("{key}")).await.unwrap(), Done::Queued);
    }
    let state = nodes[0].hub.state();
    assert_eq!(
        (state.queued, state.dropped > 0, state.reads),
        (10_001, true, true),
        "and the mark of their cache"
    );
    assert_eq!(*nodes[0].read("0", 2).await.value, 2, "dropped from the queue, and not forgotten");
    fleet.set(Mode::Answer);
    let began = Instant::now();
    while nodes[0].hub.state().queued > 0 {
        nodes[0].cache.drop_l1();
        assert_eq!(*nodes[0].read("1", 2).await.value, 2, "at {:?}", began.elapsed());
        sleep(millis(1)).await;
    }
    recovered(&nodes).await;
    println!("10,500 changes were told in {:?}", began.elapsed());
    for key in (0..10_500).step_by(50) {
        assert_eq!(*nodes[1].read(&format!("{key}"), 2).await.value, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn many_tags_are_told_however_far_away_the_store_is() {
    let fleet = Fleet::new();
    let nodes = [fleet.node(plain())];
    settle().await;
    fleet.set(Mode::Fail);
    for tag in 0..500 {
        assert_eq!(nodes[0].hub.invalidate_tag(&format!("day:{tag}")).await.unwrap(), Done::Queued);
    }
    fleet.set(Mode::Slow(millis(5)));
    recovered(&nodes).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_starts_with_the_store_away_and_has_it_when_it_comes() {
    for mode in [Mode::Fail, Mode::Hang] {
        let fleet = Fleet::new();
        fleet.set(mode);
        let began = Instant::now();
        let node = fleet.node(plain());
        node.link.cut();
        assert_eq!(*node.read("600519", 1).await.value, 1);
        assert!(began.elapsed() <= millis(25), "{mode:?}");
        for key in 0..20 {
            node.read(&format!("{key}"), 1).await;
        }
        assert!(!node.hub.state().reads);
        sleep(secs(30)).await;
        let nodes = [node];
        fleet.back(&nodes);
        let back = Instant::now();
        recovered(&nodes).await;
        println!("{mode:?}: attached after {:?}", back.elapsed());
        assert!(back.elapsed() <= secs(2) + millis(50), "{mode:?}: {:?}", back.elapsed());
        nodes[0].read("new", 3).await;
        assert_eq!(fleet.node(plain()).read("new", 4).await.tier, Tier::L2);
        assert_ledger(&nodes[0].cache, 22);
    }
}

#[tokio::test(start_paused = true)]
async fn shutting_down_in_an_outage_ends() {
    for mode in AWAY {
        let fleet = Fleet::new();
        let node = Arc::new(fleet.node(plain()));
        settle().await;
        fleet.out_one(mode, &node);
        let _done = node.cache.invalidate(&"key".to_owned()).await.unwrap();
        let loading = tokio::spawn({
            let node = Arc::clone(&node);
            async move {
                let load = |_| std::future::pending::<Result<u64, Infallible>>();
                node.cache.get_or_compute(&"600519".to_owned(), load).await
            }
        });
        sleep(millis(60)).await;
        timeout(secs(1), async {
            node.cache.shutdown().await;
            node.hub.shutdown().await;
        })
        .await
        .unwrap();
        assert!(loading.await.unwrap().is_err());
        let quiet = node.counts.all();
        sleep(secs(60)).await;
        assert_eq!(node.counts.all(), quiet, "{mode:?}: nobody asks any more");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_set_in_an_outage_lives_no_longer_for_having_waited() {
    let fleet = Fleet::new();
    let nodes = [fleet.node(Policy { ttl: secs(60), ..plain() })];
    settle().await;
    fleet.set(Mode::Fail);
    let _done = nodes[0].cache.set(&"long".to_owned(), 1).await.unwrap();
    sleep(secs(40)).await;
    let _done = nodes[0].cache.set(&"short".to_owned(), 1).await.unwrap();
    fleet.set(Mode::Answer);
    recovered(&nodes).await;
    sleep(secs(25)).await;
    nodes[0].cache.drop_l1();
    assert_eq!(
        (nodes[0].read("long", 2).await.tier, nodes[0].read("short", 2).await.tier),
        (Tier::L3, Tier::L2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_pattern_in_an_outage_is_an_error_in_time_and_not_a_hang() {
    let fleet = Fleet::new();
    let node = fleet.node(plain());
    settle().await;
    node.read("600519", 1).await;
    fleet.set(Mode::Hang);
    let began = Instant::now();
    let error = node.cache.invalidate_pattern("600*").await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed() <= secs(2)), (ErrorKind::Unavailable, true), "{error}");
    assert_eq!(*node.read("600519", 2).await.value, 2);
}

#[tokio::test(start_paused = true)]
async fn slow_but_alive_takes_what_it_missed_and_is_not_asked_by_readers() {
    let fleet = Fleet::new();
    let (node, other) = (fleet.node(plain()), fleet.node(Policy { l2_timeout: millis(500), ..plain() }));
    settle().await;
    node.read("600519", 1).await;
    other.read("600519", 1).await;
    fleet.set(Mode::Slow(millis(100)));
    for key in 0..20 {
        node.read(&format!("{key}"), 1).await;
    }
    assert!(!node.hub.state().reads, "too slow for readers");
    let _done = node.cache.invalidate(&"600519".to_owned()).await.unwrap();
    sleep(secs(5)).await;
    assert_eq!(node.hub.state().queued, 0);
    assert_eq!(*other.read("600519", 2).await.value, 2);
}
