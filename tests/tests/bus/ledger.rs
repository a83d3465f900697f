//! What was published and when, and what became of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use mystocks_bus::{Bus, Delivery};
use mystocks_testkit::eventually;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::Tick;

const LONG: Duration = Duration::from_secs(30);
/// How far two readings of the host's clock that belong together may lie apart.
const SLACK: Duration = Duration::from_millis(50);

/// Publishes numbers, one after the other, and notes when each was accepted.
#[derive(Debug)]
pub(crate) struct Publisher {
    published: Arc<Mutex<Published>>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

/// The numbers that the server has accepted, and when at the earliest and at the latest; of others nothing is known.
pub(crate) type Published = BTreeMap<u64, (SystemTime, SystemTime)>;

impl Publisher {
    pub(crate) fn start(bus: Bus, pause: Duration) -> Self {
        let (published, stop) = (Arc::new(Mutex::new(Published::new())), CancellationToken::new());
        let (noted, stopped) = (Arc::clone(&published), stop.clone());
        let task = AbortOnDropHandle::new(TaskTracker::new().spawn(async move {
            for number in 0.. {
                if stopped.is_cancelled() {
                    return;
                }
                let before = SystemTime::now();
                if bus.publish(&Tick { number }).await.is_ok() {
                    noted.lock().unwrap().insert(number, (before, SystemTime::now()));
                }
                sleep(pause).await;
            }
        }));
        Self { published, stop, task }
    }

    /// Waits until so many more were accepted.
    pub(crate) async fn goes_on(&self, count: usize) {
        let accepted = || self.published.lock().unwrap().len();
        let before = accepted();
        eventually("it publishes", LONG, async || accepted() >= before + count).await;
    }

    /// Stops after the number that is under way.
    pub(crate) async fn stop(self) -> Published {
        self.stop.cancel();
        self.task.await.unwrap();
        std::mem::take(&mut *self.published.lock().unwrap())
    }
}

/// What a subscriber was handed, and each gap with the times it told.
#[derive(Debug)]
pub(crate) enum Handed {
    Number(u64),
    Gap { since: SystemTime, until: SystemTime, dropped: u64 },
}

impl From<Delivery<Tick>> for Handed {
    fn from(delivery: Delivery<Tick>) -> Self {
        match delivery {
            Delivery::Event(tick) => Self::Number(tick.number),
            Delivery::Gap(gap) => Self::Gap { since: gap.since(), until: gap.until(), dropped: gap.dropped },
        }
    }
}

/// What the ledger shows.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) delivered: usize,
    pub(crate) missing: usize,
    pub(crate) gaps: usize,
    /// Gaps in which nothing is missing.
    pub(crate) empty: usize,
}

/// Holds what was handed over against what was published: the numbers grow, and each that is missing lies in exactly one gap, in its place
/// and in its time.
pub(crate) fn account(published: &Published, handed: &[Handed]) -> Account {
    let mut account = Account::default();
    let mut next = 0;
    let mut told: Vec<(SystemTime, SystemTime)> = Vec::new();
    for one in handed {
        match one {
            Handed::Gap { since, until, dropped } => {
                assert!(since <= until, "a gap has a beginning and an end");
                assert_eq!(*dropped, 0, "there was room");
                told.push((*since, *until));
            }
            Handed::Number(number) => {
                assert!(*number >= next, "{number} came after {next}");
                account.delivered += 1;
                close(&mut account, published, next..*number, &told);
                told.clear();
                next = number + 1;
            }
        }
    }
    let end = published.last_key_value().map_or(0, |(last, _)| last + 1);
    close(&mut account, published, next..end, &told);
    account
}

fn close(
    account: &mut Account,
    published: &Published,
    between: std::ops::Range<u64>,
    told: &[(SystemTime, SystemTime)],
) {
    // With nothing delivered between two losses their gaps stand side by side, one after the other.
    let follows = |pair: &[(SystemTime, SystemTime)]| pair[0].1 <= pair[1].0 + SLACK / 10;
    assert!(told.windows(2).all(follows), "gaps between {between:?} overlap: {told:?}");
    account.gaps += told.len();
    let mut missing = 0;
    for (number, (before, after)) in published.range(between) {
        missing += 1;
        let lies_in =
            |(since, until): &(SystemTime, SystemTime)| *since <= *after + SLACK && *before <= *until + SLACK;
        assert!(told.iter().any(lies_in), "{number} is missing, and no gap tells of it: {told:?}");
    }
    account.missing += missing;
    account.empty += told.len().min(usize::from(missing == 0));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(numbers: std::ops::Range<u64>) -> Published {
        let at = |number| SystemTime::UNIX_EPOCH + Duration::from_secs(number);
        numbers.map(|number| (number, (at(number), at(number)))).collect()
    }

    fn gap(since: u64, until: u64) -> Handed {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Handed::Gap { since: at(since), until: at(until), dropped: 0 }
    }

    fn is_refused(handed: &[Handed]) -> bool {
        std::panic::catch_unwind(|| account(&published(0..10), handed)).is_err()
    }

    #[test]
    fn what_is_missing_lies_in_one_gap_in_its_place_and_time() {
        use Handed::Number;
        let all = || (0..10).map(Number);
        assert_eq!(account(&published(0..10), &all().collect::<Vec<_>>()).missing, 0);
        let handed = vec![Number(0), gap(1, 4), Number(4), Number(5), Number(6), gap(7, 9)];
        let found = account(&published(0..10), &handed);
        assert_eq!((found.delivered, found.missing, found.gaps, found.empty), (4, 6, 2, 0));
        assert!(is_refused(&all().filter(|one| !matches!(one, Number(5))).collect::<Vec<_>>()), "no gap");
        assert!(is_refused(&all().take(9).collect::<Vec<_>>()), "no gap at the end");
        assert!(is_refused(&[Number(0), Number(4), gap(1, 4)]), "too late");
        let two = |first, second| {
            let handed = [Number(0), first, second, Number(4)].into_iter().chain((5..10).map(Number));
            handed.collect::<Vec<_>>()
        };
        assert_eq!(account(&published(0..10), &two(gap(1, 2), gap(3, 4))).missing, 3);
        assert!(is_refused(&two(gap(1, 3), gap(2, 4))), "in two gaps");
        assert!(is_refused(&two(gap(1, 1), gap(3, 4))), "between two gaps");
        let elsewhen = [Number(0), gap(5, 9), Number(4)].into_iter().chain((5..10).map(Number));
        assert!(is_refused(&elsewhen.collect::<Vec<_>>()), "another time");
        assert!(is_refused(&[Number(1), Number(0)]), "another order");
    }
}
