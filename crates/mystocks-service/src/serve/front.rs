//! What every request passes before it is answered: who it is from, how many there are, how long it may take.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tokio::time::{Instant, timeout};

use super::app::{App, METRICS, Need, need};
use super::envelope::Refusal;
use super::rate::Client;
use super::tokens::{Right, Who};
use crate::metric::{self, OneMore};

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Answers a request, or says why not; counts and logs it.
pub(super) async fn pass(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let _one = OneMore::request();
    let route: Arc<str> =
        request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).into();
    let method = word(request.method());
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let answered = AssertUnwindSafe(admit(&app, &route, request, next)).catch_unwind().await;
    let (response, name) = match answered {
        Ok((answer, name)) => (answer.unwrap_or_else(IntoResponse::into_response), name),
        Err(_) => {
            metric::panicked();
            tracing::error!(route = &*route, "an answer panicked");
            let refusal = Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made");
            (refusal.into_response(), None)
        }
    };
    let (status, took) = (response.status().as_u16(), began.elapsed());
    metric::answered(&route, method, status, took);
    // Neither path nor query: what a client puts there may be a secret.
    let (client, peer) = (name.as_deref().unwrap_or("-"), peer.map(tracing::field::display));
    tracing::info!(method, route = &*route, status, ms = took.as_secs_f64() * 1e3, client, peer, "answered");
    response
}

type Answer = (Result<Response, Refusal>, Option<String>);

async fn admit(app: &App, route: &str, request: Request, next: Next) -> Answer {
    let need = need(route, request.method());
    let Need::Right(right) = need else {
        return (Ok(next.run(request).await), None);
    };
    let who = app.tokens.who(request.headers());
    let name = match who {
        Who::Token(token) => Some(token.name.clone()),
        Who::Anyone | Who::Unknown => None,
    };
    (guarded(app, route, who, right, request, next).await, name)
}

async fn guarded(
    app: &App,
    route: &str,
    who: Who<'_>,
    right: Right,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    // Who looks what is wrong is answered when there is no place left, too.
    let _place = match (route, app.places.try_acquire()) {
        (METRICS, _) => None,
        (_, Ok(place)) => Some(place),
        (_, Err(_)) => {
            metric::turned_away("busy");
            let message = "as many requests are being answered as can be";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).retry_after(1));
        }
    };
    if who == Who::Anyone && !is_for_this_machine(&request) {
        metric::turned_away("host");
        let message =
            "without credentials only requests for this machine are answered: use 127.0.0.1 or localhost";
        return Err(Refusal::new(StatusCode::FORBIDDEN, message));
    }
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0.ip());
    let client = match (who, peer) {
        (Who::Token(token), _) => Some(Client::Token(&token.name)),
        (_, Some(address)) => Some(Client::Address(address)),
        (_, None) => None,
    };
    if let (Some(rate), Some(client)) = (&app.rate, client)
        && let Err(wait) = rate.admit(client).await
    {
        metric::turned_away("rate");
        let message = "too many requests; the header retry-after says when the next may come";
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, message).retry_after(seconds));
    }
    if !who.may(right) {
        return Err(refused(who));
    }
    match timeout(app.timeout, next.run(request)).await {
        Ok(response) => Ok(response),
        Err(_) => {
            metric::turned_away("timeout");
            let message = format!("there was no answer within {:?}", app.timeout);
            Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, message).retry_after(1))
        }
    }
}

fn refused(who: Who<'_>) -> Refusal {
    match who {
        Who::Unknown => {
            metric::turned_away("unknown_token");
            let message = "expected the header authorization: Bearer and a token that is known here";
            Refusal::new(StatusCode::UNAUTHORIZED, message)
                .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        }
        Who::Token(_) => {
            metric::turned_away("right");
            Refusal::new(StatusCode::FORBIDDEN, "this token does not have the right admin")
        }
        Who::Anyone => {
            metric::turned_away("right");
            let message = "this takes a token with the right admin, and no credentials are configured: see --tokens-file";
            Refusal::new(StatusCode::FORBIDDEN, message)
        }
    }
}

/// Whether the request names this machine: a page of another site that a browser here shows cannot, whatever name it resolves to us.
fn is_for_this_machine(request: &Request) -> bool {
    let named = request.uri().authority().map(|authority| authority.as_str());
    match named.or_else(|| host(request.headers())) {
        Some(host) => is_loopback(host),
        None => true,
    }
}

fn host(headers: &HeaderMap) -> Option<&str> {
    // What is no text is no name of this machine either.
    headers.get(header::HOST).map(|value| value.to_str().unwrap_or("?"))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A method as a label: clients may send any word.
fn word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for own in
            ["localhost", "LOCALHOST:8020", "127.0.0.1", "127.0.0.1:80", "127.1.2.3:1", "[::1]:8020", "[::1]"]
        {
            assert!(is_loopback(own), "{own}");
        }
        for other in [
            "evil.example",
            "evil.example:8020",
            "localhost.evil.example",
            "192.0.2.1:80",
            "",
            "[::2]:80",
            "?",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
