//! The end: requests in flight are answered, nobody else is, and everything is closed.

use std::time::Duration;

use mystocks_testkit::{RedisServer, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::client::{Answer, request};
use crate::service::{CALCULATE, Service, alone, averages};

#[tokio::test]
async fn a_request_in_flight_is_answered_and_no_other_is_taken() {
    for signal in ["TERM", "INT"] {
        let redis = RedisServer::start().await;
        let mut service = Service::start(Some(&redis.url()), &[]).await;
        service.calculate(&averages()).await;
        let body = averages().to_string();
        let whole = request("POST", CALCULATE, &[("content-type", "application/json")], body.as_bytes());
        let (head, rest) = whole.split_at(whole.len() - 10);
        let mut slow = TcpStream::connect(service.address).await.unwrap();
        slow.write_all(head).await.unwrap();
        let mut idle = TcpStream::connect(service.address).await.unwrap();
        idle.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut some = [0; 12];
        idle.read_exact(&mut some).await.unwrap();
        eventually("it is in flight", Duration::from_secs(30), async || {
            // And the one that asks.
            service.metric("mystocks_http_in_flight", &[]).await == 2.0
        })
        .await;
        service.signal(signal);
        eventually("no more are taken", Duration::from_secs(30), async || {
            TcpStream::connect(service.address).await.is_err()
        })
        .await;
        // Who keeps a connection and asks nothing is let go.
        let mut rest_of_idle = Vec::new();
        timeout(Duration::from_secs(30), idle.read_to_end(&mut rest_of_idle))
            .await
            .expect("it is closed")
            .unwrap();
        slow.write_all(rest).await.unwrap();
        let answer = Answer::read(&mut slow).await;
        assert_eq!(
            (answer.status, &answer.json()["success"]),
            (200, &serde_json::json!(true)),
            "SIG{signal}"
        );
        assert_eq!(service.ended().await.code(), Some(0), "{}", service.log());
        assert!(service.log().contains("requests in flight are answered"), "{}", service.log());
    }
}

#[tokio::test]
async fn a_request_that_does_not_end_is_given_up_after_ten_seconds() {
    let mut service = alone(&["--patience", "600", "--timeout", "600"]).await;
    let whole =
        request("POST", CALCULATE, &[("content-type", "application/json"), ("content-length", "50")], b"{");
    let mut slow = TcpStream::connect(service.address).await.unwrap();
    slow.write_all(&whole).await.unwrap();
    eventually("it is in flight", Duration::from_secs(30), async || {
        service.metric("mystocks_http_in_flight", &[]).await == 2.0
    })
    .await;
    let began = Instant::now();
    service.signal("TERM");
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(began.elapsed() >= Duration::from_secs(9), "it was not waited for: {:?}", began.elapsed());
    assert!(service.log().contains("connections were given up left=1"), "{}", service.log());
}
