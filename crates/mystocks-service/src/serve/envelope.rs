//! The envelope in which every answer stands.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

/// What every answer of the platform looks like.
#[derive(Debug, Serialize)]
struct Envelope<'a, T> {
    success: bool,
    code: u16,
    message: &'a str,
    data: Option<T>,
    timestamp: String,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    /// `indicators[0].parameters.timeperiod`.
    pub(super) field: String,
    /// One word for programs.
    pub(super) code: &'static str,
    /// What is wrong and what would be right.
    pub(super) message: String,
}

/// An answer that says what is wrong.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    faults: Vec<Fault>,
    header: Option<Box<(header::HeaderName, HeaderValue)>>,
    closes: bool,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), faults: Vec::new(), header: None, closes: false }
    }

    /// Makes the answer to a request whose fields are wrong.
    pub(super) fn of_fields(faults: Vec<Fault>) -> Self {
        let named: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        let message = format!("the request cannot be right: see {}", named.join(", "));
        Self { faults, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, message) }
    }

    /// Says after how many seconds it is worth another try.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        self.with(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    pub(super) fn with(self, name: header::HeaderName, value: HeaderValue) -> Self {
        Self { header: Some(Box::new((name, value))), ..self }
    }

    /// Ends the connection: what the client still sends is no request.
    pub(super) fn closing(self) -> Self {
        Self { closes: true, ..self }
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let envelope = Envelope::<()> {
            success: false,
            code: self.status.as_u16(),
            message: &self.message,
            data: None,
            timestamp: now(),
            errors: &self.faults,
        };
        let mut response = json(self.status, &envelope);
        if let Some(header) = self.header {
            let (name, value) = *header;
            response.headers_mut().insert(name, value);
        }
        if self.closes {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Answers `data` in the envelope; nobody may keep it.
pub(super) fn success<T: Serialize>(message: &str, data: T) -> Response {
    success_with(StatusCode::OK, message, data)
}

/// As [`success`], with another status.
pub(super) fn success_with<T: Serialize>(status: StatusCode, message: &str, data: T) -> Response {
    let envelope = Envelope {
        success: status.is_success(),
        code: status.as_u16(),
        message,
        data: Some(data),
        timestamp: now(),
        errors: &[],
    };
    json(status, &envelope)
}

/// Puts `data` that never changes into the envelope: its time is that of the start, so that the same is the same to the byte.
pub(super) fn constant<T: Serialize>(message: &str, data: T) -> impl Serialize {
    static STARTED: LazyLock<String> = LazyLock::new(now);
    let message = message.to_owned();
    Constant { success: true, code: 200, message, data, timestamp: &STARTED }
}

#[derive(Debug, Serialize)]
struct Constant<T> {
    success: bool,
    code: u16,
    message: String,
    data: T,
    timestamp: &'static str,
}

/// Answers `body` as it is; nobody may keep it.
pub(super) fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    let Ok(text) = serde_json::to_vec(body) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, text).into_response()
}

fn now() -> String {
    format!("{:.6}", Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_fields_of_the_platform_in_their_order() {
        let timestamp = "2024-01-01T10:00:00.000000Z".to_owned();
        let mut envelope =
            Envelope { success: true, code: 200, message: "done", data: Some(1), timestamp, errors: &[] };
        let expected = r#"{"success":true,"code":200,"message":"done","data":1,"timestamp":"2024-01-01T10:00:00.000000Z"}"#;
        assert_eq!(serde_json::to_string(&envelope).unwrap(), expected);
        let faults = [Fault { field: "symbol".to_owned(), code: "missing", message: "x".to_owned() }];
        envelope.errors = &faults;
        assert!(
            serde_json::to_string(&envelope)
                .unwrap()
                .ends_with(r#""errors":[{"field":"symbol","code":"missing","message":"x"}]}"#)
        );
        assert!(now().ends_with('Z') && now().len() == "2024-01-01T10:00:00.000000Z".len(), "{}", now());
    }
}
