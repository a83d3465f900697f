//! Which state of a file was read.

use std::fs::Metadata;
use std::time::{Duration, SystemTime};

/// Which state of a file was read, as far as the file system tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    len: u64,
    device: u64,
    inode: u64,
    modified: Duration,
    changed: Duration,
}

/// How long a file must have been left alone before its stamp stands for its content.
///
/// Time stamps have a tick: a file written twice within one, to the same length, has the same stamp both times.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

impl Stamp {
    /// Takes the stamp of a file, or `None` where the system has none that changes with every write.
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;

        Some(Self {
            len: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: since_epoch(metadata.mtime(), metadata.mtime_nsec())?,
            changed: since_epoch(metadata.ctime(), metadata.ctime_nsec())?,
        })
    }

    /// Takes the stamp of a file, or `None` where the system has none that changes with every write.
    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Option<Self> {
        None
    }

    /// Returns whether at `now` any later write must give another stamp.
    ///
    /// A file from the future never settles: its writes cannot be told from the clock's mistakes.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let latest = self.modified.max(self.changed);
        now.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|now| latest.saturating_add(SETTLED_AFTER) < now)
    }
}

#[cfg(unix)]
fn since_epoch(seconds: i64, nanos: i64) -> Option<Duration> {
    Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_left_alone_for_a_while_is_settled() {
        let at = |modified, changed| Stamp {
            len: 1,
            device: 1,
            inode: 1,
            modified: Duration::from_millis(modified),
            changed: Duration::from_millis(changed),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        for (modified, changed, settled) in [
            (97_999, 97_999, true),
            (98_000, 97_000, false),
            (0, 99_000, false),
            (99_000, 0, false),
            (100_001, 0, false),
            (0, 500_000, false),
        ] {
            assert_eq!(at(modified, changed).is_settled(now), settled, "{modified} {changed}");
        }
    }
}
