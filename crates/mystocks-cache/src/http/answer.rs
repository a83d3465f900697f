//! The responses that the layer makes.

use std::time::Duration;

use http::header::{AGE, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Body;

use super::body::CachedBody;
use super::conditional::{self, Conditions};
use super::response::CachedResponse;
use crate::error::ErrorKind;

/// RFC 9211; the http crate has no constant for it.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// How a request was answered, as `Cache-Status` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Hit,
    /// What is stored was served stale, as the policy has it.
    Stale,
    /// The service was asked, for this reason, and its response was stored.
    Stored(&'static str),
    /// The same, and another request had asked already.
    Collapsed(&'static str),
    /// The service was asked, for this reason, and its response is for this request alone.
    Passed(&'static str),
    /// There is no response of the service.
    Failed(&'static str),
}

/// Makes the answer from a stored response; `age` where it is not fresh from the service.
pub(crate) fn stored<B: Body>(
    response: &CachedResponse,
    age: Option<Duration>,
    conditions: &Conditions,
    is_head: bool,
    status: Status,
) -> Response<CachedBody<B>> {
    let mut headers = response.headers().clone();
    // What came old says so the first time too.
    let age = age.or_else(|| Some(response.initial_age()).filter(|age| !age.is_zero()));
    if let Some(age) = age {
        headers.insert(AGE, HeaderValue::from(age.as_secs()));
    }
    let body = if is_head {
        if !matches!(response.status(), StatusCode::NO_CONTENT) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(response.body().len()));
        }
        CachedBody::default()
    } else {
        CachedBody::stored(response.body().clone())
    };
    finish(response.status(), headers, body, conditions, status)
}

/// Makes the answer from a response that is for one caller alone and was asked for without its conditions.
pub(crate) fn own<B: Body>(
    response: Response<CachedBody<B>>,
    conditions: &Conditions,
    status: Status,
) -> Response<CachedBody<B>> {
    let (mut parts, body) = response.into_parts();
    let made = finish(parts.status, std::mem::take(&mut parts.headers), body, conditions, status);
    let (made, body) = made.into_parts();
    (parts.status, parts.headers) = (made.status, made.headers);
    Response::from_parts(parts, body)
}

/// Marks a response that passes through.
pub(crate) fn mark<B>(mut response: Response<B>, status: Status) -> Response<B> {
    push_status(response.headers_mut(), status);
    response
}

/// Makes the answer to `only-if-cached` when nothing is stored that would do (RFC 9111, section 5.2.1.7).
pub(crate) fn not_stored<B: Body>() -> Response<CachedBody<B>> {
    empty(StatusCode::GATEWAY_TIMEOUT, Status::Failed("only-if-cached"))
}

/// Makes the answer when the service was asked and there will be no response.
pub(crate) fn failed<B: Body>(kind: ErrorKind) -> Response<CachedBody<B>> {
    match kind {
        ErrorKind::Timeout => empty(StatusCode::GATEWAY_TIMEOUT, Status::Failed("timeout")),
        ErrorKind::Panicked => empty(StatusCode::INTERNAL_SERVER_ERROR, Status::Failed("panicked")),
        _ => empty(StatusCode::SERVICE_UNAVAILABLE, Status::Failed("unavailable")),
    }
}

fn empty<B: Body>(code: StatusCode, status: Status) -> Response<CachedBody<B>> {
    let mut response = Response::new(CachedBody::default());
    *response.status_mut() = code;
    mark(response, status)
}

fn finish<B: Body>(
    code: StatusCode,
    headers: HeaderMap,
    body: CachedBody<B>,
    conditions: &Conditions,
    status: Status,
) -> Response<CachedBody<B>> {
    let is_met = conditions.are_met_by(code, &headers);
    let (code, headers, body) = if is_met {
        (StatusCode::NOT_MODIFIED, conditional::without_body(headers), CachedBody::default())
    } else {
        (code, headers, body)
    };
    let mut response = Response::new(body);
    *response.status_mut() = code;
    *response.headers_mut() = headers;
    mark(response, status)
}

/// Adds what this cache did behind what caches nearer to the origin did.
fn push_status(headers: &mut HeaderMap, status: Status) {
    let text = match status {
        Status::Hit => "mystocks; hit".to_owned(),
        Status::Stale => "mystocks; fwd=stale; detail=served-stale".to_owned(),
        Status::Stored(why) => format!("mystocks; fwd={why}; stored"),
        Status::Collapsed(why) => format!("mystocks; fwd={why}; collapsed"),
        Status::Passed(why) => format!("mystocks; fwd={why}"),
        Status::Failed(detail) => format!("mystocks; detail={detail}"),
    };
    if let Ok(value) = HeaderValue::try_from(text) {
        // A map too full for it goes without.
        let _ = headers.try_append(CACHE_STATUS, value);
    }
}
