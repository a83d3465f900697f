//! The front: what callers lock with.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mystocks_config::LockSettings;
use mystocks_keys::{InvalidKey, Json, Key, Keyspace};
use tracing::instrument;

use crate::acquiring;
use crate::backend::{Keep, Kind, LockBackend, Release, Standing};
use crate::error::{Error, ErrorKind};
use crate::goal::Goal;
use crate::guard::{Extended, LockGuard, Released};
use crate::hold::LossReason;
use crate::info::{self, LockInfo};
use crate::metric;
use crate::resource::Resource;
use crate::shared::Shared;
use crate::token::Token;

/// Locks resources among all processes that share a backend; cloning it is cheap.
///
/// One task renews, waits and releases for all its guards; it ends with [`Locker::shutdown`], or with the last clone and
/// guard.
#[derive(Debug, Clone)]
pub struct Locker {
    shared: Arc<Shared>,
    /// Who holds what is locked with this handle, as JSON.
    owner: Arc<str>,
}

/// What every locker of this process shares that is switched off.
static OFF: OnceLock<crate::memory::MemoryLocks> = OnceLock::new();

/// What the work under [`Locker::with_lock`] may know of the lock it holds.
#[derive(Debug, Clone)]
pub struct Holding {
    /// The fencing token; see [`LockGuard::fence`].
    pub fence: Option<std::num::NonZeroU64>,
    /// Cancelled when the lock is lost, right before the work is dropped.
    pub lost: tokio_util::sync::CancellationToken,
}

