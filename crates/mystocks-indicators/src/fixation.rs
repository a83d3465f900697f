//! Fixation: hot data that lives only in Redis is written through to durable storage before it expires.

mod crew;
mod csv;
mod event;
mod folder;
mod memory;
#[cfg(feature = "parquet")]
mod parquet;
mod row;
mod strategy;
mod tally;
mod target;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mystocks_bus::{DurableTopic, Entry, Handling, Id, Log, Replayed, Start, Tend};
use mystocks_cache::{Json, Keyspace, Put, Store};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

pub use self::csv::CsvHotRows;
pub use self::memory::MemoryHotRows;
#[cfg(feature = "parquet")]
pub use self::parquet::ParquetHotRows;
pub use self::row::{HeldRow, HotRow};
pub use self::strategy::FixationStrategy;
pub use self::tally::FixationState;
pub use self::target::FixationTarget;
pub use self::worker::FixationWorker;

use self::crew::Batch;
use self::event::{Row, TOPIC};
use self::tally::{Fate, Tally};
use crate::error::{Error, ErrorKind};

/// Who publishes.
const SOURCE: &str = "mystocks-indicators";
/// For so long a row is put again and again while the store or the log cannot be reached.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
/// Workers of the bus keep no shorter one.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

/// Holds hot rows until a target has them, and serves the latest of each key meanwhile.
///
/// [`put`](Self::put) appends a row to a durable topic, which holds it until the target has it, and writes it to the shared store, where
/// [`get`](Self::get) finds it until its time to live has passed. Workers ([`work`](Self::work)) in any number of processes write what is
/// held, by the [`FixationStrategy`]. docs/fixation.md says what is promised. Cheap to clone.
///
/// ```
/// use jiff::Timestamp;
/// use mystocks_bus::MemoryLog;
/// use mystocks_cache::{Keyspace, MemoryStore};
/// use mystocks_indicators::{Fixation, FixationStrategy, HotRow, MemoryHotRows};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// // With Redis: RedisStore::new(manager.clone()), Streams::new(manager, &keyspace), PostgresHotRows::new(&pool, "hot_rows")?
/// let target = MemoryHotRows::new();
/// let fixation = Fixation::new(MemoryStore::new(), &Keyspace::default(), MemoryLog::new(), target.clone())
///     .strategy(FixationStrategy::OnDemand);
/// let worker = fixation.work().await?;
///
/// let quote = HotRow::new("quote", "600519.SH", Timestamp::now(), [("price", 1688.0)]);
/// fixation.put(&quote).await?;
/// assert_eq!(fixation.get("quote", "600519.SH").await?, Some(quote.clone()));
/// assert_eq!(fixation.state().await?.held, 1);
///
/// fixation.flush().await?;
/// assert_eq!(target.rows(), [quote]);
/// worker.shutdown().await;
/// # Ok::<(), mystocks_indicators::Error>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Fixation {
    store: Arc<dyn Store>,
    keyspace: Keyspace,
    log: Arc<dyn Log>,
    topic: DurableTopic<Row>,
    target: Arc<dyn FixationTarget>,
    tally: Arc<Tally>,
    group: Arc<str>,
    strategy: FixationStrategy,
    ttl: Duration,
    batch: Batch,
    backlog: u64,
    lease: Duration,
}

impl Fixation {
    /// Makes one that serves hot values from `store`, holds rows in `log` and writes them to `target`.
    ///
    /// Default: every 300 s ([`FixationStrategy::Interval`]), hot values that live for 300 s, 1,000 rows or 4 MiB at once, earlier when
    /// 100,000 rows are held.
    pub fn new(
        store: impl Store,
        keyspace: &Keyspace,
        log: impl Log + Clone,
        target: impl FixationTarget,
    ) -> Self {
        Self {
            store: Arc::new(store),
            keyspace: keyspace.clone(),
            log: Arc::new(log.clone()),
            topic: DurableTopic::new(log, TOPIC, SOURCE),
            target: Arc::new(target),
            tally: Arc::default(),
            group: "target".into(),
            strategy: FixationStrategy::default(),
            ttl: Duration::from_secs(300),
            batch: Batch { rows: 1_000, bytes: 4 << 20 },
            backlog: 100_000,
            lease: Handling::default().lease,
        }
    }

