//! What the cache runs when it has no response: one call of the service.

use std::fmt;
use std::future::poll_fn;
use std::time::{Duration, SystemTime};

use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::body::{self, CachedBody};
use super::conditional::Conditions;
use super::handoff::Handoff;
use super::key::Audience;
use super::layer::Rules;
use super::response::CachedResponse;
use super::storable;
use crate::load_ctx::{LoadCtx, Loaded};

/// A call that was not made yet.
pub(crate) type Work<S, B> = (S, Request<B>);

/// What a call ended with, for its caller.
pub(crate) enum Made<R: Body, E> {
    /// A response that the others have too.
    Shared(CachedResponse),
    /// A response for this caller alone.
    Own(Response<CachedBody<R>>),
    /// The service's error.
    Failed(E),
}

impl<R: Body, E> Made<R, E> {
    /// Returns whether a stale response is better, where the policy serves one (RFC 5861, section 4).
    pub(crate) fn is_error(&self) -> bool {
        match self {
            Self::Shared(_) => false,
            Self::Own(response) => response.status().is_server_error(),
            Self::Failed(_) => true,
        }
    }
}

/// What a caller asks of the service, as it and its load share it.
pub(crate) type Errand<S, B, R> = Handoff<Work<S, B>, Made<R, <S as Service<Request<B>>>::Error>>;

/// The call failed; what it left its caller is in the handoff.
#[derive(Debug)]
pub(crate) struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the service answered with an error")
    }
}

impl std::error::Error for Failed {}

/// Calls the service for its caller, leaves what it made in the handoff, and returns the response if it may be stored.
///
/// A response that may not is an absence: for a while nobody waits for another's call that will not help.
///
/// # Errors
/// [`Failed`] if the service failed, by an error or a status of 5xx, or the caller has its work done elsewhere.
pub(crate) async fn run<S, B, R>(
    rules: &Rules,
    audience: &Audience,
    handoff: &Errand<S, B, R>,
    cx: &LoadCtx<CachedResponse>,
) -> Result<Loaded<CachedResponse>, Failed>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    let (mut inner, mut request) = handoff.take_work().ok_or(Failed)?;
    let _ending = handoff.ending();
    // The others want a whole response; the caller's conditions are put to what comes.
    Conditions::take(request.headers_mut());
    let asked = Instant::now();
    let response = match call(&mut inner, request).await {
        Ok(response) => response,
        Err(error) => {
            handoff.leave(Made::Failed(error));
            return Err(Failed);
        }
    };
    let (received, delay) = (SystemTime::now(), asked.elapsed());
    match keep(rules, audience, response, received, delay).await {
        Ok(stored) => {
            cx.set_ttl(stored.lifetime().saturating_sub(stored.initial_age()));
            handoff.leave(Made::Shared(stored.clone()));
            Ok(Loaded::Value(stored))
        }
        Err(own) => {
            let failed = own.status().is_server_error();
            // An error may be one request's own fault, and a broken body is gone in a moment.
            if !storable::is_lasting(own.status()) || own.body().is_broken() {
                cx.no_store();
            }
            handoff.leave(Made::Own(own));
            if failed { Err(Failed) } else { Ok(Loaded::Absent) }
        }
    }
}

/// Calls a service as soon as it is ready.
pub(crate) async fn call<S, B>(inner: &mut S, request: Request<B>) -> Result<S::Response, S::Error>
where
    S: Service<Request<B>>,
{
    poll_fn(|cx| inner.poll_ready(cx)).await?;
    inner.call(request).await
}

/// Makes what is stored of a response, or gives it back to be passed on.
async fn keep<R: Body>(
    rules: &Rules,
    audience: &Audience,
    response: Response<R>,
    received: SystemTime,
    delay: Duration,
) -> Result<CachedResponse, Response<CachedBody<R>>> {
    let (parts, body) = response.into_parts();
    let fresh = match rules.storing().judge(audience, parts.status, &parts.headers, received, delay) {
        Ok(fresh) => fresh,
        Err(refusal) => {
            tracing::trace!(cache = rules.cache.name(), ?refusal, "a response is not stored");
            return Err(Response::from_parts(parts, CachedBody::passed(body)));
        }
    };
    let body = match body::read_whole(body, rules.max_body).await {
        Ok(body) if has_its_length(&parts.headers, body.len()) => body,
        Ok(cut) => return Err(Response::from_parts(parts, CachedBody::stored(cut))),
        Err(passed) => return Err(Response::from_parts(parts, passed)),
    };
    let is_private = !matches!(audience, Audience::Everyone);
    Ok(CachedResponse::new(parts.status, parts.headers, body, fresh, is_private, received))
}

/// Returns whether a body is as long as its response says; one that is not is incomplete (RFC 9111, section 3.3).
fn has_its_length(headers: &http::HeaderMap, length: usize) -> bool {
    headers
        .get_all(http::header::CONTENT_LENGTH)
        .iter()
        .all(|said| said.as_bytes() == length.to_string().as_bytes())
}
