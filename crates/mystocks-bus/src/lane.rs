//! The lanes of a durable topic.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// The most lanes of a topic.
const MOST: u32 = 64;
/// What a lane's number stands behind.
const MARK: char = '#';

/// The lanes that a topic has, as the seam [`Log`](crate::Log) calls them; none when it has no lanes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lanes {
    count: Option<u32>,
    names: Arc<[Arc<str>]>,
}

impl Lanes {
    pub(crate) fn new(topic: &str, count: u32) -> Self {
        let names = (0..count.min(MOST)).map(|lane| format!("{topic}{MARK}{lane}").into()).collect();
        Self { count: Some(count), names }
    }

    pub(crate) fn names(&self) -> &Arc<[Arc<str>]> {
        &self.names
    }

    /// Returns the lane of what has this key; what has none goes to any of them. `None` when there are no lanes.
    pub(crate) fn of(&self, key: Option<&str>) -> Option<&Arc<str>> {
        let count = u64::try_from(self.names.len()).ok().filter(|count| *count > 0)?;
        let lane = key.map_or_else(|| fastrand::u64(..count), |key| fingerprint(key) % count);
        self.names.get(usize::try_from(lane).ok()?)
    }

    /// Refuses a topic that cannot have lanes, or not so many.
    pub(crate) fn check(&self, operation: &'static str, topic: &str) -> Result<(), Error> {
        let refuse = |detail: String| {
            Err(Error::new(ErrorKind::InvalidArgument, operation, topic).with_detail(detail))
        };
        match self.count {
            _ if topic.contains(MARK) => {
                refuse(format!("'{MARK}' begins the number of a lane: leave it out"))
            }
            Some(count) if !(1..=MOST).contains(&count) => {
                refuse(format!("{count} lanes: give it 1 to {MOST}"))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the topic, and which of its lanes `name` is, if it is one.
pub(crate) fn split(name: &str) -> (&str, Option<u32>) {
    let lane = name.rsplit_once(MARK).and_then(|(topic, lane)| Some((topic, lane.parse().ok()?)));
    lane.map_or((name, None), |(topic, lane)| (topic, Some(lane)))
}

/// Returns FNV-1a, 64 bits, of a key. It is a contract: processes of all versions have to agree on the lane.
fn fingerprint(key: &str) -> u64 {
    key.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_lane_for_ever() {
        assert_eq!(
            [fingerprint(""), fingerprint("a"), fingerprint("foobar")],
            [0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c, 0x8594_4171_f739_67e8]
        );
        let lanes = Lanes::new("orders", 16);
        let of = |key| lanes.of(Some(key)).map(|lane| &**lane);
        let expected = ["orders#15", "orders#5", "orders#5"];
        assert_eq!([of("600519.SH"), of("000001.SZ"), of("")], expected.map(Some));
    }

    #[test]
    fn a_lane_is_named_after_its_topic() {
        let lanes = Lanes::new("events:orders", 3);
        assert_eq!(
            lanes.names().iter().map(|name| split(name)).collect::<Vec<_>>(),
            [("events:orders", Some(0)), ("events:orders", Some(1)), ("events:orders", Some(2))]
        );
        assert_eq!((split("orders"), split("orders#x")), (("orders", None), ("orders#x", None)));
        assert!(
            lanes.names().contains(lanes.of(None).expect("a lane")) && Lanes::default().of(None).is_none()
        );
    }
}
