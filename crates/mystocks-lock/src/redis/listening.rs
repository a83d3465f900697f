//! What a process hears on its channel.

use mystocks_redis_core::{Event, Subscription};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backend::Signal;

/// Hands the events of `subscription` on until the receiver is dropped or `stop`.
pub(super) async fn listen(
    mut subscription: Subscription,
    to: mpsc::Sender<Signal>,
    stop: CancellationToken,
) {
    let handing = async {
        while let Some(event) = subscription.next().await {
            let signal = match event {
                Event::Up => Some(Signal::Up),
                Event::Down => Some(Signal::Down),
                Event::Message { payload, .. } => read(&payload),
            };
            // A listener that is slow holds up its own subscription, which then says `Down` and `Up`.
            if let Some(signal) = signal
                && to.send(signal).await.is_err()
            {
                return;
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = to.closed() => {}
        () = handing => {}
    }
}

/// Reads a message: `node:waiter:weight`, or `!token`; `None` when it is neither.
fn read(payload: &[u8]) -> Option<Signal> {
    let text = std::str::from_utf8(payload).ok()?;
    if let Some(member) = text.strip_prefix('!') {
        // Of a permit the weight follows.
        let token = member.split(':').next().unwrap_or(member);
        return Some(Signal::Taken(token.to_owned()));
    }
    let waiter = text.split(':').nth(1)?;
    waiter.parse().ok().map(Signal::Turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_turn_or_a_token_and_nothing_else() {
        assert_eq!(read(b"00ff:17:1"), Some(Signal::Turn(17)));
        assert_eq!(read(b"!3e0c"), Some(Signal::Taken("3e0c".to_owned())));
        assert_eq!(read(b"!3e0c:2"), Some(Signal::Taken("3e0c".to_owned())));
        for other in [&b""[..], b"17", b"a:b:c", b"\xff:1:1"] {
            assert_eq!(read(other), None);
        }
    }
}
