//! The body of a request.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use tokio::time::timeout;

use super::envelope::Refusal;

/// How much of a body is taken, and for how long it is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes: usize,
    pub(super) patience: Duration,
}

impl Bounds {
    /// Reads the body of `request` as JSON.
    pub(super) async fn json(self, request: Request) -> Result<Value, Refusal> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            let message = "expected the header content-type: application/json";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
        let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if announced.and_then(|text| text.parse::<u64>().ok()).is_some_and(|bytes| bytes > self.bytes as u64)
        {
            return Err(self.too_large());
        }
        let bytes = self.read(body).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            // What the parser says names a line and a column, and repeats nothing.
            Refusal::new(StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}"))
        })
    }

    async fn read(self, body: Body) -> Result<axum::body::Bytes, Refusal> {
        match timeout(self.patience, Limited::new(body, self.bytes).collect()).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(self.too_large()),
            Ok(Err(_)) => Err(Refusal::new(StatusCode::BAD_REQUEST, "the body broke off").closing()),
            Err(_) => {
                let message = format!("the body did not come within {:?}", self.patience);
                Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, message).closing())
            }
        }
    }

    fn too_large(self) -> Refusal {
        let message = format!("expected a body of at most {} bytes", self.bytes);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message).closing()
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}
