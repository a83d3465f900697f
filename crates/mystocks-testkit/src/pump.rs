//! One direction of one connection through the proxy.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

/// What the proxy does to the connections; connections are numbered from 0 in the order they came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Connections below this number are frozen.
    pub(crate) frozen_below: u64,
    /// Connections below this number are closed.
    pub(crate) cut_below: u64,
    pub(crate) refuse: bool,
    pub(crate) hang_new: bool,
    pub(crate) hold_replies: bool,
    pub(crate) delay: Duration,
}

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Reply,
}

/// Carries bytes until one side closes or the connection is cut.
pub(crate) async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    direction: Direction,
    mut faults: watch::Receiver<Faults>,
) {
    let held =
        move |now: &Faults| number < now.frozen_below || (now.hold_replies && direction == Direction::Reply);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        let delay = faults.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        // A frozen connection passes nothing on, not even that the other side has closed.
        if faults.wait_for(|now| !held(now)).await.is_err() {
            return;
        }
        let bytes = match read {
            Ok(length) if length > 0 => buffer.get(..length).unwrap_or_default(),
            _ => return,
        };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
