//! Whatever is sent, the answer says what is wrong with it, and the service goes on.

use serde_json::{Value, json};

use crate::client::{request, send};
use crate::service::{CALCULATE, CLEAR, alone, averages};

fn body(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut body = averages();
    change(&mut body);
    body.to_string().into_bytes()
}

fn with(field: &str, value: Value) -> Vec<u8> {
    body(|body| body[field] = value)
}

#[tokio::test]
async fn a_body_that_cannot_be_right_is_named() {
    let service = alone(&[]).await;
    let json = [("content-type", "application/json; charset=utf-8")];
    let parameter = |value: Value| {
        with("indicators", json!([{"abbreviation": "SMA", "parameters": {"timeperiod": value}}]))
    };
    let deep = [b"[".repeat(10_000), b"]".repeat(10_000)].concat();
    let huge = br#"{"symbol": "AAPL", "start_date": "2009-01-01", "end_date": "2009-06-30", "indicators": [{"abbreviation": "SMA", "parameters": {"timeperiod": 1e999}}]}"#;
    for (body, status, named) in [
        (b"".to_vec(), 400, "no JSON"),
        (b"{".to_vec(), 400, "no JSON"),
        (b"nonsense".to_vec(), 400, "no JSON"),
        (b"{\"symbol\": \"\xff\xfe\"}".to_vec(), 400, "no JSON"),
        (b"\xef\xbb\xbf{}".to_vec(), 400, "no JSON"),
        (b"\0\0\0\0".to_vec(), 400, "no JSON"),
        (b"{} {}".to_vec(), 400, "no JSON"),
        (b"{\"symbol\": NaN}".to_vec(), 400, "no JSON"),
        (huge.to_vec(), 400, "no JSON"),
        (deep, 400, "no JSON"),
        (b"null".to_vec(), 422, "body"),
        (b"[1]".to_vec(), 422, "body"),
        (b"{}".to_vec(), 422, "symbol"),
        (with("symbol", json!("A\0B")), 422, "symbol"),
        (with("symbol", json!("../../etc/passwd")), 422, "symbol"),
        (with("symbol", json!("茅台")), 422, "symbol"),
        (with("symbol", json!("x".repeat(10_000))), 422, "symbol"),
        (with("symbol", json!({})), 422, "symbol"),
        (with("start_date", json!("2009-13-01")), 422, "start_date"),
        (with("start_date", json!("-09999-01-01")), 422, "start_date"),
        (with("end_date", json!("2008-01-01")), 422, "end_date"),
        (with("end_date", json!("9999-12-31")), 422, "end_date"),
        (with("end_date", json!(20_090_630)), 422, "end_date"),
        (with("indicators", json!([])), 422, "indicators"),
        (with("indicators", json!(vec![json!({"abbreviation": "SMA"}); 11])), 422, "indicators"),
        (with("indicators", json!([{"abbreviation": "sma"}])), 422, "indicators[0].abbreviation"),
        (with("indicators", json!([{"abbreviation": "A\0"}])), 422, "indicators[0].abbreviation"),
        (parameter(json!(0)), 422, "indicators[0].parameters.timeperiod"),
        (parameter(json!(i64::MIN)), 422, "indicators[0].parameters.timeperiod"),
        (parameter(json!(u64::MAX)), 422, "indicators[0].parameters.timeperiod"),
        (parameter(json!(1e308)), 422, "indicators[0].parameters.timeperiod"),
        (parameter(json!(20.0)), 422, "indicators[0].parameters.timeperiod"),
        (parameter(json!([20])), 422, "indicators[0].parameters.timeperiod"),
        (
            with("indicators", json!([{"abbreviation": "SMA", "parameters": {"\0": 1}}])),
            422,
            "indicators[0].parameters.\\0",
        ),
        (with("use_cache", json!(1)), 422, "use_cache"),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let answer = service.ask("POST", CALCULATE, &json, &body).await;
        let message = answer.refused(status);
        assert!(message.contains(named), "{message} for {shown}");
        assert!(message.len() < 300, "{message}");
        if status == 422 {
            assert_eq!(answer.fields()[0], named, "{shown}");
        }
    }
    let mut unknown = averages();
    unknown["symbol"] = json!("APPL");
    assert!(service.post(CALCULATE, &unknown).await.refused(404).contains("the nearest are AAPL"));
    for content in [&[][..], &[("content-type", "text/plain")], &[("content-type", "application/jsonp")]] {
        let answer = service.ask("POST", CALCULATE, content, &body(|_| {})).await;
        assert!(answer.refused(415).contains("application/json"), "{content:?}");
    }
    assert_eq!(
        service.post(&format!("{CALCULATE}/batch"), &json!({"calculations": 1})).await.fields(),
        ["calculations"]
    );
    service.calculate(&averages()).await;
    assert_eq!(service.metric("mystocks_http_panics_total", &[]).await, 0.0);
    assert!(!service.log().contains("panicked"), "{}", service.log());
}

#[tokio::test]
async fn what_is_no_route_or_no_method_is_said_in_the_envelope() {
    let service = alone(&[]).await;
    for path in [
        "/",
        "/api/v1/indicators",
        "/api/v1/indicators/calculate/",
        "/metrics/x",
        "/%00",
        "/..%2f..%2fetc",
        "//",
        "/?a=b",
    ] {
        assert!(service.get(path).await.refused(404).contains("/openapi.json"), "{path}");
    }
    for (method, path, allowed) in [
        ("GET", CALCULATE, "POST"),
        ("DELETE", CALCULATE, "POST"),
        ("POST", "/health/live", "GET"),
        ("PUT", "/metrics", "GET"),
        ("BREW", "/openapi.json", "GET"),
        ("GET", CLEAR, "POST"),
    ] {
        let answer = service.ask(method, path, &[], b"").await;
        answer.refused(405);
        assert!(
            answer.header("allow").is_some_and(|allow| allow.contains(allowed)),
            "{method} {path}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_http_ends_its_connection_and_nothing_else() {
    let service = alone(&[]).await;
    let long = [b"GET /health/live HTTP/1.1\r\nx: ".as_slice(), &b"a".repeat(100_000), b"\r\n\r\n"].concat();
    let many = [b"GET /health/live HTTP/1.1\r\n".as_slice(), &b"a: b\r\n".repeat(2_000), b"\r\n"].concat();
    for (bytes, statuses) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".to_vec(), &[400][..]),
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), &[400, 505]),
        (b"nonsense\r\n\r\n".to_vec(), &[400]),
        (b"GET /\0 HTTP/1.1\r\n\r\n".to_vec(), &[400]),
        (b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n".to_vec(), &[400]),
        (long, &[431]),
        (many, &[431]),
    ] {
        let answer = send(service.address, &bytes).await;
        assert!(
            statuses.contains(&answer.status),
            "{} for {:?}",
            answer.status,
            &bytes[..20.min(bytes.len())]
        );
    }
    // A body that breaks off, after a good head.
    let whole =
        request("POST", CALCULATE, &[("content-type", "application/json"), ("content-length", "500")], b"{");
    use tokio::io::AsyncWriteExt;
    let mut stream = tokio::net::TcpStream::connect(service.address).await.unwrap();
    stream.write_all(&whole).await.unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    service.calculate(&averages()).await;
}