    /// Sets when what is held is written.
    #[must_use]
    pub fn strategy(self, strategy: FixationStrategy) -> Self {
        Self { strategy, ..self }
    }

    /// Sets how long hot values live.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    /// Names the target: each name gets all rows, and workers of one name share them. Default: `target`.
    #[must_use]
    pub fn group(self, name: &str) -> Self {
        Self { group: name.into(), ..self }
    }

    /// Sets how much goes to the target at once, 1 to 20,000 rows: a worker holds at most three times as many, and the bytes of one batch in one call.
    #[must_use]
    pub fn batch(self, rows: usize, bytes: usize) -> Self {
        Self { batch: Batch { rows: rows.clamp(1, 20_000), bytes: bytes.max(1) }, ..self }
    }

    /// Sets how many rows may be held until they are written before their time.
    #[must_use]
    pub fn backlog(self, rows: u64) -> Self {
        Self { backlog: rows.max(1), ..self }
    }

    /// Sets how many rows the topic has room for, 1,000,000 unless it is set: with a target that is away for longer, [`put`](Self::put) fails.
    #[must_use]
    pub fn room(self, rows: u64) -> Self {
        Self { topic: self.topic.room(rows), ..self }
    }

    /// Sets after how long without a sign of life the rows that a worker has in hand come to others. Default: 10 s.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Holds `row` until the target has it, and serves it as the hot value of its key.
    ///
    /// It is held before it is served: what can be read is going to be written.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidArgument`] for a row that cannot be held; nothing was done.
    /// - [`ErrorKind::Source`] when the log has no room, or when it or the store could not be reached for 5 s: the row may be held and may be served;
    ///   putting it again is right.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether it is held.
    pub async fn put(&self, row: &HotRow) -> Result<(), Error> {
        self.put_all(std::slice::from_ref(row)).await
    }

