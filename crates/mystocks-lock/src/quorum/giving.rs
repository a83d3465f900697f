//! Giving back: every server is told, whoever waits for how many of the answers.

use std::time::Duration;

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::{QuorumLocks, Votes};
use crate::acquiring::no_answer;
use crate::backend::{Kept, Kind, Release, Spot, Standing};
use crate::error::Error;

type Answer = Result<Vec<Standing>, Error>;

/// A release that outlives its caller.
struct Owned {
    key: String,
    kind: Kind,
    token: Option<String>,
    leaves: Option<Duration>,
}

impl Owned {
    fn of(release: &Release<'_>) -> Self {
        let Release { spot: Spot { key, kind }, token, leaves } = *release;
        Self { key: key.to_owned(), kind, token: token.map(str::to_owned), leaves }
    }

    fn release(&self) -> Release<'_> {
        let spot = Spot { key: &self.key, kind: self.kind };
        Release { spot, token: self.token.as_deref(), leaves: self.leaves }
    }
}

/// The answers to releases that go to every server: dropped before all have come, the rest is waited for in the background.
///
/// To have asked a server once is not enough: a request may wait for a connection, and a script may have to be sent in full.
struct Giving {
    answers: FuturesUnordered<BoxFuture<'static, Answer>>,
    tasks: TaskTracker,
}

impl Giving {
    async fn next(&mut self) -> Option<Answer> {
        self.answers.next().await
    }

    /// Returns what answers at once, so that every server has been asked.
    fn ready(&mut self) -> Option<Answer> {
        self.answers.next().now_or_never().flatten()
    }
}

impl Drop for Giving {
    fn drop(&mut self) {
        let mut rest = std::mem::take(&mut self.answers);
        if rest.is_empty() {
            return;
        }
        // Without a runtime it ends with its time to live.
        if let Ok(runtime) = Handle::try_current() {
            self.tasks.spawn_on(async move { while rest.next().await.is_some() {} }, &runtime);
        }
    }
}

impl QuorumLocks {
    fn give(&self, releases: &[Release<'_>]) -> Giving {
        let releases: Arc<[Owned]> = releases.iter().map(Owned::of).collect();
        let answers = self.nodes.iter().map(|node| {
            let (node, releases, patience) = (Arc::clone(node), Arc::clone(&releases), self.patience);
            let answer = async move {
                let releases: Vec<Release<'_>> = releases.iter().map(Owned::release).collect();
                let answer = timeout(patience, node.release(&releases)).await;
                answer.unwrap_or_else(|_| Err(no_answer("ask", "a server")))
            };
            answer.boxed()
        });
        Giving { answers: answers.collect(), tasks: self.tasks.clone() }
    }

    /// Releases on every server, and returns how all stood as soon as a majority says so, whatever the others say.
    pub(super) async fn release_all(&self, releases: &[Release<'_>]) -> Answer {
        let mut giving = self.give(releases);
        let (mut seen, mut trouble) = (Vec::new(), None);
        let mut take = |answer: Answer, seen: &mut Vec<Vec<Standing>>| match answer {
            Ok(stood) => seen.push(stood),
            Err(error) => trouble = Some(error),
        };
        while let Some(answer) = giving.next().await {
            take(answer, &mut seen);
            if self.is_decided(releases, &seen, giving.answers.len()) {
                break;
            }
        }
        while let Some(answer) = giving.ready() {
            take(answer, &mut seen);
        }
        match trouble {
            Some(error) if seen.len() < self.majority() => Err(error),
            _ => Ok((0..releases.len()).map(|n| self.stood(&seen, n)).collect()),
        }
    }

    /// Releases on every server, and waits for as many as hold it.
    pub(super) async fn release_of(&self, release: Release<'_>, holders: usize) {
        let mut giving = self.give(&[release]);
        let mut left = holders;
        while left > 0
            && let Some(answer) = giving.next().await
        {
            left -= usize::from(matches!(answer.as_deref(), Ok([Standing::Held])));
        }
        while giving.ready().is_some() {}
    }

    /// Returns whether `left` more answers cannot change how any stood. Who was robbed, all of them say.
    fn is_decided(&self, releases: &[Release<'_>], seen: &[Vec<Standing>], left: usize) -> bool {
        seen.len() >= self.majority()
            && releases.iter().enumerate().all(|(n, release)| {
                let votes = votes(seen, n);
                let most = votes.held.max(votes.taken);
                release.token.is_some() && (most >= self.majority() || most + left < self.majority())
            })
    }

    /// Returns how one of several that were given back stood, as a majority says.
    fn stood(&self, seen: &[Vec<Standing>], n: usize) -> Standing {
        let robbed = seen.iter().filter_map(|stood| match stood.get(n) {
            Some(Standing::Forced(state)) => Some(state),
            _ => None,
        });
        let before = self.agreed(robbed);
        if !before.holders.is_empty() {
            return Standing::Forced(before);
        }
        match votes(seen, n).verdict(self.majority()) {
            Kept::Held => Standing::Held,
            Kept::TakenOver => Standing::TakenOver,
            _ => Standing::Gone,
        }
    }
}

fn votes(seen: &[Vec<Standing>], n: usize) -> Votes {
    let mut votes = Votes::default();
    for standing in seen.iter().filter_map(|stood| stood.get(n)) {
        match standing {
            Standing::Held => votes.held += 1,
            Standing::TakenOver => votes.taken += 1,
            // Of what a minority alone knew, nobody was the holder.
            Standing::Gone | Standing::Forced(_) => votes.gone += 1,
        }
    }
    votes
}
