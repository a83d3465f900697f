//! What one client may take of the service: bytes, time, places.

use std::time::Duration;

use mystocks_testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::client::{Answer, request};
use crate::service::{CALCULATE, alone, averages};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_body_is_taken_up_to_a_size() {
    let service = alone(&["--body", "1000"]).await;
    let (fits, large) = (vec![b' '; 1_000], vec![b' '; 1_001]);
    service.ask("POST", CALCULATE, &[JSON], &fits).await.refused(400);
    let answer = service.ask("POST", CALCULATE, &[JSON], &large).await;
    assert!(answer.refused(413).contains("at most 1000 bytes"));
    // Announced, it is not waited for; in pieces whose sum nobody announced, it is counted.
    let announced = service.ask("POST", CALCULATE, &[JSON, ("content-length", "9999999999999")], b"").await;
    announced.refused(413);
    let chunked =
        [request("POST", CALCULATE, &[JSON, ("transfer-encoding", "chunked"), ("content-length", "")], b"")]
            .concat();
    let head = String::from_utf8(chunked).unwrap().replace("content-length: \r\n", "");
    let body = format!("{head}{}", "1f4\r\n".to_owned() + &" ".repeat(500) + "\r\n").into_bytes();
    let pieces = format!("1f4\r\n{}\r\n", " ".repeat(500)).repeat(2);
    crate::client::send(service.address, &[body, pieces.into_bytes()].concat()).await.refused(413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_its_head_drop_by_drop_is_given_up_while_others_are_answered() {
    let service = alone(&["--patience", "1"]).await;
    let began = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nx: ").await.unwrap();
        slow.push(stream);
    }
    // One sends nothing at all, one has its head sent and not its body.
    slow.push(TcpStream::connect(service.address).await.unwrap());
    let mut body = TcpStream::connect(service.address).await.unwrap();
    body.write_all(&request("POST", CALCULATE, &[JSON, ("content-length", "50")], b"{")).await.unwrap();
    let mut answered = 0;
    for stream in &mut slow {
        // Others are answered all the time.
        service.calculate(&averages()).await;
        answered += 1;
        let mut rest = Vec::new();
        loop {
            // It goes on with a byte now and then, which does not save it.
            let _ = stream.write_all(b"a").await;
            let read = tokio::time::timeout(Duration::from_millis(20), stream.read_to_end(&mut rest)).await;
            if read.is_ok() {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it is still connected");
        }
    }
    assert_eq!(answered, 101);
    assert!(began.elapsed() >= Duration::from_millis(900), "nobody was given up before the time");
    assert!(Answer::read(&mut body).await.refused(408).contains("1s"));
    eventually("their places are free", Duration::from_secs(30), async || {
        // The one that asks.
        service.metric("mystocks_http_connections", &[]).await == 1.0
    })
    .await;
}

#[tokio::test]
async fn more_requests_than_can_be_answered_are_turned_away_and_the_probes_are_not() {
    let service = alone(&["--concurrency", "1"]).await;
    let mut first = TcpStream::connect(service.address).await.unwrap();
    let body = averages().to_string();
    let whole = request("POST", CALCULATE, &[JSON], body.as_bytes());
    let (head, rest) = whole.split_at(whole.len() - 10);
    first.write_all(head).await.unwrap();
    eventually("the place is taken", Duration::from_secs(30), async || {
        // And the one that asks, which takes none.
        service.metric("mystocks_http_in_flight", &[]).await == 2.0
    })
    .await;
    let answer = service.post(CALCULATE, &averages()).await;
    assert_eq!(answer.header("retry-after"), Some("1"));
    answer.refused(503);
    assert_eq!(service.get("/health/live").await.status, 200);
    assert_eq!(service.get("/health/ready").await.status, 200);
    first.write_all(rest).await.unwrap();
    assert_eq!(Answer::read(&mut first).await.status, 200);
    service.calculate(&averages()).await;
}

#[tokio::test]
async fn more_connections_than_there_are_places_wait_their_turn() {
    let service = alone(&["--connections", "2"]).await;
    let keep = async || {
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut some = [0; 12];
        stream.read_exact(&mut some).await.unwrap();
        assert_eq!(&some, b"HTTP/1.1 200");
        stream
    };
    let (one, _two) = (keep().await, keep().await);
    let mut third = TcpStream::connect(service.address).await.unwrap();
    third.write_all(&request("GET", "/health/live", &[], b"")).await.unwrap();
    let mut some = [0; 1];
    let waits = tokio::time::timeout(Duration::from_millis(200), third.peek(&mut some)).await;
    assert!(waits.is_err(), "it is answered though there is no place");
    drop(one);
    assert_eq!(Answer::read(&mut third).await.status, 200);
}