    /// Holds `rows`, all of them or none, and serves of each key the latest; with one request each to the log and to the store.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn put_all(&self, rows: &[HotRow]) -> Result<(), Error> {
        const OPERATION: &str = "hold hot rows";
        let mut hot: BTreeMap<String, &HotRow> = BTreeMap::new();
        for row in rows {
            row.check()?;
            let latest = hot.entry(self.key(&row.kind, &row.key)?).or_insert(row);
            if row.at >= latest.at {
                *latest = row;
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let events: Vec<Row> = rows.iter().map(Row::from).collect();
        let until = Instant::now() + PATIENCE;
        // What was appended twice is one row in the target.
        while let Err(error) = self.topic.publish_all(&events).await {
            if !error.is_retryable() || Instant::now() >= until {
                return Err(failed(OPERATION, error));
            }
            sleep(PAUSE).await;
        }
        let mut puts = Vec::with_capacity(hot.len());
        for (key, row) in &hot {
            let json = Json::from_serialize(&Row::from(*row)).map_err(|error| failed(OPERATION, error))?;
            puts.push(Put { key, value: Bytes::from(json.dumps()), ttl: self.ttl });
        }
        while let Err(error) = self.store.put(&puts).await {
            if !error.is_retryable() || Instant::now() >= until {
                return Err(failed(OPERATION, error));
            }
            sleep(PAUSE).await;
        }
        self.tally.count(Fate::Put, rows.len() as u64);
        Ok(())
    }

    /// Returns the row of `key` that was put last, `None` when its time to live has passed.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] when something else stands there, [`ErrorKind::Source`] when the store cannot be reached.
    pub async fn get(&self, kind: &str, key: &str) -> Result<Option<HotRow>, Error> {
        const OPERATION: &str = "read the hot value";
        let name = self.key(kind, key)?;
        let found = self.store.get(&[&name]).await.map_err(|error| failed(OPERATION, error))?;
        let Some(bytes) = found.into_iter().next().flatten() else { return Ok(None) };
        let read = || Json::parse(&bytes).ok()?.to_deserialize::<Row>().ok()?.into_hot();
        let malformed = || {
            Error::new(ErrorKind::Malformed, OPERATION, name.clone()).with_detail("no hot row stands there")
        };
        read().map(Some).ok_or_else(malformed)
    }

    /// Begins to write what is held, beside all other workers of the group.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a strategy, a group or a lease that cannot be, [`ErrorKind::Source`] when the log cannot be reached.
    pub async fn work(&self) -> Result<FixationWorker, Error> {
        const OPERATION: &str = "begin to write";
        if let Err(detail) = self.strategy.check() {
            return Err(Error::new(ErrorKind::InvalidArgument, OPERATION, "the strategy").with_detail(detail));
        }
        if self.lease < SHORTEST_LEASE {
            let detail = format!("{:?} cannot be kept, give it at least {SHORTEST_LEASE:?}", self.lease);
            return Err(Error::new(ErrorKind::InvalidArgument, OPERATION, "the lease").with_detail(detail));
        }
        self.join().await.map_err(|error| match error.kind() {
            mystocks_bus::ErrorKind::InvalidArgument => {
                Error::new(ErrorKind::InvalidArgument, OPERATION, &*self.group).with_source(error)
            }
            _ => failed(OPERATION, error),
        })?;
        Ok(FixationWorker::start(self.clone()))
    }

    /// Writes now, and returns when all rows that were put before, by whomever, are in the target or were refused by it.
    ///
    /// It needs no worker. While the target is away it waits.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] when the log cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future gives back what was not written.
    pub async fn flush(&self) -> Result<(), Error> {
        self.write_all(&CancellationToken::new()).await
    }

    /// Returns what became of the rows that were put and written here, and how much is held by the group.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] when the log cannot be reached.
    pub async fn state(&self) -> Result<FixationState, Error> {
        let group =
            self.topic.state(&self.group).await.map_err(|error| failed("look what is held", error))?;
        Ok(self.tally.state(&group, self.store.now_ms()))
    }

    /// Returns at most `count` rows that lie aside, after the one at `after`: what was sent, why the target refused it and when.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] when the log cannot be reached.
    pub async fn dead_letters(&self, after: Option<Id>, count: usize) -> Result<Vec<Entry>, Error> {
        let letters = self.topic.dead_letters(&self.group, after, count).await;
        letters.map_err(|error| failed("look what lies aside", error))
    }

    /// Holds again all rows that lie aside.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] when the log cannot be reached or has no room; doing it again is right.
    pub async fn replay(&self) -> Result<Replayed, Error> {
        let replayed = self.topic.replay(&self.group, None, |_| true).await;
        replayed.map_err(|error| failed("hold again what lies aside", error))
    }

    fn key(&self, kind: &str, key: &str) -> Result<String, Error> {
        let made = self.keyspace.hot(kind, key).map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "name the hot value", kind).with_source(error)
        })?;
        Ok(made.as_str().to_owned())
    }

    /// Makes the group, so that nothing is trimmed before its first round.
    async fn join(&self) -> Result<(), mystocks_bus::Error> {
        let consumer = mystocks_bus::Consumer {
            topic: TOPIC,
            group: &self.group,
            name: &format!("join-{:016x}", fastrand::u64(..)),
            lease: self.lease,
            is_sole: false,
        };
        let join = Tend {
            join: Some(Start::First),
            room: 0,
            only: None,
            deliveries: u64::MAX,
            alone: u64::MAX,
            takes_alone: false,
            keeps: None,
            leave: false,
        };
        self.log.tend(&consumer, &join).await?;
        self.log.tend(&consumer, &Tend { join: None, leave: true, ..join }).await.map(drop)
    }
}

impl fmt::Debug for Fixation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixation")
            .field("target", &self.target)
            .field("group", &self.group)
            .field("strategy", &self.strategy)
            .finish_non_exhaustive()
    }
}

fn failed(operation: &'static str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Source, operation, "fixation").with_source(error)
}
