//! The service behind the layer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::answer::{self, Status};
use super::body::CachedBody;
use super::conditional::Conditions;
use super::demand::{Demand, Terms};
use super::forget::Forget;
use super::handoff::Handoff;
use super::key::{Audience, HttpKey};
use super::layer::Rules;
use super::load::{self, Errand, Made, Work};
use super::stored::Stored;
use crate::error::ErrorKind;
use crate::outcome::Tier;

/// A service behind a [`CacheLayer`](super::CacheLayer).
///
/// # Concurrent calls
/// However many requests ask for one key at once, the service is called once, as a task of the cache and under
/// [`Policy::load_deadline`](crate::Policy::load_deadline); all get its response if it may be stored. If it may not, or if the
/// call fails, the response or error is for the caller whose request was passed on, and each of the others has a call
/// of its own: nobody gets a response or an error that another's request brought about. After a 2xx or 3xx that may not be
/// stored, requests for its key do not wait for each other for [`Policy::negative_ttl`](crate::Policy::negative_ttl).
///
/// [`Policy::max_loads`](crate::Policy::max_loads) bounds the calls for stored responses, the service's own readiness all
/// of them.
///
/// # Readiness
/// It is always ready, and calls the service only when that is: a stored response is served while the service is busy.
///
/// # Errors
/// The service's own. When its call passes the load's deadline or panics, or the cache is shut down meanwhile, the answer is 504,
/// 500 or 503.
///
/// # Cancel safety
/// A call for a stored response goes on when its caller goes away. Any other ends; if its method is unsafe, what it may have
/// changed is invalidated all the same.
#[derive(Clone)]
pub struct CachedService<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> CachedService<S> {
    pub(crate) fn new(inner: S, rules: Arc<Rules>) -> Self {
        Self { inner, rules }
    }
}

impl<S, B, R> Service<Request<B>> for CachedService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: Body + Send + 'static,
    R: Body + Send + 'static,
    R::Error: Send,
{
    type Response = Response<CachedBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // The service's readiness is awaited where it is called: a place in it must not be held by who may not need it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (inner, rules) = (self.inner.clone(), Arc::clone(&self.rules));
        Box::pin(answer(rules, inner, request))
    }
}

async fn answer<S, B, R>(
    rules: Arc<Rules>,
    mut inner: S,
    request: Request<B>,
) -> Result<Response<CachedBody<R>>, S::Error>
where
    S: Service<Request<B>, Response = Response<R>> + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: Body + Send + 'static,
    R: Body + Send + 'static,
    R::Error: Send,
{
    let (parts, body) = request.into_parts();
    let demand = Demand::of(&parts, !body.is_end_stream());
    match demand {
        Demand::Cached(terms) => {
            let audience = rules.audience(&parts);
            let key = rules.key(&parts, audience.clone());
            let asked = Asked { rules, key, audience, terms, conditions: Conditions::of(&parts.headers) };
            asked.answer(inner, Request::from_parts(parts, body)).await
        }
        Demand::Untouched => {
            let response = load::call(&mut inner, Request::from_parts(parts, body)).await?;
            Ok(response.map(CachedBody::passed))
        }
        Demand::Pass(why) => pass((inner, Request::from_parts(parts, body)), why).await,
        Demand::Unsafe => {
            let forget = Forget::new(rules, &parts);
            let response = load::call(&mut inner, Request::from_parts(parts, body)).await?;
            let status = response.status();
            if status.is_success() || status.is_redirection() {
                forget.now().await;
            } else {
                forget.never();
            }
            Ok(response.map(CachedBody::passed))
        }
    }
}

/// A request that the cache may answer.
struct Asked {
    rules: Arc<Rules>,
    key: HttpKey,
    audience: Audience,
    terms: Terms,
    conditions: Conditions,
}

