//! What a process is told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::{
    Fleet, MINUTE, MOMENT, PATIENCE, give, is_free, keep, line_up, lock, permit, queued, release, take, want,
};
use crate::backend::{Acquire, Keep, Kept, Listening, LockBackend, Place, Release, Signal, Standing};

/// The first signal says how the link stands.
pub async fn the_first_signal_says_how_the_link_stands(fleet: &Fleet) {
    let mut signals = start(&*fleet.here);
    let first = next(&mut signals).await;
    assert!(matches!(first, Signal::Up | Signal::Down), "{first:?}");
}

/// A release hands it to the first, who is told with which fence, and nobody else is.
pub async fn it_is_handed_to_the_first(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let (mut here, mut there) = (listen(fleet).await, listen_there(fleet).await);
    let first = take(&fleet.here, want(spot, "t")).await;
    let before = line_up(&fleet.there, queued(spot, "u")).await;
    assert_eq!(before.last, first);
    line_up(&fleet.here, queued(spot, "v")).await;
    line_up(&fleet.there, queued(spot, "w")).await;
    give(&fleet.here, spot, "t").await;
    let second = handed(&mut there, "u").await;
    assert!(second > first, "{second} is not greater than {first}");
    assert!(!is_free(&fleet.here, want(spot, "x")).await, "it never was free");
    assert_eq!(take(&fleet.there, queued(spot, "u")).await, second, "asked for again, it is the same");
    assert_eq!(line_up(&fleet.here, queued(spot, "v")).await.last, second);
    give(&fleet.there, spot, "u").await;
    assert!(handed(&mut here, "v").await > second);
    silent(&mut there).await;
    silent(&mut here).await;
}

/// What was handed over is held for the time to live that was asked for, and kept as anything else.
pub async fn what_is_handed_is_held_for_its_time(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let (mut here, mut there) = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    line_up(&fleet.there, queued(spot, "u")).await;
    let place = Some(Place { ticket: 0, lease: MINUTE });
    line_up(&fleet.here, Acquire { ttl: 3 * MOMENT, place, ..queued(spot, "v") }).await;
    give(&fleet.here, spot, "t").await;
    let fence = handed(&mut there, "u").await;
    let left = async || {
        let states = fleet.here.inspect(&[spot]).await;
        states
            .ok()
            .and_then(|states| states[0].holders.first().and_then(|holder| holder.ttl))
            .unwrap_or_default()
    };
    assert!(left().await > MINUTE - PATIENCE);
    let adopt = Keep::Held { spot, token: "u", ttl: 2 * MINUTE, is_least: true, owner: Some("{\"me\": 1}") };
    assert_eq!(keep(&fleet.there, adopt).await, Kept::Held);
    assert!(left().await > MINUTE);
    let states = fleet.here.inspect(&[spot]).await;
    let grant = states.ok().and_then(|states| states[0].holders[0].grant.clone());
    assert!(grant.is_some_and(|grant| grant.fence == fence && grant.owner == "{\"me\": 1}"));
    give(&fleet.there, spot, "u").await;
    handed(&mut here, "v").await;
    assert!(!is_free(&fleet.there, want(spot, "x")).await);
    sleep(4 * MOMENT).await;
    assert!(is_free(&fleet.there, want(spot, "x")).await);
    assert_eq!(keep(&fleet.there, adopt).await, Kept::TakenOver, "what is over is not brought back");
    give(&fleet.there, spot, "x").await;
    assert_eq!(keep(&fleet.there, adopt).await, Kept::Gone, "nor when it is free");
    assert!(is_free(&fleet.here, want(spot, "y")).await);
}

/// Who does not hear is passed over, but not for ever.
pub async fn who_does_not_hear_gets_it_in_the_end(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let mut here = listen(fleet).await;
    take(&fleet.here, want(spot, "t")).await;
    let deaf = line_up(&fleet.there, queued(spot, "u")).await;
    line_up(&fleet.here, queued(spot, "v")).await;
    sleep(11 * MOMENT).await;
    give(&fleet.here, spot, "t").await;
    // What it asks for again: it is alive.
    let place = Some(Place { ticket: deaf.ticket, lease: MINUTE });
    take(&fleet.there, Acquire { place, ..queued(spot, "u") }).await;
    give(&fleet.there, spot, "u").await;
    handed(&mut here, "v").await;
}

/// Whose process does not listen is passed over.
pub async fn who_does_not_listen_is_passed_over(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let mut here = listen(fleet).await;
    take(&fleet.here, want(spot, "t")).await;
    line_up(&fleet.there, queued(spot, "u")).await;
    line_up(&fleet.here, queued(spot, "v")).await;
    give(&fleet.here, spot, "t").await;
    handed(&mut here, "v").await;
    let states = fleet.here.inspect(&[spot]).await;
    assert!(states.is_ok_and(|states| states[0].waiters == 0 && states[0].holders[0].token == "v"));
}

/// Who leaves hands on what was handed to it.
pub async fn who_leaves_hands_it_on(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let (mut here, mut there) = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    line_up(&fleet.there, queued(spot, "u")).await;
    line_up(&fleet.here, queued(spot, "v")).await;
    give(&fleet.here, spot, "t").await;
    handed(&mut there, "u").await;
    let leave = Release { spot, token: Some("u"), leaves: Some(MINUTE) };
    assert_eq!(release(&fleet.there, leave).await, Standing::Held);
    handed(&mut here, "v").await;
}

/// It is handed to as many as there is room for.
pub async fn it_is_handed_to_as_many_as_there_is_room_for(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = permit(&key, 2);
    let mut there = listen_there(fleet).await;
    for token in ["t", "u"] {
        take(&fleet.here, want(spot, token)).await;
    }
    for token in ["w1", "w2", "w3"] {
        line_up(&fleet.there, queued(spot, token)).await;
    }
    give(&fleet.here, spot, "t").await;
    handed(&mut there, "w1").await;
    silent(&mut there).await;
    give(&fleet.here, spot, "u").await;
    handed(&mut there, "w2").await;
    silent(&mut there).await;
    let states = fleet.here.inspect(&[spot]).await;
    assert!(states.is_ok_and(|states| (states[0].holders.len(), states[0].waiters) == (2, 1)));
}

/// Who is robbed by force is told, and it is handed to the first in the queue.
pub async fn who_is_robbed_is_told(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    let (mut here, mut there) = (listen(fleet).await, listen_there(fleet).await);
    take(&fleet.here, want(spot, "t")).await;
    line_up(&fleet.there, queued(spot, "u")).await;
    let force = Release { spot, token: None, leaves: None };
    release(&fleet.there, force).await;
    assert_eq!(next(&mut here).await, Signal::Taken("t".to_owned()));
    handed(&mut there, "u").await;
    release(&fleet.here, force).await;
    assert_eq!(next(&mut there).await, Signal::Taken("u".to_owned()), "who was handed it too");
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

/// Returns the fence with which it was handed to `to`.
async fn handed(signals: &mut Signals, to: &str) -> u64 {
    match next(signals).await {
        Signal::Handed { token, fence } if token == to => fence,
        other => panic!("{to} was to be handed it: {other:?}"),
    }
}

async fn silent(signals: &mut Signals) {
    let more = timeout(Duration::from_millis(150), signals.told.recv()).await;
    assert!(more.is_err(), "{more:?}");
}
