//! `mystocks verify` when something between loses or changes single commands, and every answer looks right.

use mystocks_testkit::RedisServer;

use crate::liar::{Fate, Liar, is, words};
use crate::raw::Raw;
use crate::run::{Desk, Run};
use crate::verify::{detail, failed, statuses};

#[tokio::test]
async fn a_message_that_is_counted_and_lost_fails_the_bus() {
    let server = RedisServer::start().await;
    // The publisher is told that one listener got it.
    let liar = Liar::start(server.address(), |command| match is(command, "PUBLISH") {
        true => Fate::Instead(words(&["EVAL", "return 1", "0"])),
        false => Fate::Pass,
    });
    let run = Desk::of(&liar.await.url()).run(&["verify", "--json"]).await;
    let said = failed(&run, &["bus"]).remove(0);
    for text in ["did not come back within 2 s", "the server counted 1 listener", "PUBSUB_CHANNEL_PREFIX"] {
        assert!(said.contains(text), "{text:?} in {said:?}");
    }
    let left: u64 = Raw::connect(&server.url()).await.ask(&["DBSIZE"]).await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn another_message_than_the_own_one_does_not_count() {
    let server = RedisServer::start().await;
    let liar = Liar::start(server.address(), |command| {
        let [name, channel, payload] = command.as_slice() else { return Fate::Pass };
        if !name.eq_ignore_ascii_case(b"PUBLISH") {
            return Fate::Pass;
        }
        let (channel, payload) = (String::from_utf8_lossy(channel), String::from_utf8_lossy(payload));
        let nonce = channel.rsplit(':').next().unwrap();
        let other: String = nonce.chars().rev().collect();
        Fate::Instead(words(&["PUBLISH", &channel, &payload.replace(nonce, &other)]))
    });
    let run = Desk::of(&liar.await.url()).run(&["verify", "--json"]).await;
    let said = failed(&run, &["bus"]).remove(0);
    assert!(said.contains("did not come back within 2 s"), "{said}");
}

#[tokio::test]
async fn an_entry_that_is_changed_or_lives_for_ever_fails_the_cache() {
    let server = RedisServer::start().await;
    let changed = Liar::start(server.address(), |command| {
        let mut command = command.clone();
        match command.get_mut(2) {
            Some(value) if value.len() == 256 => {
                value[100] ^= 1;
                Fate::Instead(command)
            }
            _ => Fate::Pass,
        }
    });
    let run = Desk::of(&changed.await.url()).run(&["verify", "--json"]).await;
    let said = failed(&run, &["cache"]).remove(0);
    assert!(said.contains("holds other bytes than were written"), "{said}");

    let endless = Liar::start(server.address(), |command| match command.get(2) {
        Some(value) if value.len() == 256 => Fate::Instead(command[..3].to_vec()),
        _ => Fate::Pass,
    });
    let run = Desk::of(&endless.await.url()).run(&["verify", "--json"]).await;
    let said = failed(&run, &["cache"]).remove(0);
    assert!(said.contains("its time to live is Unlimited"), "{said}");
    let left: u64 = Raw::connect(&server.url()).await.ask(&["DBSIZE"]).await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_measured() {
    let server = RedisServer::start().await;
    let liar = Liar::start(server.address(), |command| match is(command, "TIME") {
        true => Fate::Instead(words(&["EVAL", "return {'1000', '0'}", "0"])),
        false => Fate::Pass,
    });
    let run = Desk::of(&liar.await.url()).run(&["verify", "--json"]).await;
    let said = failed(&run, &["clock"]).remove(0);
    assert!(said.contains(" s behind this host's: set both by NTP"), "{said}");
}

#[tokio::test]
async fn a_server_that_falls_silent_midway_costs_seconds_and_leaves_nothing_for_ever() {
    let server = RedisServer::start().await;
    // Every connection goes silent with its first script; plain commands go through on the next one.
    let liar = Liar::start(server.address(), |command| match is(command, "EVALSHA") || is(command, "EVAL") {
        true => Fate::Swallow,
        false => Fate::Pass,
    });
    let run = Desk::of(&liar.await.url()).run(&["verify", "--json"]).await;
    let said = failed_among(&run);
    assert!(
        said.iter().any(|(name, _)| name == "lock") && said.iter().any(|(name, _)| name == "bus"),
        "{run:?}"
    );
    for (name, said) in said {
        assert!(
            said.contains("within 2 s")
                || said.contains("deadline of")
                || said.contains("not connected")
                || said.contains("unavailable")
                || said.contains("cannot be taken away"),
            "{name}: {said}"
        );
    }
    let left = Raw::connect(&server.url()).await.everything().await;
    assert!(left.values().all(|(_, life)| (1..=60_000).contains(life)), "{left:?}");
}

/// Returns the checks that failed, whichever they are, and what is said of them.
fn failed_among(run: &Run) -> Vec<(String, String)> {
    let failed = statuses(run).into_iter().filter(|(_, status)| status == "failed");
    failed.map(|(name, _)| (name.clone(), detail(run, &name))).collect()
}

#[tokio::test]
async fn what_cannot_be_taken_away_is_said_and_ends_by_itself() {
    let server = RedisServer::start().await;
    let liar = Liar::start(server.address(), |command| match is(command, "UNLINK") || is(command, "DEL") {
        true => Fate::Instead(words(&["EVAL", "return 1", "0"])),
        false => Fate::Pass,
    });
    let run = Desk::of(&liar.await.url()).run(&["verify", "--json"]).await;
    let said = failed(&run, &["cache", "bus", "lock"]);
    assert!(said[0].contains("was removed and is still there for another connection"), "{said:?}");
    for said in &said[1..] {
        assert!(said.contains("cannot be taken away") && said.contains("is still there"), "{said}");
    }
    let left = Raw::connect(&server.url()).await.everything().await;
    assert!(left.keys().any(|key| key.ends_with(":entries")), "{left:?}");
    for (key, (_, life)) in left {
        // A fence outlives its lock by a day, and the lock itself was released.
        let most = if key.ends_with(":fence") { 86_410_000 } else { 60_000 };
        assert!((1..=most).contains(&life), "{key} lives {life} ms");
    }
}
