//! What all handles of one locker share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mystocks_keys::Keyspace;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::backend::LockBackend;
use crate::goal::Goal;
use crate::hold::{Hold, LossReason};
use crate::keeper::{Keeper, PATIENCE, Return};
use crate::registry::Registry;
use crate::token::Token;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn LockBackend>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) keyspace: Keyspace,
    pub(crate) ttl: Duration,
    pub(crate) closed: CancellationToken,
    tasks: TaskTracker,
    /// Nobody's task: what is under way, and will be given back by whoever is at it.
    debts: TaskTracker,
    /// When a shutdown has waited for long enough.
    end: Arc<OnceLock<Instant>>,
    /// The keeper ends when this is gone, and what it still has to do is done.
    returns: std::sync::RwLock<Option<mpsc::UnboundedSender<Return>>>,
}

impl Shared {
    pub(crate) fn start(backend: Arc<dyn LockBackend>, keyspace: Keyspace, ttl: Duration) -> Arc<Self> {
        let (returns, given) = mpsc::unbounded_channel();
        let registry = Arc::new(Registry::default());
        let tasks = TaskTracker::new();
        let end = Arc::default();
        tasks.spawn(Keeper::new(&backend, &registry, given, &end).run());
        let (closed, debts) = (CancellationToken::new(), TaskTracker::new());
        let returns = std::sync::RwLock::new(Some(returns));
        Arc::new(Self { backend, registry, keyspace, ttl, closed, tasks, debts, end, returns })
    }

    /// Hands something to the keeper to be given back; never waits, and works outside a runtime.
    pub(crate) fn give_back(&self, given: Return) {
        let returns = self.returns.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(returns) = &*returns {
            // Without a keeper, whose runtime is gone, it ends with its time to live.
            let _ = returns.send(given);
        }
    }

    /// Takes in that the time of `hold` is up, and gives back what the server may have of it.
    pub(crate) fn expire(&self, hold: &Hold) {
        if self.registry.lose(hold, LossReason::Expired) {
            self.give_back(Return::lost(hold, true));
        }
    }

    pub(crate) async fn shutdown(&self) {
        let end = *self.end.get_or_init(|| Instant::now() + PATIENCE);
        self.closed.cancel();
        for hold in self.registry.close() {
            if self.registry.lose(&hold, LossReason::Shutdown) {
                self.give_back(Return::lost(&hold, false));
            }
        }
        self.debts.close();
        // A future that nobody polls any more owes for ever. The rest of the time is for giving back what the others owed.
        let _ = timeout_at(end - PATIENCE / 5, self.debts.wait()).await;
        *self.returns.write().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What has to be given back, unless somebody says otherwise before this is dropped.
#[derive(Debug)]
pub(crate) struct Debt {
    pub(crate) shared: Arc<Shared>,
    pub(crate) goal: Arc<Goal>,
    pub(crate) token: Token,
    pub(crate) is_waiting: bool,
    pub(crate) is_uncertain: bool,
    pub(crate) is_due: bool,
    /// For how long it may live if it is not given back.
    pub(crate) longest: Duration,
    /// While a shutdown waits for it: not while a guard has it, which the shutdown itself gives back.
    under_way: Option<TaskTrackerToken>,
}

impl Debt {
    pub(crate) fn new(shared: &Arc<Shared>, goal: &Arc<Goal>, token: Token) -> Self {
        let (shared, goal) = (Arc::clone(shared), Arc::clone(goal));
        let (longest, under_way) = (goal.ttl, Some(shared.debts.token()));
        Self { shared, goal, token, is_waiting: false, is_uncertain: false, is_due: true, longest, under_way }
    }

    /// Says that the registry knows of it: a shutdown need not wait for it.
    pub(crate) fn rest(&mut self) {
        self.under_way = None;
    }

    /// Says that the registry will soon know of it no longer.
    pub(crate) fn resume(&mut self) {
        self.under_way = Some(self.shared.debts.token());
    }

    /// Says that there is nothing to be given back.
    pub(crate) fn settle(&mut self) {
        self.is_due = false;
        self.leave();
    }

    /// Says that nobody waits any more.
    pub(crate) fn leave(&mut self) {
        if std::mem::take(&mut self.is_waiting) {
            self.shared.registry.leave(&self.token);
        }
    }
}

impl Drop for Debt {
    fn drop(&mut self) {
        let leaves = self.is_waiting;
        self.leave();
        if self.is_due {
            self.shared.give_back(Return {
                goal: Arc::clone(&self.goal),
                token: self.token.clone(),
                leaves,
                is_uncertain: self.is_uncertain,
                until: Instant::now() + self.longest,
            });
        }
    }
}
