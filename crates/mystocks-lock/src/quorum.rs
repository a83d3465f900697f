//! Locks on several independent servers, held when most of them say so.

mod giving;

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::FuturesUnordered;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::backend::{
    Acquire, Acquired, Hear, Keep, Kept, Kind, Listening, LockBackend, Release, Share, Signal, Spot,
    Standing, State,
};
use crate::error::{Error, ErrorKind};

/// Keeps locks on several independent backends: one is held when a majority of all of them granted it (RedLock; Redis
/// documentation, "Distributed locks with Redis").
///
/// One holder at a time is what majorities can see to: any two of them meet. How many share a resource they cannot count, so
/// semaphores of more than one permit and read-write locks are refused, with [`ErrorKind::InvalidArgument`].
///
/// It outlives the loss of a minority of the servers. It does not make a lock safe without a fence: what `docs/lock.md` says of
/// pauses and clocks holds here as well. There is no queue: who waits looks again every 50 to 100 ms.
///
/// Servers that forget when they are restarted need [`RedisLocks::with_quarantine`](crate::RedisLocks::with_quarantine).
#[derive(Clone)]
pub struct QuorumLocks {
    nodes: Arc<[Arc<dyn LockBackend>]>,
    patience: Duration,
    /// What is still to be told to slow servers.
    tasks: TaskTracker,
}

impl QuorumLocks {
    /// Makes a quorum of `nodes`, each of which has to answer within `patience`: much less than the time to live, more than a
    /// round trip.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for fewer than three nodes: two are no safer than one.
    pub fn new(nodes: Vec<Arc<dyn LockBackend>>, patience: Duration) -> Result<Self, Error> {
        if nodes.len() < 3 {
            let count = nodes.len();
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "make a quorum of",
                format!("{count} servers"),
            )
            .with_detail("at least 3 are expected, and an odd number is best"));
        }
        Ok(Self { nodes: nodes.into(), patience, tasks: TaskTracker::new() })
    }

    /// Waits until every server has answered all that was to be released, or its `patience` is over.
    ///
    /// A release returns when a majority says how it stood; the other servers are told in the background. For the end of a
    /// process: keep a clone, shut the locker down, then this.
    ///
    /// # Cancel safety
    /// Call it again to go on waiting.
    pub async fn shutdown(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn majority(&self) -> usize {
        self.nodes.len() / 2 + 1
    }

    /// Asks every node, and returns the answers as they come, with which node gave them; a slow one gives an error.
    fn ask<'a, T: 'a>(
        &'a self,
        question: impl Fn(&'a dyn LockBackend) -> BoxFuture<'a, Result<T, Error>> + 'a,
    ) -> FuturesUnordered<BoxFuture<'a, (usize, Result<T, Error>)>> {
        let asked = self.nodes.iter().enumerate().map(|(n, node)| {
            let answer = timeout(self.patience, question(&**node));
            answer
                .map(move |answer| {
                    (n, answer.unwrap_or_else(|_| Err(crate::acquiring::no_answer("ask", "a server"))))
                })
                .boxed()
        });
        asked.collect()
    }

    /// Asks every node to acquire, until a majority has or none can be had any more.
    async fn round(&self, want: &Acquire<'_>) -> Round {
        let mut round = Round { granted: Vec::new(), busy: 0, trouble: None };
        let mut answers = self.ask(|node| node.acquire(want));
        while let Some((n, answer)) = answers.next().await {
            match answer {
                Ok(Acquired::Granted { fence }) => round.granted.push((n, fence)),
                Ok(Acquired::Busy { .. }) => round.busy += 1,
                Err(error) => round.trouble = Some(error),
            }
            let missing = self.majority().saturating_sub(round.granted.len());
            if missing == 0 || answers.len() < missing {
                break;
            }
        }
        round
    }

    /// Gives back what was granted in vain, on every node: one that has not answered may have granted it too.
    async fn take_back(&self, want: &Acquire<'_>, granted: usize) {
        let leaves = want.place.map(|_| want.ttl);
        let release = Release { spot: want.spot, token: Some(want.token), leaves };
        self.release_of(release, granted).await;
    }
}

/// Returns whether one at most holds it at a time. Of two permits on each of three servers, which are six, three holders get two
/// each: none meets both others on one server.
fn is_for_one(kind: Kind) -> bool {
    match kind {
        Kind::Exclusive => true,
        Kind::Permits(Share { of, .. }) => of == 1,
        Kind::ReadWrite(_) => false,
    }
}

struct Round {
    granted: Vec<(usize, Option<NonZeroU64>)>,
    busy: usize,
    trouble: Option<Error>,
}

#[async_trait]
impl LockBackend for QuorumLocks {
    async fn acquire(&self, want: &Acquire<'_>) -> Result<Acquired, Error> {
        if !is_for_one(want.spot.kind) {
            return Err(Error::new(ErrorKind::InvalidArgument, "acquire", want.spot.key)
                .with_detail("a quorum cannot count who shares a resource: use one server for it"));
        }
        let want = Acquire { place: None, fair: false, ..*want };
        let mut round = self.round(&want).await;
        let fence = round.granted.iter().filter_map(|(_, fence)| *fence).max();
        if round.granted.len() >= self.majority()
            && let Some(greatest) = fence
            && round.granted.iter().any(|(_, fence)| *fence != Some(greatest))
        {
            // The servers count for themselves. Every later majority has to know of the greatest of these; what one of them may
            // have drawn beyond it, only that one knows.
            round = self.round(&Acquire { fence: Some(greatest.get()), ..want }).await;
        }
        if round.granted.len() >= self.majority() {
            return Ok(Acquired::Granted { fence });
        }
        self.take_back(&want, round.granted.len()).await;
        // Another holder needs a majority; where that cannot be, it is the servers that are missing.
        match round.trouble {
            Some(error) if round.busy < self.majority() => {
                let held = round.granted.len();
                Err(Error::new(ErrorKind::Unavailable, "acquire", want.spot.key)
                    .with_detail(format!("{held} of {} servers granted it", self.nodes.len()))
                    .with_source(error))
            }
            _ => Ok(Acquired::Busy { retry_after: None, queued: None }),
        }
    }

