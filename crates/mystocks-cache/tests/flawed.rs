//! The conformance suite tells a store that breaks a promise: each flaw here is found by the test of that promise.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use mystocks_cache::conformance::{self, Namespace};
use mystocks_cache::{Cursor, Error, Lifetime, MemoryStore, Page, Put, Store};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    AnswersInOrderOfKeys,
    AnswersOnlyWhatItHas,
    TakesEmptyForAbsent,
    EndsValuesAtZero,
    WritesUntilItRefuses,
    KeepsTheFirstLife,
    RoundsLivesUp,
    GivesTheBatchOneLife,
    NeverForgets,
    RefusesEndlessLives,
    CountsWhatItWasAsked,
    MakesKeysByTouching,
    TakesBackslashesAway,
    ShowsAllInOnePage,
    MissesKeys,
    ShowsOtherKeys,
    StopsItsClock,
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[derive(Debug)]
struct Flawed {
    inner: MemoryStore,
    flaw: Flaw,
}

#[async_trait]
impl Store for Flawed {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        let mut keys = keys.to_vec();
        if self.flaw == Flaw::AnswersInOrderOfKeys {
            keys.sort_unstable();
        }
        let mut values = self.inner.get(&keys).await?;
        match self.flaw {
            Flaw::AnswersOnlyWhatItHas if keys.len() > 1 => values.retain(Option::is_some),
            Flaw::TakesEmptyForAbsent => values.iter_mut().for_each(|value| {
                value.take_if(|bytes| bytes.is_empty());
            }),
            Flaw::EndsValuesAtZero => values.iter_mut().flatten().for_each(|bytes| {
                let end = bytes.iter().position(|&byte| byte == 0);
                bytes.truncate(end.unwrap_or(usize::MAX));
            }),
            _ => {}
        }
        Ok(values)
    }

    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error> {
        let mut entries = entries.to_vec();
        let first = entries.first().map(|entry| entry.ttl);
        for entry in &mut entries {
            let valid = entry.ttl >= Duration::from_millis(1);
            match (self.flaw, self.inner.touch(entry.key, None).await?) {
                (Flaw::KeepsTheFirstLife, Lifetime::Expires(left)) if valid => entry.ttl = left,
                (Flaw::RoundsLivesUp, _) => entry.ttl = entry.ttl.max(Duration::from_millis(1)),
                (Flaw::GivesTheBatchOneLife, _) => entry.ttl = first.unwrap_or_default(),
                (Flaw::NeverForgets, _) if valid => entry.ttl = YEAR,
                (Flaw::RefusesEndlessLives, _) if entry.ttl > YEAR => entry.ttl = Duration::ZERO,
                (Flaw::WritesUntilItRefuses, _) => self.inner.put(std::slice::from_ref(entry)).await?,
                _ => {}
            }
        }
        self.inner.put(&entries).await
    }

    async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        let removed = self.inner.remove(keys).await?;
        Ok(if self.flaw == Flaw::CountsWhatItWasAsked { keys.len() as u64 } else { removed })
    }

    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        if let (Flaw::MakesKeysByTouching, Some(ttl)) = (self.flaw, ttl) {
            let old = self.inner.get(&[key]).await?.pop().flatten();
            let value = old.unwrap_or_default();
            self.inner.put(&[Put { key, value, ttl }]).await?;
        }
        self.inner.touch(key, ttl).await
    }

    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, Error> {
        let pattern = match self.flaw {
            Flaw::TakesBackslashesAway => pattern.replace('\\', ""),
            Flaw::ShowsOtherKeys => format!("{}*", pattern.split(['*', '?', '[']).next().unwrap_or_default()),
            _ => pattern.to_owned(),
        };
        let mut page = self.inner.scan(&pattern, cursor).await?;
        while self.flaw == Flaw::ShowsAllInOnePage
            && let Some(at) = page.next
        {
            let more = self.inner.scan(&pattern, at).await?;
            page.keys.extend(more.keys);
            page.next = more.next;
        }
        if self.flaw == Flaw::MissesKeys && page.next.is_some() {
            page.keys.pop();
        }
        Ok(page)
    }

    fn now_ms(&self) -> u64 {
        let now = self.inner.now_ms();
        if self.flaw == Flaw::StopsItsClock { now - now % 100_000 } else { now }
    }
}

macro_rules! cases {
    ($($flaw:ident: $case:ident)*) => {
        $(#[tokio::test(start_paused = true)]
        #[expect(non_snake_case, reason = "named as the flaw is")]
        async fn $flaw() {
            for (flaw, passes) in [(Flaw::None, true), (Flaw::$flaw, false)] {
                let store = Flawed { inner: MemoryStore::new(), flaw };
                let namespace = Namespace::unique();
                let case = conformance::$case(&store, &namespace);
                let outcome = AssertUnwindSafe(case).catch_unwind().await;
                assert_eq!(outcome.is_ok(), passes, "{flaw:?} and {}", stringify!($case));
            }
        })*
    };
}

cases! {
    AnswersInOrderOfKeys: answers_as_many_as_asked_in_that_order
    AnswersOnlyWhatItHas: answers_as_many_as_asked_in_that_order
    TakesEmptyForAbsent: tells_an_empty_value_from_none
    EndsValuesAtZero: gives_back_any_bytes
    WritesUntilItRefuses: a_life_too_short_is_refused_and_nothing_written
    KeepsTheFirstLife: writing_replaces_value_and_life
    RoundsLivesUp: a_life_too_short_is_refused_and_nothing_written
    GivesTheBatchOneLife: a_batch_gives_every_entry_its_own_life
    NeverForgets: an_expired_entry_is_gone
    RefusesEndlessLives: an_endless_life_is_a_long_one
    CountsWhatItWasAsked: removing_counts_what_was_there
    MakesKeysByTouching: touching_reads_and_sets_the_life
    TakesBackslashesAway: an_escaped_glob_character_is_itself
    ShowsAllInOnePage: a_page_is_bounded
    MissesKeys: a_walk_finds_every_key_that_stays
    ShowsOtherKeys: a_glob_means_what_it_means_to_redis
    StopsItsClock: the_clock_is_wall_time_and_advances
}
