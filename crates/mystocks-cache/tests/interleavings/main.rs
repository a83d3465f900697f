//! Random interleavings of everything that four processes can do to a few keys: no read may be older than an invalidation
//! that returned before it began.
//!
//! `cargo xtask soak interleavings` runs 100,000; here it is a bounded number. A failure names the seed of its world, and
//! `MYSTOCKS_SEED=… MYSTOCKS_WORLDS=1` runs that one again.
#![expect(clippy::unwrap_used, reason = "what surrounds the tests may panic as they do")]
#![expect(clippy::print_stdout, reason = "seeds and figures are for whoever reads the log")]
#![expect(
    clippy::disallowed_methods,
    reason = "tasks end with the runtime of their world; figures are of real time"
)]

mod ledger;
mod port;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ledger::Figures;
use port::Flaw;
use world::BURSTS;

/// So many interleavings run when nobody asks for more.
const BOUNDED: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var_os(name)?;
    Some(text.to_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} is no number")))
}

#[test]
fn no_read_is_older_than_an_invalidation_that_returned_before_it() {
    // Always the same worlds here, so that a change is judged by what it changed; the soak draws new ones.
    let seed = number("MYSTOCKS_SEED").unwrap_or(20_000);
    let worlds = number("MYSTOCKS_WORLDS").unwrap_or_else(|| {
        number("MYSTOCKS_INTERLEAVINGS").unwrap_or(BOUNDED).div_ceil(u64::from(BURSTS)).max(1)
    });
    println!("seed {seed}: worlds of {BURSTS} interleavings on 4 nodes");
    let began = Instant::now();
    let ends = number("MYSTOCKS_MINUTES").map(|minutes| began + Duration::from_secs(60 * minutes));
    let worlds = if ends.is_some() { u64::MAX } else { worlds };
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(4));
    let results: Vec<Result<Figures, String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(seed, worlds, ends, &next))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let mut all = Figures::default();
    for result in results {
        match result {
            Ok(figures) => all.add(&figures),
            Err(failure) => panic!("{failure}"),
        }
    }
    let took = began.elapsed().as_secs_f64();
    println!("{} interleavings in {took:.1} s, 0 stale reads: {all}", all.worlds * u64::from(BURSTS));
    assert!(all.checked > 0 && all.commits > 0 && all.loads > 0, "nothing was tried: {all}");
}

fn work(seed: u64, worlds: u64, ends: Option<Instant>, next: &AtomicU64) -> Result<Figures, String> {
    let mut all = Figures::default();
    loop {
        let world = next.fetch_add(1, Ordering::Relaxed);
        if world >= worlds || ends.is_some_and(|ends| Instant::now() > ends) {
            return Ok(all);
        }
        let seed = seed.wrapping_add(world);
        match world::run(seed, Flaw::None) {
            Ok(figures) => {
                all.worlds += 1;
                all.add(&figures);
            }
            Err(failure) => {
                next.store(worlds, Ordering::Relaxed);
                return Err(format!("MYSTOCKS_SEED={seed} MYSTOCKS_WORLDS=1: {failure}"));
            }
        }
    }
}

/// What the harness is good for: each of these is a store, a lease or a link that breaks one promise.
mod tells {
    use super::*;

    /// More worlds than any of them needs.
    const MOST: u64 = 400;

    fn found(flaw: Flaw, expected: &str) {
        let failure = (0..MOST).find_map(|seed| world::run(seed, flaw).err().map(|failure| (seed, failure)));
        let Some((seed, failure)) = failure else { panic!("{flaw:?} was not found in {MOST} worlds") };
        println!("{flaw:?} found in world {seed}: {failure}");
        assert!(failure.contains(expected), "{flaw:?}: {failure}");
    }

    #[test]
    fn a_write_whose_lease_was_lost() {
        found(Flaw::WritesWithoutLease, "L2 went back");
    }

    #[test]
    fn a_read_of_l2_that_ignores_marks() {
        found(Flaw::ForgetsMarks, "stale");
    }

    #[test]
    fn a_value_that_is_set_and_not_announced() {
        found(Flaw::SetsInSilence, "stale");
    }

    #[test]
    fn a_link_that_loses_messages() {
        found(Flaw::LosesMessages, "stale");
    }

    #[test]
    fn a_link_that_is_late() {
        found(Flaw::Dawdles, "stale");
    }

    #[test]
    fn a_clock_of_the_process_in_place_of_the_stores() {
        found(Flaw::StampsItself, "L2 went back");
    }

    #[test]
    fn an_invalidation_that_leaves_the_leases() {
        found(Flaw::LeavesLeases, "");
    }
}