    async fn keep(&self, leases: &[Keep<'_>]) -> Result<Vec<Kept>, Error> {
        let mut votes = vec![Votes::default(); leases.len()];
        let mut answers = self.ask(|node| node.keep(leases));
        let mut trouble = None;
        while let Some((_, answer)) = answers.next().await {
            match answer {
                Ok(kept) => votes.iter_mut().zip(kept).for_each(|(votes, kept)| votes.count(kept)),
                Err(error) => trouble = Some(error),
            }
            if votes.iter().all(|votes| votes.held >= self.majority()) {
                break;
            }
        }
        // A majority of all, not of those that granted it at first: two majorities would not have to meet.
        let decided =
            |votes: &Votes| votes.held >= self.majority() || votes.lost(self.nodes.len(), self.majority());
        match trouble {
            Some(error) if !votes.iter().all(decided) => Err(error),
            _ => Ok(votes.iter().map(|votes| votes.verdict(self.majority())).collect()),
        }
    }

    async fn release(&self, releases: &[Release<'_>]) -> Result<Vec<Standing>, Error> {
        self.release_all(releases).await
    }

    async fn inspect(&self, spots: &[Spot<'_>]) -> Result<Vec<State>, Error> {
        let mut seen: Vec<Vec<State>> = Vec::new();
        let mut answers = self.ask(|node| node.inspect(spots));
        let mut trouble = None;
        while let Some((_, answer)) = answers.next().await {
            match answer {
                Ok(states) => seen.push(states),
                Err(error) => trouble = Some(error),
            }
        }
        match trouble {
            Some(error) if seen.len() < self.majority() => Err(error),
            _ => Ok((0..spots.len())
                .map(|n| self.agreed(seen.iter().filter_map(|states| states.get(n))))
                .collect()),
        }
    }

    async fn scan(&self, beginning: &str, cursor: Option<u64>) -> Result<(Vec<String>, Option<u64>), Error> {
        // One server after the other; the cursor says which, and where in it. One that does not answer is left out, as long as a
        // majority answers at all.
        if cursor.is_none() {
            self.inspect(&[]).await?;
        }
        let nodes = self.nodes.len() as u64;
        let (node, at) = cursor.map_or((0, None), |cursor| (cursor % nodes, Some(cursor / nodes)));
        let index = usize::try_from(node).unwrap_or_default();
        let step = timeout(self.patience, self.nodes[index].scan(beginning, at.filter(|at| *at != 0))).await;
        let (keys, next) = step.ok().and_then(Result::ok).unwrap_or_default();
        let onwards = match next {
            Some(at) => at.checked_mul(nodes).map(|at| at + node),
            None => (node + 1 < nodes).then_some(node + 1),
        };
        Ok((keys, onwards))
    }

    fn listen(&self, hear: Hear) -> Listening {
        // Nobody is told anything here: who waits looks again by itself.
        hear(Signal::Up);
        Listening::until_dropped(())
    }
}

impl QuorumLocks {
    /// Returns the holders that a majority of the servers knows.
    fn agreed<'a>(&self, seen: impl Iterator<Item = &'a State>) -> State {
        let all: Vec<_> = seen.flat_map(|state| &state.holders).collect();
        let mut agreed = State::default();
        for holder in &all {
            let votes = all.iter().filter(|other| other.token == holder.token);
            let is_new = agreed.holders.iter().all(|known| known.token != holder.token);
            if is_new && votes.clone().count() >= self.majority() {
                // The greatest fence that a majority knows: one server may have drawn a greater one for itself.
                let mut votes: Vec<_> = votes.collect();
                votes.sort_by_key(|vote| std::cmp::Reverse(vote.grant.as_ref().map(|grant| grant.fence)));
                agreed.holders.extend(votes.get(self.majority() - 1).map(|vote| (**vote).clone()));
            }
        }
        agreed
    }
}

#[derive(Debug, Clone, Default)]
struct Votes {
    held: usize,
    gone: usize,
    taken: usize,
}

impl Votes {
    fn count(&mut self, kept: Kept) {
        match kept {
            Kept::Held => self.held += 1,
            Kept::TakenOver => self.taken += 1,
            Kept::Gone | Kept::Waiting | Kept::First => self.gone += 1,
        }
    }

    /// Returns whether a majority cannot hold it any more, whatever the others say.
    fn lost(&self, nodes: usize, majority: usize) -> bool {
        nodes - self.gone - self.taken < majority
    }

    fn verdict(&self, majority: usize) -> Kept {
        if self.held >= majority {
            Kept::Held
        } else if self.taken >= majority {
            Kept::TakenOver
        } else {
            Kept::Gone
        }
    }
}

impl fmt::Debug for QuorumLocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuorumLocks").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}
