//! What a process hears on its channel.

use futures::future::join;
use mystocks_redis_core::{Event, Subscription, Touched, Tracking};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backend::Signal;

/// Hands the events of `subscription` and `tracking` on until the receiver is dropped or `stop`.
pub(super) async fn listen(
    mut subscription: Subscription,
    tracking: Option<Tracking>,
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
        ((), ()) = join(handing, watch(tracking, &to)) => {}
    }
}

async fn watch(tracking: Option<Tracking>, to: &mpsc::Sender<Signal>) {
    let Some(mut tracking) = tracking else { return };
    let mut is_first = true;
    while let Some(touched) = tracking.next().await {
        let signals = match touched {
            Touched::Keys(keys) => {
                // A key that is no text is none of ours.
                let texts = keys.into_iter().filter_map(|key| String::from_utf8(key.to_vec()).ok());
                texts.map(Signal::Touched).collect()
            }
            // Nothing was held before the first connection.
            Touched::Up if std::mem::take(&mut is_first) => Vec::new(),
            // What was written while nothing was watched, nobody tells.
            Touched::Up | Touched::All => vec![Signal::AllTouched],
            Touched::Down => Vec::new(),
        };
        for signal in signals {
            if to.send(signal).await.is_err() {
                return;
            }
        }
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
