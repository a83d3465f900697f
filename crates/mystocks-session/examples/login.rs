//! A visitor logs in on two devices, changes the same data on both, is robbed of a cookie, and logs out everywhere.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;

use mystocks_session::{Policy, Rotated, SessionId, Sessions};
use serde::{Deserialize, Serialize};

/// What a session holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Desk {
    watchlist: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // With Redis: Sessions::new(RedisSessions::new(manager, &keyspace), Policy::from(&settings.session)).
    let policy = Policy { grace: Duration::from_millis(1), ..Policy::default() };
    let sessions: Sessions<Desk> = Sessions::new(mystocks_session::MemorySessions::new(), policy)?;

    let (visitor, session) = sessions.create(None, Desk::default()).await?;
    println!("a visitor has {:?}, of {:?}", visitor, session.user());
    let cookie = visitor.expose();
    println!("the cookie has {} characters", cookie.len());

    // A request comes with the cookie.
    let id = SessionId::parse(&cookie)?;
    sessions.update(&id, |desk| desk.watchlist.push("600519.SH".to_owned())).await?.ok_or("it is there")?;

    // The password was right: another id, another session, the same data.
    let Rotated::To(phone) = sessions.rotate(&id, Some("ann")).await? else {
        return Err("it is there".into());
    };
    println!("the visitor's id after the login: {}", show(sessions.load(&id).await?.is_some()));
    println!("ann's id: {}", show(sessions.load(&phone).await?.is_some()));

    // Two requests load the same version and change it.
    let mut one = sessions.load(&phone).await?.ok_or("it is there")?;
    let mut other = sessions.load(&phone).await?.ok_or("it is there")?;
    one.data.watchlist.push("000001.SZ".to_owned());
    sessions.save(&mut one).await?;
    other.data.watchlist.push("300750.SZ".to_owned());
    println!("the later save: {:?}", sessions.save(&mut other).await.map_err(|error| error.kind()));
    let merged = sessions.update(&phone, |desk| desk.watchlist.push("300750.SZ".to_owned())).await?;
    println!("after an update: {:?}", merged.ok_or("it is there")?.data.watchlist);

    // The id is replaced every hour. A thief has a copy of the one before, and shows it when the grace is over.
    let Rotated::To(new) = sessions.rotate(&phone, Some("ann")).await? else {
        return Err("it is there".into());
    };
    tokio::time::sleep(Duration::from_millis(5)).await;
    println!("the thief: {}", show(sessions.load(&phone).await?.is_some()));
    println!("ann, who is asked to log in again: {}", show(sessions.load(&new).await?.is_some()));

    for _ in 0..2 {
        let (_id, _session) = sessions.create(Some("ann"), Desk::default()).await?;
    }
    println!(
        "ann has {} sessions, and ends {}",
        sessions.list("ann").await?.len(),
        sessions.revoke_all("ann").await?
    );
    println!("ann has {}", sessions.list("ann").await?.len());
    Ok(())
}

fn show(is_good: bool) -> &'static str {
    if is_good { "good" } else { "worth nothing" }
}
