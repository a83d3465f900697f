//! What this process does when it hears of another's invalidation.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::backplane::Signal;
use crate::link::UNHEARD;
use crate::metric;
use crate::shared::Shared;

/// Listens until the hub is shut down. What the link says at once is heard on return: a hub whose link stands from the
/// beginning never doubts what it reads first.
pub(crate) fn start(shared: &Arc<Shared>, mut signals: mpsc::Receiver<Signal>) {
    while let Ok(signal) = signals.try_recv() {
        hear(shared, signal);
    }
    let listening = Arc::clone(shared);
    shared.tracker.spawn(async move {
        let closed = listening.closed.clone();
        loop {
            let next = async {
                if !listening.link.is_deaf() {
                    return Some(signals.recv().await);
                }
                timeout(UNHEARD, signals.recv()).await.ok()
            };
            match closed.run_until_cancelled(next).await {
                Some(Some(Some(signal))) => hear(&listening, signal),
                // Deaf: what is being fetched for so long may have been invalidated, and nobody is to join it any more. Where L2
                // cannot be asked either, fetching it anew would make it no newer.
                Some(None) if listening.reads.is_well() => void_all(&listening),
                Some(None) => {}
                Some(Some(None)) | None => break,
            }
        }
        // Nobody will tell us anything any more.
        listening.link.lost();
        doubt_all(&listening);
        void_all(&listening);
    });
}

fn hear(shared: &Shared, signal: Signal) {
    match signal {
        Signal::Up => {
            shared.marks.forget();
            // First the step, then the news: what is read between them is compared once more and no less.
            recheck_all(shared);
            // A load may run that was overtaken while nobody told us.
            void_all(shared);
            shared.link.found();
            metrics::gauge!(metric::LINK_UP).set(1.0);
        }
        Signal::Down => {
            shared.marks.forget();
            shared.link.lost();
            doubt_all(shared);
            metrics::gauge!(metric::LINK_UP).set(0.0);
            metrics::counter!(metric::LINK_LOSSES).increment(1);
        }
        Signal::Keys { digests, .. } => {
            let members = shared.members();
            for digest in digests {
                shared.order.invalidate(digest);
                members.iter().for_each(|member| member.void(digest));
            }
            heard(shared);
        }
        Signal::Mark { mark, stamp } => {
            set_mark(shared, &mark, Some(stamp));
            heard(shared);
        }
        Signal::Recheck { cache } => {
            let step = shared.order.step();
            if let Some(member) = shared.member(&cache) {
                member.suspect(step);
                member.void_all();
            }
            heard(shared);
        }
    }
}

/// Takes in that `mark` was set, at `stamp` or not yet in the store.
pub(crate) fn set_mark(shared: &Shared, mark: &str, stamp: Option<u64>) {
    // First the stamp, then the step: who takes the step for the beginning of a read of L2 finds the stamp.
    let overflows = shared.marks.set(mark, stamp, 0);
    let step = shared.order.step();
    if shared.marks.set(mark, stamp, step) || overflows {
        recheck_all(shared);
    }
    let members = shared.members();
    let of_one_cache = members.iter().any(|member| {
        let is_its = member.cleared(mark, step);
        if is_its {
            member.void_all();
        }
        is_its
    });
    if !of_one_cache {
        // Which of the fetches under way will turn out to have the tag, nobody knows yet.
        members.iter().for_each(|member| member.void_all());
    }
}

fn recheck_all(shared: &Shared) {
    let step = shared.order.step();
    shared.members().iter().for_each(|member| member.recheck(step));
}

fn doubt_all(shared: &Shared) {
    let step = shared.order.step();
    shared.members().iter().for_each(|member| member.doubt(step));
}

fn void_all(shared: &Shared) {
    shared.members().iter().for_each(|member| member.void_all());
}

fn heard(shared: &Shared) {
    shared.members().iter().for_each(|member| member.count_heard());
    metrics::counter!(metric::HEARD).increment(1);
}