impl Locker {
    /// Makes a locker on `backend`; locks whose resource names no other time are held for `settings.default_timeout`.
    ///
    /// With `settings.enabled` off, `backend` is not used: locks exclude within this process only, which is said once in the
    /// log.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(backend: impl LockBackend, settings: &LockSettings, keyspace: &Keyspace) -> Self {
        let backend: Arc<dyn LockBackend> = if settings.enabled {
            Arc::new(backend)
        } else {
            tracing::warn!("REDIS_ENABLE_LOCK is off: locks exclude within this process only");
            Arc::new(OFF.get_or_init(crate::memory::MemoryLocks::new).process())
        };
        let shared = Shared::start(backend, keyspace.clone(), settings.default_timeout);
        Self { shared, owner: info::owner("") }
    }

    /// Makes a locker in memory, with the default prefixes and times.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn memory() -> Self {
        Self::new(crate::memory::MemoryLocks::new(), &LockSettings::default(), &Keyspace::default())
    }

    /// Returns a handle whose locks are said to be held by `name`, beside the host and the process that are always told.
    #[must_use]
    pub fn with_owner(self, name: &str) -> Self {
        Self { owner: info::owner(name), ..self }
    }

    /// Locks `resource` if nobody holds it; `None` when somebody does.
    ///
    /// Who waits in a queue is not asked: on a free lock this overtakes them.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidArgument`] for a name or a time to live that cannot be.
    /// - [`ErrorKind::Unavailable`], [`ErrorKind::Backend`] when the server cannot be asked, or refuses.
    /// - [`ErrorKind::Unknown`] when it did not answer: what it may have granted is released in the background.
    /// - [`ErrorKind::Closed`] after [`Locker::shutdown`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind: what was granted meanwhile is released.
    #[instrument(name = "lock.try_lock", level = "debug", skip_all)]
    pub async fn try_lock(&self, resource: impl Into<Resource>) -> Result<Option<LockGuard>, Error> {
        acquiring::at_once(&self.shared, &self.goal(&resource.into())?).await
    }

    /// Locks `resource`, waiting for it for at most `limit`; `None` when it was busy all the time.
    ///
    /// Waits in the queue, where a release hands it the lock. When a lock ends by itself, who asks at that moment may take it
    /// before who has waited for less than 0.5 s. While the server cannot be reached it goes on trying until the limit.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind, neither the lock nor the place in the queue.
    #[instrument(name = "lock.lock", level = "debug", skip_all)]
    pub async fn lock(
        &self,
        resource: impl Into<Resource>,
        limit: Duration,
    ) -> Result<Option<LockGuard>, Error> {
        acquiring::in_time(&self.shared, &self.goal(&resource.into())?, limit, false).await
    }

    /// Locks `resource` as [`lock`](Self::lock) does, after everybody who was in the queue before.
    ///
    /// Who is taken for dead (nothing was heard of its process for 0.8 s, or it no longer listens) is passed over, and gets its
    /// old place back when it is alive after all. Only who takes the lock without a queue, with [`try_lock`](Self::try_lock),
    /// [`lock`](Self::lock) or from another language, comes in between.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// As [`Locker::lock`].
    #[instrument(name = "lock.lock_fair", level = "debug", skip_all)]
    pub async fn lock_fair(
        &self,
        resource: impl Into<Resource>,
        limit: Duration,
    ) -> Result<Option<LockGuard>, Error> {
        acquiring::in_time(&self.shared, &self.goal(&resource.into())?, limit, true).await
    }

    /// Does `work` while `resource` is locked, waiting for it for at most `limit`; `None` when it was busy all the time.
    ///
    /// The work is dropped when the lock is lost. The lock is released before this returns, or in the background when the
    /// server does not answer.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mystocks_lock::Error> {
    /// use std::time::Duration;
    /// use mystocks_lock::Locker;
    ///
    /// let locker = Locker::memory();
    /// let sum = locker.with_lock("sum", Duration::from_secs(1), |holding| async move {
    ///     holding.fence.map(|fence| fence.get() > 0)
    /// });
    /// assert_eq!(sum.await?, Some(Some(true)));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Locker::try_lock`], and [`ErrorKind::Lost`] when the lock was lost and the work dropped.
    ///
    /// # Cancel safety
    /// Dropping the future drops the work, and releases the lock in the background.
    pub async fn with_lock<T, F>(
        &self,
        resource: impl Into<Resource>,
        limit: Duration,
        work: impl FnOnce(Holding) -> F,
    ) -> Result<Option<T>, Error>
    where
        F: Future<Output = T>,
    {
        let Some(guard) = self.lock(resource, limit).await? else { return Ok(None) };
        let working = work(Holding { fence: guard.fence(), lost: guard.lost_token() });
        tokio::select! {
            biased;
            reason = guard.lost() => Err(lost(&guard, reason)),
            done = working => {
                // The work is done whatever the server says; what it does not answer is released in the background.
                let _ = guard.release().await;
                Ok(Some(done))
            }
        }
    }

    /// Returns whether somebody holds the lock of `resource`.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    pub async fn is_locked(&self, resource: impl Into<Resource>) -> Result<bool, Error> {
        Ok(self.info(resource).await?.is_some())
    }

    /// Returns who holds the lock of `resource` and how many wait for it; `None` when nobody holds it.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    pub async fn info(&self, resource: impl Into<Resource>) -> Result<Option<LockInfo>, Error> {
        let goal = self.goal(&resource.into())?;
        let states = self.shared.backend.inspect(&[goal.spot()]).await?;
        Ok(states.into_iter().next().and_then(|state| info::of_lock(&goal.name, state)))
    }

    /// Returns the locks that are held now and whose resource begins with `beginning`, of any process and language.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    pub async fn list(&self, beginning: &str) -> Result<Vec<LockInfo>, Error> {
        info::list(&self.shared, beginning).await
    }

    /// Takes the lock of `resource` from whoever holds it, and returns who that was; `None` when nobody held it.
    ///
    /// What is returned and logged, as a warning, is exactly what was removed, in one step. For an operator: the holder is told
    /// at once when it is a guard of this crate with a fence, and else, on a quorum too, at its next renewal.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether it was released.
    #[instrument(name = "lock.force_release", level = "debug", skip_all)]
    pub async fn force_release(
        &self,
        resource: impl Into<Resource>,
        why: &str,
    ) -> Result<Option<LockInfo>, Error> {
        let goal = self.goal(&resource.into())?;
        let release = Release { spot: goal.spot(), token: None, leaves: None };
        let stood = self.shared.backend.release(&[release]).await?;
        let Some(Standing::Forced(state)) = stood.into_iter().next() else { return Ok(None) };
        let before = info::of_lock(&goal.name, state);
        metrics::counter!(metric::FORCED).increment(1);
        let holder = before.as_ref().and_then(|info| info.owner.as_ref()).map(ToString::to_string);
        let fence = before.as_ref().and_then(|info| info.fence);
        tracing::warn!(
            target: "mystocks_lock::audit",
            resource = goal.name, why, by = &*self.owner, holder, fence,
            "a lock was released by force"
        );
        Ok(before)
    }

    /// Locks `resource` for a caller that carries the token itself, for `ttl` without renewal; `None` when somebody holds it.
    ///
    /// Nothing in this process holds it: it is no hold in the metrics, and [`Locker::shutdown`] does not release it.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// As [`Locker::try_lock`].
    pub async fn acquire(
        &self,
        resource: impl Into<Resource>,
        ttl: Duration,
    ) -> Result<Option<Token>, Error> {
        let resource = resource.into().ttl(ttl).without_renewal();
        acquiring::for_token(&self.shared, &self.goal(&resource)?).await
    }

    /// Releases the lock of `resource` if it is held with `token`.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether it was released.
    pub async fn release(&self, resource: impl Into<Resource>, token: &Token) -> Result<Released, Error> {
        let goal = self.goal(&resource.into())?;
        let stood = self.shared.backend.release(&[goal.release(token.as_str(), false)]).await;
        let released = stood.map(|stood| Released::of(stood.first()));
        metric::release(goal.class, released.as_ref().map_or("failed", |released| released.name()));
        released
    }

    /// Sets the time to live of the lock of `resource` to `ttl` if it is held with `token`.
    ///
    /// # Errors
    /// As [`Locker::try_lock`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open which time to live it has.
    pub async fn extend(
        &self,
        resource: impl Into<Resource>,
        token: &Token,
        ttl: Duration,
    ) -> Result<Extended, Error> {
        let goal = self.goal(&resource.into().ttl(ttl))?;
        let keep = Keep::Held {
            spot: goal.spot(),
            token: token.as_str(),
            ttl: goal.ttl,
            is_least: false,
            owner: None,
        };
        Ok(Extended::of(self.shared.backend.keep(&[keep]).await?.first()))
    }

    /// Names the lock of whoever computes one indicator of one stock: held for 300 s at a time.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a stock or indicator that cannot be part of a key.
    pub fn indicator_calculation_lock(
        &self,
        stock: &str,
        indicator: &str,
        params: &Json,
    ) -> Result<Resource, Error> {
        let key = self.shared.keyspace.lock_indicator(stock, indicator, params);
        self.named(stock, key, "indicator_calculation", 300)
    }

    /// Names the lock of whoever runs the batch task `task_id`: held for 3,600 s at a time.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an id that cannot be part of a key.
    pub fn batch_task_lock(&self, task_id: &str) -> Result<Resource, Error> {
        self.named(task_id, self.shared.keyspace.lock_task(task_id), "batch_task", 3600)
    }

    /// Names the lock of whoever updates the resource `id` of this type: held for 60 s at a time.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a type or id that cannot be part of a key.
    pub fn resource_update_lock(&self, resource_type: &str, id: &str) -> Result<Resource, Error> {
        self.named(id, self.shared.keyspace.lock_resource(resource_type, id), "resource_update", 60)
    }

    /// Releases all that is held, ends the locker's task when that is done (or after 5 s without an answer), and refuses
    /// whatever is asked later.
    ///
    /// Guards that are still held are lost, with [`LossReason::Shutdown`]. Who waits fails with [`ErrorKind::Closed`]; what calls
    /// under way were granted, and their places in queues, are given back before this returns. A future that is not polled
    /// meanwhile is waited for in vain, for 4 s: drop it before. The backend ends what it does for this locker.
    ///
    /// # Cancel safety
    /// Call it again to go on waiting.
    pub async fn shutdown(&self) {
        self.shared.shutdown().await;
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn goal(&self, resource: &Resource) -> Result<Arc<Goal>, Error> {
        self.goal_of(resource, Kind::Exclusive)
    }

    pub(crate) fn goal_of(&self, resource: &Resource, kind: Kind) -> Result<Arc<Goal>, Error> {
        let name = resource.name();
        let key = self.shared.keyspace.lock(name).map_err(|cause| refused(name, cause))?;
        Ok(Arc::new(Goal {
            name: name.to_owned(),
            key,
            kind,
            ttl: crate::ttl::checked(resource.own_ttl().unwrap_or(self.shared.ttl), name)?,
            class: resource.class_name(),
            is_renewed: resource.is_renewed(),
            is_fenced: resource.is_fenced(),
            owner: Arc::clone(&self.owner),
        }))
    }

    fn named(
        &self,
        subject: &str,
        key: Result<Key, InvalidKey>,
        class: &'static str,
        seconds: u64,
    ) -> Result<Resource, Error> {
        let key = key.map_err(|cause| refused(subject, cause))?;
        let name = self.shared.keyspace.resource_of(key.as_str()).unwrap_or_default().to_owned();
        Ok(Resource::new(name).class(class).ttl(Duration::from_secs(seconds)))
    }
}

fn refused(name: &str, cause: InvalidKey) -> Error {
    Error::new(ErrorKind::InvalidArgument, "lock", name).with_source(cause)
}

pub(crate) fn lost(guard: &LockGuard, reason: LossReason) -> Error {
    Error::new(ErrorKind::Lost, "hold", guard.resource()).with_detail(reason.name())
}
