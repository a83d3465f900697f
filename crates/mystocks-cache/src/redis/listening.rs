//! The signals that the subscription and the tracking of a process make together.

use futures::{Stream, StreamExt, stream};
use mystocks_redis_core::{Event, Subscription, Touched, Tracking};

use super::message;
use crate::backplane::{Signal, digest};

enum Heard {
    Published(Event),
    Touched(Touched),
}

/// Returns the signals of `node`; what comes of one source keeps its order.
pub(super) fn signals(
    node: String,
    subscription: Subscription,
    tracking: Option<Tracking>,
) -> impl Stream<Item = Signal> + Send + 'static {
    let mut links = Links { is_subscribed: false, is_tracked: tracking.is_none(), told: None };
    let published = stream::unfold(subscription, async |mut from| Some((from.next().await?, from)));
    let touched = stream::unfold(tracking, async |from| {
        let mut from = from?;
        Some((from.next().await?, Some(from)))
    });
    let heard = stream::select(published.map(Heard::Published), touched.map(Heard::Touched));
    heard.flat_map(move |heard| stream::iter(links.hear(heard, &node).into_iter().flatten()))
}

/// The link stands when all of its parts do.
struct Links {
    is_subscribed: bool,
    is_tracked: bool,
    told: Option<bool>,
}

impl Links {
    fn hear(&mut self, heard: Heard, node: &str) -> [Option<Signal>; 2] {
        match heard {
            Heard::Published(Event::Message { payload, .. }) => return [message::read(&payload, node), None],
            Heard::Touched(Touched::Keys(keys)) => return [Some(touched(&keys)), None],
            Heard::Touched(Touched::All) => {
                let was_up = self.told == Some(true);
                return if was_up { [Some(Signal::Down), Some(Signal::Up)] } else { [None, None] };
            }
            Heard::Published(Event::Up) => self.is_subscribed = true,
            Heard::Published(Event::Down { .. } | Event::Closed) => self.is_subscribed = false,
            Heard::Touched(Touched::Up) => self.is_tracked = true,
            Heard::Touched(Touched::Down) => self.is_tracked = false,
        }
        let is_up = self.is_subscribed && self.is_tracked;
        if self.told.replace(is_up) == Some(is_up) {
            return [None, None];
        }
        [Some(if is_up { Signal::Up } else { Signal::Down }), None]
    }
}

fn touched(keys: &[bytes::Bytes]) -> Signal {
    // A key that is no text is none of ours.
    let texts = keys.iter().filter_map(|key| std::str::from_utf8(key).ok());
    Signal::Keys { digests: texts.map(digest).collect(), stamp: 0 }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn hear(links: &mut Links, heard: Heard) -> Vec<Signal> {
        links.hear(heard, "here").into_iter().flatten().collect()
    }

    #[test]
    fn the_link_is_up_when_both_parts_are() {
        use Heard::{Published, Touched as Tracked};
        let mut links = Links { is_subscribed: false, is_tracked: false, told: None };
        let steps = [
            (Published(Event::Up), vec![Signal::Down]),
            (Tracked(Touched::All), vec![]),
            (Tracked(Touched::Up), vec![Signal::Up]),
            (Tracked(Touched::All), vec![Signal::Down, Signal::Up]),
            (Published(Event::Down { since: Instant::now() }), vec![Signal::Down]),
            (Tracked(Touched::Down), vec![]),
            (Published(Event::Up), vec![]),
            (Tracked(Touched::Up), vec![Signal::Up]),
            (Tracked(Touched::Down), vec![Signal::Down]),
            (Tracked(Touched::Up), vec![Signal::Up]),
        ];
        for (n, (heard, expected)) in steps.into_iter().enumerate() {
            assert_eq!(hear(&mut links, heard), expected, "step {n}");
        }
    }

    #[test]
    fn a_touched_key_is_told_by_its_digest() {
        let mut links = Links { is_subscribed: true, is_tracked: true, told: Some(true) };
        let keys = vec![bytes::Bytes::from("k"), bytes::Bytes::from_static(b"\xff")];
        let told = hear(&mut links, Heard::Touched(Touched::Keys(keys)));
        assert_eq!(told, [Signal::Keys { digests: vec![digest("k")], stamp: 0 }]);
    }
}
