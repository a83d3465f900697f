//! The conformance suites tell leases and backplanes that break a promise: each flaw is found by the test of that promise.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use mystocks_cache::conformance::{self, Fleet, Namespace, Process};
use mystocks_cache::{
    Backplane, Cursor, Error, Held, Invalidation, Leases, MemoryBackplane, MemoryLeases, MemoryStore, Put,
    SEEN, Seen, Signal, Store, Take, Want, Write,
};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    // Of leases.
    IgnoresWhatWasSeen,
    TakesHeadsForEntries,
    LendsToEverybody,
    LendsForAnHour,
    ForcesNothing,
    StampsByAClockThatGoesBack,
    AnswersInOrderOfKeys,
    RenewsForAnybody,
    WritesForAnybody,
    WritesForAnHour,
    WritesOverOthers,
    ComparesHeadsOnly,
    KeepsTheLeaseOfWhatItSpares,
    TellsEveryWrite,
    TellsNoWrite,
    ReleasesForAnybody,
    WakesNobody,
    WaitsNotAtAll,
    // Of backplanes.
    HearsItself,
    TellsEachKey,
    TellsBeforeItRemoves,
    LeavesTheLease,
    ForgetsMarks,
    RemovesOnRecheck,
    TellsLastFirst,
    LosesInSilence,
    StartsInSilence,
}

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
struct Flawed {
    store: MemoryStore,
    leases: MemoryLeases,
    backplane: MemoryBackplane,
    /// Another process' backplane.
    stranger: MemoryBackplane,
    clock: Arc<AtomicU64>,
    tasks: TaskTracker,
    flaw: Flaw,
}

impl Flawed {
    fn process(store: &MemoryStore, flaw: Flaw) -> Process {
        let (leases, backplane) = store.process();
        let clock = Arc::new(AtomicU64::new(store.now_ms() * 1_000));
        let stranger = MemoryBackplane::new(store);
        let (store, tasks) = (store.clone(), TaskTracker::new());
        let process = Self { store, leases, backplane, stranger, clock, tasks, flaw };
        Process::new((process.clone(), process))
    }