impl Asked {
    async fn answer<S, B, R>(self, inner: S, request: Request<B>) -> Result<Response<CachedBody<R>>, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>> + Send + 'static,
        S::Future: Send,
        S::Error: Send + 'static,
        B: Body + Send + 'static,
        R: Body + Send + 'static,
        R::Error: Send,
    {
        let mut why = if self.terms.revalidates { "request" } else { "miss" };
        if self.terms.is_head || self.terms.only_if_cached {
            // Neither may fill the cache: a HEAD has no body to store.
            return match self.look_up().await {
                Some(found) if found.is_stale() => Ok(self.serve(&found, Status::Stale)),
                Some(found) => Ok(self.serve(&found, Status::Hit)),
                None if self.terms.only_if_cached => Ok(answer::not_stored()),
                None => pass((inner, request), why).await,
            };
        }
        if self.terms.revalidates && !self.rules.forget(&self.key).await {
            // The store may still hold what the client does not want.
            return pass((inner, request), why).await;
        }
        let handoff = Arc::new(Handoff::new((inner, request)));
        let mut read = self.read(&handoff).await;
        if let Ok(Some(found)) = &read
            && !self.is_accepted(found)
            && !handoff.is_taken()
        {
            why = "stale";
            if self.rules.forget(&self.key).await {
                read = self.read(&handoff).await;
            }
        }
        let found = match read {
            // The policy has a time for its callers, which a call of their own would not keep.
            Err(ErrorKind::Timeout) if self.rules.has_hard_timeout() => {
                return Ok(answer::failed(ErrorKind::Timeout));
            }
            Err(kind) => Err(kind),
            Ok(found) => found.filter(|found| self.is_accepted(found)).ok_or(ErrorKind::Unavailable),
        };
        if found.is_err() && handoff.is_taken() {
            // The cache may be done with this caller before the call is: when it refreshes what the caller does not take.
            handoff.ended().await;
        }
        let made = handoff.take_result();
        if let Ok(found) = &found
            && found.is_stale()
            && made.as_ref().is_none_or(Made::is_error)
        {
            return Ok(self.serve(found, Status::Stale));
        }
        match (made, found) {
            (Some(Made::Shared(made)), _) => Ok(self.serve(&Stored::fresh(made), Status::Stored(why))),
            (Some(Made::Own(own)), _) => Ok(answer::own(own, &self.conditions, Status::Passed(why))),
            (Some(Made::Failed(error)), _) => Err(error),
            (None, Ok(found)) if found.tier == Tier::L3 => Ok(self.serve(&found, Status::Collapsed(why))),
            (None, Ok(found)) => Ok(self.serve(&found, Status::Hit)),
            (None, Err(kind)) => match handoff.take_work() {
                Some(work) => pass(work, why).await,
                None => Ok(answer::failed(kind)),
            },
        }
    }

    async fn look_up(&self) -> Option<Stored> {
        if self.terms.revalidates {
            return None;
        }
        self.rules.look_up(&self.key).await.filter(|found| self.is_accepted(found))
    }

    async fn read<S, B, R>(&self, handoff: &Arc<Errand<S, B, R>>) -> Result<Option<Stored>, ErrorKind>
    where
        S: Service<Request<B>, Response = Response<R>> + Send + 'static,
        S::Future: Send,
        S::Error: Send + 'static,
        B: Body + Send + 'static,
        R: Body + Send + 'static,
        R::Error: Send,
    {
        let (rules, audience, handoff) =
            (Arc::clone(&self.rules), self.audience.clone(), Arc::clone(handoff));
        self.rules
            .read(&self.key, move |cx| async move { load::run(&rules, &audience, &handoff, &cx).await })
            .await
    }

    /// Returns whether what was found will do; what the service just said will, however old it is.
    fn is_accepted(&self, found: &Stored) -> bool {
        found.tier == Tier::L3
            || self.terms.accept(found.age(), found.response.lifetime(), found.may_be_stale())
    }

    fn serve<R: Body>(&self, found: &Stored, status: Status) -> Response<CachedBody<R>> {
        let age: Option<Duration> = (!matches!(status, Status::Stored(_))).then(|| found.age());
        answer::stored(&found.response, age, &self.conditions, self.terms.is_head, status)
    }
}

/// Calls the service for one caller alone.
async fn pass<S, B, R>(work: Work<S, B>, why: &'static str) -> Result<Response<CachedBody<R>>, S::Error>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    let (mut inner, request) = work;
    let response = load::call(&mut inner, request).await?;
    Ok(answer::mark(response.map(CachedBody::passed), Status::Passed(why)))
}

impl<S: fmt::Debug> fmt::Debug for CachedService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedService").field("inner", &self.inner).field("rules", &self.rules).finish()
    }
}
