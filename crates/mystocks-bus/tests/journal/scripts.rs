//! What a listener asks for costs no more than it says.

use mystocks_redis_core::Call;

use crate::World;

#[tokio::test]
async fn a_page_ends_with_the_entry_that_makes_it_large_enough() {
    let world = World::start().await;
    let large = "x".repeat(100);
    for number in 1..=20 {
        world.command(&["XADD", "entries", &format!("1-{number}"), "p", &large]).await;
    }
    for (enough, expected) in [("1", 1), ("300", 3), ("301", 4), ("1700", 17), ("9999", 19)] {
        let mut read = redis::cmd("EVAL");
        read.arg(include_str!("../../src/redis/journal/read.lua")).arg(2).arg("entries").arg("end");
        read.arg("1-1").arg(256).arg(enough);
        let (_, page): (String, Vec<(String, String)>) =
            world.direct.query(&read, Call::repeatable()).await.unwrap();
        assert_eq!(page.len(), expected, "{enough} bytes");
        assert_eq!(page.first().unwrap().0, "1-2");
    }
}

#[tokio::test]
async fn names_that_were_registered_long_ago_are_not_asked_for() {
    let world = World::start().await;
    let (seconds, _): (u64, u64) = world.direct.query(&redis::cmd("TIME"), Call::repeatable()).await.unwrap();
    let now = seconds * 1000;
    for (name, ago) in [("new", 0), ("late", 50_000), ("old", 200_000)] {
        world.command(&["ZADD", "names", &(now - ago).to_string(), name]).await;
    }
    for (asked, expected) in [("1", vec!["late", "new"]), ("0", vec![])] {
        let mut stand = redis::cmd("EVAL");
        stand.arg(include_str!("../../src/redis/journal/stand.lua")).arg(2).arg("names").arg("epoch");
        stand.arg(asked).arg(100_000);
        let (_, _, names): (String, u64, Vec<String>) =
            world.direct.query(&stand, Call::repeatable()).await.unwrap();
        assert_eq!(names, expected);
    }
}
