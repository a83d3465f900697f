//! What a process is told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use super::{Fleet, PATIENCE, give, line_up, lock, permit, queued, release, take, want};
use crate::backend::{Listening, LockBackend, Release, Signal};

/// The first signal says how the link stands.
pub async fn the_first_signal_says_how_the_link_stands(fleet: &Fleet) {
    let mut signals = start(&*fleet.here);
    let first = next(&mut signals).await;
    assert!(matches!(first, Signal::Up | Signal::Down), "{first:?}");
}

/// A release tells the first that it is its turn, and nobody else.
pub async fn only_the_first_is_told(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let (mut here, mut there) = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    line_up(&fleet.there, queued(spot, "u", 11)).await;
    line_up(&fleet.here, queued(spot, "v", 12)).await;
    line_up(&fleet.there, queued(spot, "w", 13)).await;
    give(&fleet.here, spot, "t").await;
    assert_eq!(next(&mut there).await, Signal::Turn(11));
    take(&fleet.there, queued(spot, "u", 11)).await;
    give(&fleet.there, spot, "u").await;
    assert_eq!(next(&mut here).await, Signal::Turn(12));
    silent(&mut there).await;
    silent(&mut here).await;
}

/// Who leaves passes the turn on that it may have been told of.
pub async fn who_leaves_passes_the_turn_on(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let (mut here, mut there) = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    line_up(&fleet.there, queued(spot, "u", 11)).await;
    line_up(&fleet.here, queued(spot, "v", 12)).await;
    give(&fleet.here, spot, "t").await;
    assert_eq!(next(&mut there).await, Signal::Turn(11));
    release(&fleet.there, Release { spot, token: Some("u"), waiter: Some(11) }).await;
    assert_eq!(next(&mut here).await, Signal::Turn(12));
}

/// As many are told as there is room for.
pub async fn as_many_are_told_as_there_is_room_for(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = permit(&key, 2);
    let mut there = listen_there(fleet).await;
    for token in ["t", "u"] {
        take(&fleet.here, want(spot, token)).await;
    }
    for waiter in 11..=13 {
        line_up(&fleet.there, queued(spot, &format!("w{waiter}"), waiter)).await;
    }
    give(&fleet.here, spot, "t").await;
    assert_eq!(next(&mut there).await, Signal::Turn(11));
    silent(&mut there).await;
    give(&fleet.here, spot, "u").await;
    assert_eq!([next(&mut there).await, next(&mut there).await], [Signal::Turn(11), Signal::Turn(12)]);
    silent(&mut there).await;
}

/// Who is robbed by force is told, and who is the first in the queue too.
pub async fn who_is_robbed_is_told(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let (mut here, mut there) = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    line_up(&fleet.there, queued(spot, "u", 11)).await;
    release(&fleet.there, Release { spot, token: None, waiter: None }).await;
    assert_eq!(next(&mut here).await, Signal::Taken("t".to_owned()));
    assert_eq!(next(&mut there).await, Signal::Turn(11));
}

/// What a process was told, in order.
pub(super) struct Signals {
    told: UnboundedReceiver<Signal>,
    _listening: Listening,
}

pub(super) async fn listen(fleet: &Fleet) -> Signals {
    up(start(&*fleet.here)).await
}

pub(super) async fn listen_there(fleet: &Fleet) -> Signals {
    up(start(&*fleet.there)).await
}

fn start(backend: &dyn LockBackend) -> Signals {
    let (tell, told) = unbounded_channel();
    let listening = backend.listen(Arc::new(move |signal| drop(tell.send(signal))));
    Signals { told, _listening: listening }
}

async fn up(mut signals: Signals) -> Signals {
    while next(&mut signals).await != Signal::Up {}
    signals
}

async fn next(signals: &mut Signals) -> Signal {
    match timeout(PATIENCE, signals.told.recv()).await {
        Ok(Some(signal)) => signal,
        ended => panic!("no signal: {ended:?}"),
    }
}

async fn silent(signals: &mut Signals) {
    let more = timeout(Duration::from_millis(150), signals.told.recv()).await;
    assert!(more.is_err(), "{more:?}");
}
