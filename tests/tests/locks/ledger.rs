//! What the protected register saw, and what follows from it.

use std::collections::HashMap;

use mystocks_redis_core::redis::cmd;
use mystocks_redis_core::{Call, RedisManager, Script};

/// Writes with a fence: what is smaller than the greatest one seen is refused, as `where fence <= $1` does. Everything is noted,
/// with the server's time. KEYS: register, ledger. ARGV: fence, writer, when it checked that it holds the lock.
static WRITE: Script = Script::new(
    "local time = redis.call('TIME')
    local last = tonumber(redis.call('GET', KEYS[1]) or '0')
    local accepted = tonumber(ARGV[1]) >= last
    if accepted then redis.call('SET', KEYS[1], ARGV[1]) end
    local at = string.format('%.0f', time[1] * 1000000 + time[2])
    redis.call('RPUSH', KEYS[2], table.concat({accepted and '1' or '0', ARGV[1], ARGV[2], ARGV[3], at}, ' '))
    return accepted and 1 or 0",
);
const REGISTER: [&str; 2] = ["register", "ledger"];

/// One write that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) accepted: bool,
    pub(crate) fence: u64,
    pub(crate) writer: String,
    /// When the writer last saw that it holds the lock, and when the write came, in microseconds since the epoch.
    pub(crate) checked: u64,
    pub(crate) written: u64,
}

/// Writes; returns whether it was accepted.
pub(crate) async fn write(redis: &RedisManager, fence: u64, writer: &str, checked: u64) -> bool {
    let (fence, checked) = (fence.to_string(), checked.to_string());
    let args = [fence.as_bytes(), writer.as_bytes(), checked.as_bytes()];
    redis.script(&WRITE, &REGISTER, &args, Call::once()).await.unwrap()
}

/// Returns all writes in the order in which they came.
pub(crate) async fn read(redis: &RedisManager) -> Vec<Write> {
    let lines: Vec<String> =
        redis.query(cmd("LRANGE").arg(REGISTER[1]).arg(0).arg(-1), Call::repeatable()).await.unwrap();
    let write = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        Write {
            accepted: words[0] == "1",
            fence: words[1].parse().unwrap(),
            writer: words[2].to_owned(),
            checked: words[3].parse().unwrap(),
            written: words[4].parse().unwrap(),
        }
    };
    lines.iter().map(write).collect()
}

/// When a writer was stopped, or dead: from, to.
pub(crate) type Stops = HashMap<String, Vec<(u64, u64)>>;

/// Returns what is wrong with the ledger: a stale write that was accepted, a fence of two holders, a stale write that nothing
/// explains.
pub(crate) fn complaints(writes: &[Write], stops: &Stops) -> Vec<String> {
    let mut complaints = Vec::new();
    let (mut last, mut holders) = (0, HashMap::new());
    for write in writes {
        let holder = holders.entry(write.fence).or_insert(&write.writer);
        if **holder != write.writer {
            complaints.push(format!("fence {} of both {holder} and {}", write.fence, write.writer));
        }
        if write.accepted && write.fence < last {
            complaints.push(format!("accepted after {last}: {write:?}"));
        }
        last = last.max(write.fence);
        if write.fence == last {
            continue;
        }
        let between = |(from, to): &(u64, u64)| *from <= write.written && write.checked <= *to;
        if !stops.get(&write.writer).is_some_and(|stops| stops.iter().any(between)) {
            complaints
                .push(format!("it held the lock, and was not stopped, and {last} was granted: {write:?}"));
        }
    }
    complaints
}

#[test]
fn a_ledger_that_is_wrong_is_seen_to_be() {
    let write = |accepted, fence, writer: &str, checked| Write {
        accepted,
        fence,
        writer: writer.to_owned(),
        checked,
        written: checked + 10,
    };
    let stops: Stops = HashMap::from([("b".to_owned(), vec![(205, 400)])]);
    let good = [
        write(true, 5, "a", 100),
        write(true, 5, "a", 120),
        write(true, 6, "b", 130),
        write(true, 7, "a", 150),
    ];
    let late = write(false, 6, "b", 200);
    assert_eq!(complaints(&[&good[..], &[late]].concat(), &stops), Vec::<String>::new());
    for (wrong, what) in [
        (write(true, 6, "b", 200), "accepted after 7"),
        (write(false, 6, "b", 500), "was not stopped"),
        (write(false, 5, "a", 200), "was not stopped"),
        (write(true, 7, "b", 200), "fence 7 of both a and b"),
    ] {
        let found = complaints(&[&good[..], &[wrong]].concat(), &stops);
        assert!(found.len() == 1 && found[0].contains(what), "{what}: {found:?}");
    }
}
