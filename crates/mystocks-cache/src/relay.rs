//! Hands signals to a listener that may be slow, and slows nobody for it.

use std::collections::VecDeque;

use futures::stream::FusedStream;
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backplane::Signal;

/// How many signals stand ready in the receiver.
const READY: usize = 64;
/// How many digests (and other signals) wait for a slow listener before it is told that it missed some.
const MOST: usize = 64 * 1024;

/// Relays `signals` in a task of `tasks` until the receiver is dropped, `signals` end, or `stop`; a first signal that is ready
/// now stands in the receiver on return.
pub(crate) fn relay<S>(signals: S, tasks: &TaskTracker, stop: CancellationToken) -> mpsc::Receiver<Signal>
where
    S: Stream<Item = Signal> + Send + 'static,
{
    let (to, receiver) = mpsc::channel(READY);
    let mut signals = Box::pin(signals.fuse());
    let mut backlog = Backlog::default();
    if let Some(Some(first)) = signals.next().now_or_never() {
        backlog.push(first);
        // There is room for it, and the receiver is in hand.
        let _ = backlog.pop().map(|first| to.try_send(first));
    }
    tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = run(signals, backlog, to) => {}
        }
    });
    receiver
}

async fn run(
    mut signals: impl FusedStream<Item = Signal> + Unpin,
    mut backlog: Backlog,
    to: mpsc::Sender<Signal>,
) {
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Some(signal) => backlog.push(signal),
                None => break,
            },
            permit = to.reserve(), if !backlog.waiting.is_empty() => match permit {
                Ok(permit) => if let Some(signal) = backlog.pop() { permit.send(signal) },
                Err(_) => return,
            },
            () = to.closed() => return,
        }
    }
    while let Some(signal) = backlog.pop() {
        if to.send(signal).await.is_err() {
            return;
        }
    }
}

/// What a listener has not taken yet.
#[derive(Default)]
struct Backlog {
    waiting: VecDeque<Signal>,
    weight: usize,
    is_up: bool,
}

impl Backlog {
    fn push(&mut self, signal: Signal) {
        match signal {
            Signal::Up => self.is_up = true,
            Signal::Down => self.is_up = false,
            _ => {}
        }
        if !self.waiting.is_empty() && self.weight + weight(&signal) > MOST {
            // Whatever was waiting is among what `Down` says may have been missed.
            *self = Self { is_up: self.is_up, ..Self::default() };
            self.add(Signal::Down);
            if self.is_up {
                self.add(Signal::Up);
            }
        } else {
            self.add(signal);
        }
    }

    fn pop(&mut self) -> Option<Signal> {
        let signal = self.waiting.pop_front()?;
        self.weight -= weight(&signal);
        Some(signal)
    }

    fn add(&mut self, signal: Signal) {
        self.weight += weight(&signal);
        self.waiting.push_back(signal);
    }
}

fn weight(signal: &Signal) -> usize {
    match signal {
        Signal::Keys { digests, .. } => digests.len().max(1),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> Signal {
        Signal::Keys { digests: vec![7; count], stamp: 1 }
    }

    fn drain(backlog: &mut Backlog) -> Vec<Signal> {
        std::iter::from_fn(|| backlog.pop()).collect()
    }

    #[test]
    fn what_does_not_fit_becomes_down_and_up() {
        let mut backlog = Backlog::default();
        for signal in [Signal::Up, keys(MOST - 1)] {
            backlog.push(signal);
        }
        assert_eq!(backlog.waiting.len(), 2, "full to the brim is not too full");
        backlog.push(keys(1));
        assert_eq!(drain(&mut backlog), [Signal::Down, Signal::Up]);
        assert_eq!(backlog.weight, 0);
        backlog.push(keys(2));
        assert_eq!(drain(&mut backlog), [keys(2)]);
    }

    #[test]
    fn a_link_that_is_down_stays_down_when_the_backlog_overflows() {
        let mut backlog = Backlog::default();
        for signal in [Signal::Up, keys(MOST - 1), Signal::Down] {
            backlog.push(signal);
        }
        assert_eq!(drain(&mut backlog), [Signal::Down]);
        backlog.push(Signal::Up);
        assert_eq!(drain(&mut backlog), [Signal::Up]);
    }

    #[tokio::test]
    async fn what_is_ready_stands_in_the_receiver_and_counts() {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let filling = std::iter::repeat_with(|| keys(1)).take(READY);
        let signals = std::iter::once(Signal::Up).chain(filling).chain([keys(MOST)]);
        let mut receiver = relay(futures::stream::iter(signals), &tasks, stop);
        assert_eq!(receiver.len(), 1);
        for _ in 0..READY {
            tokio::task::yield_now().await;
        }
        // The last did not fit, and that the link stands is known though `Up` never waited.
        let heard: Vec<Signal> = futures::stream::poll_fn(|cx| receiver.poll_recv(cx)).collect().await;
        assert_eq!(heard.first(), Some(&Signal::Up));
        assert_eq!(heard[heard.len() - 3..], [keys(1), Signal::Down, Signal::Up]);
    }

    #[test]
    fn one_message_of_any_size_is_passed_on() {
        let mut backlog = Backlog::default();
        backlog.push(keys(2 * MOST));
        assert_eq!(drain(&mut backlog), [keys(2 * MOST)]);
    }
}