    fn fleet(flaw: Flaw) -> Fleet {
        let store = MemoryStore::new();
        let (here, there) = (Self::process(&store, flaw), Self::process(&store, flaw));
        Fleet { store: Arc::new(store), here, there, keep: Box::new(()) }
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    async fn value(&self, key: &str) -> Result<Option<bytes::Bytes>, Error> {
        Ok(self.store.get(&[key]).await?.pop().flatten())
    }

    async fn take_one(&self, mut want: Want<'_>, ttl: Duration) -> Result<Take, Error> {
        let entry = self.value(want.key).await?.unwrap_or_default();
        if self.is(Flaw::IgnoresWhatWasSeen) {
            want.seen = Seen::Whole(&entry);
        }
        if let Seen::Whole(seen) = want.seen
            && self.is(Flaw::TakesHeadsForEntries)
        {
            want.seen = Seen::Head(seen.get(..SEEN).unwrap_or(seen));
        }
        want.by_force &= !self.is(Flaw::ForcesNothing);
        let ttl = if self.is(Flaw::LendsForAnHour) { ttl.max(HOUR) } else { ttl };
        Ok(match self.leases.take(&[want], ttl).await?.remove(0) {
            Take::Busy(_) if self.is(Flaw::LendsToEverybody) => Take::Taken { stamp: 1 },
            Take::Taken { .. } if self.is(Flaw::StampsByAClockThatGoesBack) => {
                Take::Taken { stamp: self.clock.fetch_sub(1, Ordering::Relaxed) }
            }
            take => take,
        })
    }
}

#[async_trait]
impl Leases for Flawed {
    async fn take(&self, wanted: &[Want<'_>], ttl: Duration) -> Result<Vec<Take>, Error> {
        let mut wanted = wanted.to_vec();
        if self.is(Flaw::AnswersInOrderOfKeys) {
            wanted.sort_unstable_by_key(|want| want.key);
        }
        let mut takes = Vec::new();
        for want in wanted {
            takes.push(self.take_one(want, ttl).await?);
        }
        Ok(takes)
    }

    async fn wait(&self, key: &str, at_most: Duration) -> Result<(), Error> {
        match self.flaw {
            Flaw::WakesNobody => tokio::time::sleep(at_most).await,
            Flaw::WaitsNotAtAll => tokio::time::sleep(Duration::from_millis(1)).await,
            _ => self.leases.wait(key, at_most).await?,
        }
        Ok(())
    }

    async fn renew(&self, held: &[Held<'_>], ttl: Duration) -> Result<Vec<bool>, Error> {
        let renewed = self.leases.renew(held, ttl).await?;
        let anybody = self.is(Flaw::RenewsForAnybody);
        Ok(renewed.into_iter().map(|renewed| renewed || anybody).collect())
    }

    async fn commit(&self, writes: &[Write<'_>]) -> Result<Vec<bool>, Error> {
        let mut writes = writes.to_vec();
        for write in &mut writes {
            write.announce = match self.flaw {
                Flaw::TellsEveryWrite => true,
                Flaw::TellsNoWrite => false,
                _ => write.announce,
            };
            if self.is(Flaw::WritesForAnHour) {
                write.ttl = write.ttl.max(HOUR);
            }
            write.seen = match (self.flaw, write.seen) {
                (Flaw::WritesOverOthers, _) => None,
                (Flaw::ComparesHeadsOnly, Some(Seen::Whole(seen))) => {
                    Some(Seen::Head(seen.get(..SEEN).unwrap_or(seen)))
                }
                (_, seen) => seen,
            };
        }
        let held: Vec<Held<'_>> = writes.iter().map(|write| write.held).collect();
        let was_held = self.leases.renew(&held, HOUR).await?;
        let written = self.leases.commit(&writes).await?;
        if self.is(Flaw::KeepsTheLeaseOfWhatItSpares) {
            for (held, _) in
                held.iter().zip(was_held.iter().zip(&written)).filter(|(_, of)| *of == (&true, &false))
            {
                let forced = Want { key: held.key, token: held.token, seen: Seen::NOTHING, by_force: true };
                self.leases.take(&[forced], HOUR).await?;
            }
        }
        if self.is(Flaw::WritesForAnybody) {
            for write in &writes {
                self.store
                    .put(&[Put { key: write.held.key, value: write.value.clone(), ttl: write.ttl }])
                    .await?;
            }
        }
        Ok(written)
    }

    async fn release(&self, held: &[Held<'_>]) -> Result<(), Error> {
        if self.is(Flaw::ReleasesForAnybody) {
            for held in held {
                let forced = Want { key: held.key, token: held.token, seen: Seen::NOTHING, by_force: true };
                self.leases.take(&[forced], HOUR).await?;
            }
        }
        self.leases.release(held).await
    }
}

#[async_trait]
impl Backplane for Flawed {
    async fn invalidate(&self, what: Invalidation<'_>) -> Result<u64, Error> {
        match (self.flaw, what) {
            (Flaw::HearsItself, _) => self.stranger.invalidate(what).await,
            (Flaw::TellsEachKey, Invalidation::Keys(keys)) => {
                let mut last = 0;
                for key in keys {
                    last = self.backplane.invalidate(Invalidation::Keys(&[key])).await?;
                }
                Ok(last)
            }
            (Flaw::TellsBeforeItRemoves, Invalidation::Keys(keys)) => {
                let values = self.store.get(keys).await?;
                let stamp = self.backplane.invalidate(what).await?;
                for (key, value) in keys.iter().zip(values) {
                    if let Some(value) = value {
                        self.store.put(&[Put { key, value, ttl: HOUR }]).await?;
                    }
                }
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                self.store.remove(keys).await?;
                Ok(stamp)
            }
            (Flaw::LeavesTheLease, Invalidation::Keys(keys)) => {
                self.store.remove(keys).await?;
                self.backplane.invalidate(Invalidation::Recheck("no lease is voided")).await
            }
            (Flaw::RemovesOnRecheck, Invalidation::Recheck(_)) => {
                let page = self.store.scan("*", Cursor::START).await?;
                let keys: Vec<&str> = page.keys.iter().map(String::as_str).collect();
                self.store.remove(&keys).await?;
                self.backplane.invalidate(what).await
            }
            _ => self.backplane.invalidate(what).await,
        }
    }

    async fn marks(&self, marks: &[&str]) -> Result<Vec<u64>, Error> {
        let stamps = self.backplane.marks(marks).await?;
        Ok(if self.is(Flaw::ForgetsMarks) { vec![0; stamps.len()] } else { stamps })
    }

    fn listen(&self) -> mpsc::Receiver<Signal> {
        let mut from = self.backplane.listen();
        let flaw = self.flaw;
        let (to, signals) = mpsc::channel(64);
        self.tasks.spawn(async move {
            let (mut kept, mut was_up) = (None, false);
            while let Some(signal) = from.recv().await {
                match (flaw, signal) {
                    (Flaw::StartsInSilence, Signal::Up) => {}
                    (Flaw::LosesInSilence, Signal::Up | Signal::Down) if was_up => {}
                    (Flaw::LosesInSilence, signal) => {
                        was_up = true;
                        drop(to.try_send(signal));
                    }
                    (Flaw::TellsLastFirst, signal @ Signal::Mark { .. }) => kept = Some(signal),
                    (_, signal) => {
                        for signal in [Some(signal), kept.take()].into_iter().flatten() {
                            if to.send(signal).await.is_err() {
                                return;
                            }
                        }
                    }
                }
            }
        });
        signals
    }
}

macro_rules! cases {
    ($($flaw:ident: $case:ident)*) => {
        $(#[tokio::test(start_paused = true)]
        #[expect(non_snake_case, reason = "named as the flaw is")]
        async fn $flaw() {
            for (flaw, passes) in [(Flaw::None, true), (Flaw::$flaw, false)] {
                let fleet = Flawed::fleet(flaw);
                let namespace = Namespace::unique();
                let case = conformance::$case(&fleet, &namespace);
                let outcome = AssertUnwindSafe(case).catch_unwind().await;
                assert_eq!(outcome.is_ok(), passes, "{flaw:?} and {}", stringify!($case));
            }
        })*
    };
}

cases! {
    IgnoresWhatWasSeen: another_entry_than_the_seen_one_is_answered
    TakesHeadsForEntries: another_entry_than_the_seen_one_is_answered
    LendsToEverybody: one_of_many_takes_the_lease
    LendsForAnHour: an_expired_lease_is_anybodys
    ForcesNothing: a_lease_is_taken_by_force
    StampsByAClockThatGoesBack: stamps_only_grow
    AnswersInOrderOfKeys: answers_come_as_many_as_asked_in_that_order
    RenewsForAnybody: only_the_holder_renews
    WritesForAnybody: only_the_holder_writes
    WritesForAnHour: a_write_has_its_value_and_life
    WritesOverOthers: a_write_spares_what_came_between
    ComparesHeadsOnly: a_write_spares_what_came_between
    KeepsTheLeaseOfWhatItSpares: a_write_spares_what_came_between
    TellsEveryWrite: a_write_is_told_to_the_others_when_asked
    TellsNoWrite: a_write_is_told_to_the_others_when_asked
    ReleasesForAnybody: only_the_holder_releases
    WakesNobody: a_write_wakes_who_waits
    WaitsNotAtAll: waiting_takes_time
    HearsItself: nobody_hears_themselves
    TellsEachKey: a_thousand_keys_are_one_message
    TellsBeforeItRemoves: an_entry_is_gone_before_anybody_is_told
    LeavesTheLease: an_invalidation_voids_the_lease
    ForgetsMarks: a_mark_has_the_stamp_of_its_invalidation
    RemovesOnRecheck: a_recheck_removes_nothing
    TellsLastFirst: signals_come_in_order
    LosesInSilence: a_slow_listener_is_told_what_it_missed
    StartsInSilence: the_first_signal_says_how_the_link_stands
}
