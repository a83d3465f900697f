//! A batch in which each key has an error of its own.

use std::collections::HashMap;

use mystocks_cache::{ErrorKind, Tier};
use tokio::time::sleep;

use crate::faulty::{Fleet, assert_ledger, millis, plain};
use crate::nodes::settle;

#[derive(Debug, Clone, PartialEq, Eq)]
struct NoSuch(String);

impl std::fmt::Display for NoSuch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no such stock: {}", self.0)
    }
}

impl std::error::Error for NoSuch {}

/// Takes a moment; keys of one digit are its own, "absent" is left out, all others fail.
async fn load(keys: Vec<String>) -> HashMap<String, Result<u64, NoSuch>> {
    sleep(millis(100)).await;
    let made = |key: String| match key.parse() {
        Ok(number @ 0..10) => (key, Ok(number)),
        _ => (key.clone(), Err(NoSuch(key))),
    };
    keys.into_iter().filter(|key| key != "absent").map(made).collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_harms_no_other_and_has_its_own_error() {
    let fleet = Fleet::new();
    let (node, other) = (fleet.node(plain()), fleet.node(plain()));
    settle().await;
    let wanted = names(&["1", "wrong", "2", "absent", "worse"]);
    let found = node.cache.get_or_compute_each(&wanted, load).await.unwrap();
    assert_eq!(found.len(), 4, "what is left out is missing");
    for (key, value) in [("1", 1), ("2", 2)] {
        let outcome = found[key].as_ref().unwrap();
        assert_eq!((*outcome.value, outcome.tier), (value, Tier::L3));
        // It is kept like any other, for all processes.
        let read = other.read(key, 99).await;
        assert_eq!((*read.value, read.tier), (value, Tier::L2));
    }
    for key in ["wrong", "worse"] {
        let error = found[key].as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Load);
        assert_eq!(error.load_error(), Some(&NoSuch(key.to_owned())), "its own and nobody else's");
        // The lease was given back: whoever asks next loads at once.
        assert_eq!(*other.read(key, 7).await.value, 7);
    }
    let again = node.cache.get_or_compute_each(&wanted[..1], load).await.unwrap();
    assert_eq!(again["1"].as_ref().unwrap().tier, Tier::L1);
    assert_ledger(&node.cache, 6);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_another_key_of_the_batch_hears_nothing_of_the_one_that_fails() {
    let fleet = Fleet::new();
    let node = std::sync::Arc::new(fleet.node(plain()));
    settle().await;
    let batch = tokio::spawn({
        let node = std::sync::Arc::clone(&node);
        async move { node.cache.get_or_compute_each(&names(&["3", "wrong"]), load).await.unwrap() }
    });
    settle().await;
    let joined = node.read("3", 99).await;
    assert_eq!(*joined.value, 3, "it waited for the batch");
    assert!(batch.await.unwrap()["wrong"].is_err());
}
