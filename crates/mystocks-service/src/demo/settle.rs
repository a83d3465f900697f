//! Waiting until the bars may be remembered.

use std::fs::{self, Metadata};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use mystocks_indicators::Symbol;

/// A little longer than the bar source takes a file for freshly written, which it reads again each time.
const SETTLED_AFTER: Duration = Duration::from_millis(2_100);

/// Waits until no file of `symbols` counts as freshly written: otherwise every read would be measured with one of the file.
pub(crate) async fn wait(folder: &Path, symbols: &[Symbol]) {
    let changed = symbols
        .iter()
        .filter_map(|symbol| changed(&fs::metadata(folder.join(format!("{symbol}.csv"))).ok()?))
        .collect::<Vec<_>>();
    let left = left(&changed, SystemTime::now());
    if left.is_zero() {
        return;
    }
    let mut terminal = io::stderr();
    // As progress: for who looks on. To a program, standard error is for what went wrong.
    if terminal.is_terminal() {
        drop(writeln!(terminal, "waiting for freshly written files to settle"));
    }
    tokio::time::sleep(left).await;
}

/// Returns how long the youngest of the files has left; one from the future never settles and is not waited for.
fn left(changed: &[SystemTime], now: SystemTime) -> Duration {
    let ages = changed.iter().filter_map(|changed| now.duration_since(*changed).ok());
    ages.min().map_or(Duration::ZERO, |youngest| SETTLED_AFTER.saturating_sub(youngest))
}

/// Returns when the content or the name last changed: a copy that keeps the old time of its content is fresh too.
#[cfg(unix)]
fn changed(metadata: &Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;

    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanos = u32::try_from(metadata.ctime_nsec()).ok()?;
    let changed = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))?;
    metadata.modified().ok().map(|modified| modified.max(changed))
}

#[cfg(not(unix))]
fn changed(metadata: &Metadata) -> Option<SystemTime> {
    metadata.modified().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_youngest_file_decides_and_one_from_the_future_does_not() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let now = at(100_000);
        for (changed, millis) in [
            (&[][..], 0),
            (&[at(1), at(97_900)], 0),
            (&[at(97_901), at(1)], 1),
            (&[at(99_000), at(99_500), at(98_000)], 1_600),
            (&[at(100_000)], 2_100),
            (&[at(100_001)], 0),
            (&[at(500_000), at(99_000)], 1_100),
        ] {
            assert_eq!(left(changed, now), Duration::from_millis(millis), "{changed:?}");
        }
    }

    #[test]
    fn a_file_just_written_with_an_old_time_is_fresh() {
        let path = std::env::temp_dir().join(format!("mystocks-settle-{}.csv", std::process::id()));
        let file = fs::File::create(&path).unwrap();
        file.set_times(fs::FileTimes::new().set_modified(SystemTime::UNIX_EPOCH)).unwrap();
        let changed = changed(&file.metadata().unwrap());
        fs::remove_file(&path).unwrap();
        let age = SystemTime::now().duration_since(changed.unwrap()).unwrap_or_default();
        assert_eq!(age < Duration::from_secs(3_600), cfg!(unix));
    }
}
