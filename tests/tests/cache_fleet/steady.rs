//! A steady load on one process's cache, and what its requests got.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mystocks_cache::{LoadCtx, Tier};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::ask::{Figures, Load, now_us};
use crate::desk::Shop;

const TICK: Duration = Duration::from_millis(4);

/// A load that goes on until it is dropped.
pub(crate) struct Steady {
    book: Arc<Mutex<Book>>,
    _requests: JoinSet<()>,
}

#[derive(Default)]
struct Book {
    figures: Figures,
    /// When each key was loaded.
    loads: HashMap<String, Vec<u64>>,
    now: u64,
}

impl Steady {
    pub(crate) fn start(shop: Shop, load: Load) -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let mut requests = JoinSet::new();
        requests.spawn(issue(shop, load, Arc::clone(&book)));
        Self { book, _requests: requests }
    }

    /// Returns what there is to say since the last time.
    pub(crate) fn figures(&self) -> Figures {
        let mut book = self.book.lock().unwrap();
        let mut figures = std::mem::take(&mut book.figures);
        let again = book.loads.iter().filter(|(_, times)| times.len() > 1);
        figures.loaded_again = again.map(|(name, times)| format!("{name} at {times:?}")).collect();
        book.loads.clear();
        figures.added_us.sort_unstable();
        figures
    }
}

/// Issues requests at their times, whatever becomes of those before.
async fn issue(shop: Shop, load: Load, book: Arc<Mutex<Book>>) {
    let mut requests = JoinSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut owed, mut number) = (0.0, 0_usize);
    let each = f64::from(u32::try_from(load.per_second).unwrap()) * TICK.as_secs_f64();
    loop {
        ticks.tick().await;
        owed += each;
        while owed >= 1.0 {
            owed -= 1.0;
            number += 1;
            let name = match number.is_multiple_of(2) && load.cold_half {
                true => format!("cold-{}-{number}", std::process::id()),
                false => load.names.get(number / 2 % load.names.len()).cloned().unwrap(),
            };
            requests.spawn(request(shop.clone(), name, load.compute, Arc::clone(&book)));
        }
        while requests.try_join_next().is_some() {}
    }
}

async fn request(shop: Shop, name: String, compute: Duration, book: Arc<Mutex<Book>>) {
    let (inner, counted) = (shop.clone(), Arc::clone(&book));
    let own = name.clone();
    let load = move |cx: LoadCtx<_>| async move {
        {
            let mut book = counted.lock().unwrap();
            book.loads.entry(own.clone()).or_default().push(now_us());
            book.now += 1;
            book.figures.most_loads_at_once = book.figures.most_loads_at_once.max(book.now);
        }
        let loaded = inner.load(cx, own, compute).await;
        counted.lock().unwrap().now -= 1;
        loaded
    };
    let began = Instant::now();
    let read = shop.cache.get_or_compute(&name, load).detail().await;
    let took = began.elapsed();
    let mut book = book.lock().unwrap();
    book.figures.requests += 1;
    match read {
        Ok(read) => {
            let waited = if read.tier == Tier::L3 { compute } else { Duration::ZERO };
            book.figures.loader_waits += u64::from(read.tier == Tier::L3);
            let added = took.saturating_sub(waited);
            book.figures.added_us.push(u64::try_from(added.as_micros()).unwrap());
        }
        Err(error) => book.figures.errors.push(error.to_string()),
    }
}
