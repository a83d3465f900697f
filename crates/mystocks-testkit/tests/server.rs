//! A private server starts, ends, comes back and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use mystocks_testkit::RedisServer;
use tokio::task::JoinSet;

fn ask(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = [0; 512];
    let length = stream.read(&mut reply).unwrap();
    String::from_utf8_lossy(&reply[..length]).into_owned()
}

fn tcp(server: &RedisServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream
}

#[tokio::test]
async fn answers_on_tcp_and_on_its_socket_and_keeps_nothing() {
    let server = RedisServer::start().await;
    assert_eq!(ask(tcp(&server), "PING\r\n"), "+PONG\r\n");
    let unix = UnixStream::connect(server.unix_path()).unwrap();
    assert_eq!(ask(unix, "PING\r\n"), "+PONG\r\n");
    let saves = ask(tcp(&server), "CONFIG GET save\r\n");
    assert_eq!(saves, "*2\r\n$4\r\nsave\r\n$0\r\n\r\n");
    let bind = ask(tcp(&server), "CONFIG GET bind\r\n");
    assert_eq!(bind, "*2\r\n$4\r\nbind\r\n$9\r\n127.0.0.1\r\n");
}

#[tokio::test]
async fn kill_and_restart_keep_the_port_and_lose_the_data() {
    let mut server = RedisServer::start().await;
    let port = server.port();
    let first = server.pid().unwrap();
    assert_eq!(ask(tcp(&server), "SET k v\r\n"), "+OK\r\n");
    server.kill().await;
    assert_eq!(server.pid(), None);
    assert!(TcpStream::connect(server.address()).is_err());
    server.restart().await;
    assert_eq!(server.port(), port);
    assert_ne!(server.pid().unwrap(), first);
    assert_eq!(ask(tcp(&server), "GET k\r\n"), "$-1\r\n");
    server.stop().await;
    assert!(server.log().contains("Redis is now ready to exit"));
}

#[tokio::test]
async fn a_paused_server_is_silent_and_a_resumed_one_answers() {
    let server = RedisServer::start().await;
    let mut stream = tcp(&server);
    server.pause();
    stream.write_all(b"PING\r\n").unwrap();
    let mut reply = [0; 7];
    assert!(stream.read_exact(&mut reply).is_err());
    server.resume();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"+PONG\r\n");
}

#[tokio::test]
async fn dropping_ends_the_process_and_removes_the_folder_even_in_a_panic() {
    let server = RedisServer::start().await;
    let (pid, folder) = (server.pid().unwrap(), server.unix_path());
    let folder = folder.parent().unwrap().to_owned();
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    let mut tests = JoinSet::new();
    tests.spawn(async move {
        assert!(server.pid().is_none(), "a test that fails");
    });
    let failed = tests.join_next().await.unwrap();
    assert!(failed.unwrap_err().is_panic());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!folder.exists());
}

#[tokio::test]
async fn password_config_lines_and_urls() {
    let server = RedisServer::builder().password("hunter2").config_line("maxmemory 10mb").start().await;
    assert_eq!(server.url(), format!("redis://:hunter2@127.0.0.1:{}/1", server.port()));
    let mut stream = tcp(&server);
    assert!(ask(&mut stream, "PING\r\n").starts_with("-NOAUTH"));
    assert_eq!(ask(&mut stream, "AUTH hunter2\r\n"), "+OK\r\n");
    let limit = ask(&mut stream, "CONFIG GET maxmemory\r\n");
    assert!(limit.contains("10485760"), "{limit}");
    let unix = RedisServer::builder().unix_socket().start().await;
    let expected = format!("redis+unix://{}?db=1", unix.unix_path().display());
    assert_eq!(unix.url(), expected);
}

#[tokio::test]
async fn a_tls_server_speaks_only_tls() {
    let server = RedisServer::builder().tls().start().await;
    assert!(server.url().starts_with("rediss://127.0.0.1:"));
    let authority = std::fs::read_to_string(server.authority().unwrap()).unwrap();
    assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
    let mut plain = tcp(&server);
    plain.write_all(b"PING\r\n").unwrap();
    let mut reply = [0; 7];
    assert!(plain.read_exact(&mut reply).is_err() || &reply != b"+PONG\r\n");
}

#[tokio::test]
async fn a_bad_configuration_fails_with_the_servers_own_words() {
    let mut starts = JoinSet::new();
    let spec = RedisServer::builder().config_line("no-such-directive 1");
    starts.spawn(spec.start());
    let failed = starts.join_next().await.unwrap();
    let panic = failed.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("redis-server did not start"), "{message}");
    assert!(message.contains("no-such-directive"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn paused_time_does_not_hinder_a_start() {
    let server = RedisServer::start().await;
    assert_eq!(ask(tcp(&server), "PING\r\n"), "+PONG\r\n");
}
