//! One direction of one connection through the proxy.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

/// What a connection is used for, as far as its requests have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// It subscribes to channels.
    Subscription,
    /// It carries commands.
    Commands,
}

impl Line {
    /// Tells it by a request; what every connection says first shows nothing.
    fn of(request: &[u8]) -> Option<Self> {
        let says = |word: &[u8]| request.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
        if says(b"\nSUBSCRIBE\r") {
            return Some(Self::Subscription);
        }
        let commands: [&[u8]; 5] = [b"\nTIME\r", b"\nGET\r", b"\nMGET\r", b"\nSET\r", b"\nEVALSHA\r"];
        commands.into_iter().any(says).then_some(Self::Commands)
    }
}

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
    /// Connections of this use are closed.
    pub(crate) severed: Option<Line>,
    /// Connections of this use are frozen.
    pub(crate) hushed: Option<Line>,
}

impl Faults {
    pub(crate) fn severs(&self, line: Option<Line>) -> bool {
        line.is_some() && self.severed == line
    }
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
    line: &watch::Sender<Option<Line>>,
    mut faults: watch::Receiver<Faults>,
) {
    let held = |now: &Faults| {
        let hushed = now.hushed.is_some() && *line.borrow() == now.hushed;
        number < now.frozen_below || hushed || (now.hold_replies && direction == Direction::Reply)
    };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await;
        let delay = faults.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if direction == Direction::Request
            && line.borrow().is_none()
            && let Ok(length) = read
            && let Some(shown) = Line::of(buffer.get(..length).unwrap_or_default())
        {
            line.send_replace(Some(shown));
            if faults.borrow().severs(Some(shown)) {
                return;
            }
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
