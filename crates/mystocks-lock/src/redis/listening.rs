//! What a process hears on its channel.

use mystocks_redis_core::{Event, Touched, Tracking};

use crate::backend::{Hear, Signal};

/// Hands on what happens to the keys that are watched.
pub(super) async fn watch(mut tracking: Tracking, hear: Hear) {
    let mut is_first = true;
    while let Some(touched) = tracking.next().await {
        match touched {
            Touched::Keys(keys) => {
                // A key that is no text is none of ours.
                let texts = keys.into_iter().filter_map(|key| String::from_utf8(key.to_vec()).ok());
                texts.for_each(|key| hear(Signal::Touched(key)));
            }
            // Nothing was held before the first connection.
            Touched::Up if std::mem::take(&mut is_first) => {}
            // What was written while nothing was watched, nobody tells.
            Touched::Up | Touched::All => hear(Signal::AllTouched),
            Touched::Down => {}
        }
    }
}

/// Returns what an event on the channel says; `None` when it is no message of ours.
pub(super) fn read(event: Event) -> Option<Signal> {
    match event {
        Event::Up => Some(Signal::Up),
        Event::Down { .. } | Event::Closed => Some(Signal::Down),
        Event::Message { payload, .. } => message(&payload),
    }
}

/// Reads a message: `token=fence`, or `!token`, each with `:weight` behind the token where permits are held; `None` when it is
/// neither.
fn message(payload: &[u8]) -> Option<Signal> {
    let text = std::str::from_utf8(payload).ok()?;
    let token = |holder: &str| holder.split(':').next().unwrap_or(holder).to_owned();
    if let Some(holder) = text.strip_prefix('!') {
        return Some(Signal::Taken(token(holder)));
    }
    let (holder, fence) = text.rsplit_once('=')?;
    Some(Signal::Handed { token: token(holder), fence: fence.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_hands_something_over_or_takes_it_and_nothing_else() {
        let handed = |token: &str, fence| Some(Signal::Handed { token: token.to_owned(), fence });
        assert_eq!(message(b"3e0c=17"), handed("3e0c", 17));
        assert_eq!(message(b"3e0c:2=1789"), handed("3e0c", 1789));
        assert_eq!(message(b"!3e0c"), Some(Signal::Taken("3e0c".to_owned())));
        assert_eq!(message(b"!3e0c:2"), Some(Signal::Taken("3e0c".to_owned())));
        for other in [&b""[..], b"17", b"a:b:c", b"a=", b"a=-1", b"a=b", b"\xff=1"] {
            assert_eq!(message(other), None);
        }
    }
}
