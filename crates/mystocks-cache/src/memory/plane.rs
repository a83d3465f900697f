//! Who hears of what is invalidated in a memory store.

use std::collections::HashMap;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::backplane::Signal;

#[derive(Default)]
pub(super) struct Plane {
    links: HashMap<u64, Link>,
    joined: u64,
}

#[derive(Default)]
struct Link {
    is_cut: bool,
    /// Without a bound: at the other end of each is a relay that never waits for its listener.
    feeds: Vec<UnboundedSender<Signal>>,
}

impl Plane {
    /// Returns the number of one more process.
    pub(super) fn join(&mut self) -> u64 {
        self.joined += 1;
        self.links.insert(self.joined, Link::default());
        self.joined
    }

    pub(super) fn leave(&mut self, node: u64) {
        self.links.remove(&node);
    }

    pub(super) fn listen(&mut self, node: u64) -> UnboundedReceiver<Signal> {
        let (feed, signals) = mpsc::unbounded_channel();
        let link = self.links.entry(node).or_default();
        link.feeds.push(feed);
        let first = if link.is_cut { Signal::Down } else { Signal::Up };
        // The receiver is in hand.
        let _ = link.feeds.last().map(|feed| feed.send(first));
        signals
    }

    pub(super) fn set_cut(&mut self, node: u64, is_cut: bool) {
        let link = self.links.entry(node).or_default();
        if link.is_cut != is_cut {
            link.is_cut = is_cut;
            link.tell(if is_cut { &Signal::Down } else { &Signal::Up });
        }
    }

    /// Tells everybody but `origin`.
    pub(super) fn tell(&mut self, origin: u64, signal: &Signal) {
        let reached = |(node, link): &(&u64, &mut Link)| **node != origin && !link.is_cut;
        for (_, link) in self.links.iter_mut().filter(reached) {
            link.tell(signal);
        }
    }
}

impl Link {
    fn tell(&mut self, signal: &Signal) {
        self.feeds.retain(|feed| feed.send(signal.clone()).is_ok());
    }
}
