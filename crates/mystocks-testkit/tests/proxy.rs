//! Every fault of the proxy does what it says to real connections.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mystocks_testkit::{FaultProxy, Line, RedisServer, eventually};
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(200);

fn connect(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.addr()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn ping(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"PING\r\n")?;
    pong(stream)
}

fn pong(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut reply = [0; 7];
    stream.read_exact(&mut reply)?;
    assert_eq!(&reply, b"+PONG\r\n");
    Ok(())
}

#[tokio::test]
async fn a_black_hole_swallows_existing_connections_and_spares_new_ones() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let mut old = connect(&proxy);
    ping(&mut old).unwrap();
    proxy.black_hole();
    old.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(ping(&mut old).unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut new = connect(&proxy);
    ping(&mut new).unwrap();
    assert_eq!((proxy.connections(), proxy.open_connections()), (2, 2));
    proxy.heal();
    old.set_read_timeout(Some(LONG)).unwrap();
    pong(&mut old).unwrap();
}

#[tokio::test]
async fn a_cut_closes_existing_connections_and_spares_new_ones() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let mut old = connect(&proxy);
    ping(&mut old).unwrap();
    proxy.cut();
    assert_eq!(old.read(&mut [0; 8]).unwrap_or(0), 0);
    ping(&mut connect(&proxy)).unwrap();
    eventually("one connection is left at most", LONG, async || proxy.open_connections() <= 1).await;
}

#[tokio::test]
async fn refused_and_hanging_connections() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    proxy.refuse(true);
    assert!(ping(&mut connect(&proxy)).is_err());
    proxy.heal();
    proxy.hang_new(true);
    let mut hanging = connect(&proxy);
    hanging.set_read_timeout(Some(SHORT)).unwrap();
    let silent = ping(&mut hanging).unwrap_err().kind();
    assert_eq!(silent, ErrorKind::WouldBlock);
    proxy.heal();
    hanging.set_read_timeout(Some(LONG)).unwrap();
    pong(&mut hanging).unwrap();
}

#[tokio::test]
async fn held_replies_mean_the_server_has_done_the_work() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let mut client = connect(&proxy);
    ping(&mut client).unwrap();
    proxy.hold_replies(true);
    client.write_all(b"INCR n\r\n").unwrap();
    let mut direct = TcpStream::connect(server.address()).unwrap();
    let mut reply = [0; 16];
    eventually("the server has counted", LONG, async || {
        direct.write_all(b"GET n\r\n").unwrap();
        let length = direct.read(&mut reply).unwrap();
        &reply[..length] == b"$1\r\n1\r\n"
    })
    .await;
    client.set_read_timeout(Some(SHORT)).unwrap();
    let silent = client.read(&mut reply).unwrap_err().kind();
    assert_eq!(silent, ErrorKind::WouldBlock);
    proxy.cut();
    client.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(client.read(&mut reply).unwrap_or(0), 0);
}

#[tokio::test]
async fn a_delay_is_at_least_what_was_asked_each_way() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let mut client = connect(&proxy);
    ping(&mut client).unwrap();
    proxy.delay(Duration::from_millis(50));
    let started = Instant::now();
    ping(&mut client).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn dropping_the_proxy_closes_its_connections() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let mut client = connect(&proxy);
    ping(&mut client).unwrap();
    let address = proxy.addr();
    drop(proxy);
    assert_eq!(client.read(&mut [0; 8]).unwrap_or(0), 0);
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
#[should_panic(expected = "not within 30ms: pigs fly")]
async fn eventually_gives_up_and_says_what_it_waited_for() {
    eventually("pigs fly", Duration::from_millis(30), async || false).await;
}

fn say(stream: &mut TcpStream, words: &[&str]) {
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    let count = words.matches('$').count();
    let _ = stream.write_all(format!("*{count}\r\n{words}").as_bytes());
}

#[tokio::test]
async fn connections_are_severed_and_hushed_by_their_use() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let answers = |stream: &mut TcpStream| stream.read(&mut [0; 256]).is_ok_and(|length| length > 0);
    let (mut listens, mut commands) = (connect(&proxy), connect(&proxy));
    say(&mut listens, &["SUBSCRIBE", "news"]);
    say(&mut commands, &["TIME"]);
    assert!(answers(&mut listens) && answers(&mut commands));

    proxy.sever(Some(Line::Subscription));
    assert!(!answers(&mut listens), "it is closed");
    let mut again = connect(&proxy);
    ping(&mut again).unwrap();
    say(&mut again, &["SUBSCRIBE", "news"]);
    assert!(!answers(&mut again), "one that comes meanwhile is closed as soon as it subscribes");
    say(&mut commands, &["TIME"]);
    assert!(answers(&mut commands), "the other one is spared");

    proxy.sever(None);
    proxy.hush(Some(Line::Commands));
    let mut listens = connect(&proxy);
    say(&mut listens, &["SUBSCRIBE", "news"]);
    assert!(answers(&mut listens), "the other one is spared");
    commands.set_read_timeout(Some(SHORT)).unwrap();
    say(&mut commands, &["TIME"]);
    assert!(!answers(&mut commands), "it is frozen");
    proxy.hush(None);
    commands.set_read_timeout(Some(LONG)).unwrap();
    assert!(answers(&mut commands), "it goes on");
}
