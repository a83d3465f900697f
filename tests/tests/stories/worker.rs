//! Another operating-system process: this test binary, started again with one test that then does what it is asked.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, BufRead, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use mystocks_cache::{Cache, CacheKey, Policy, RedisStore};
use mystocks_config::RedisSettings;
use mystocks_indicators::{CsvBars, DateRange, IndicatorRequest, IndicatorService, Reading, Symbol};
use mystocks_keys::Keyspace;
use mystocks_redis_core::RedisManager;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const ROLE: &str = "MYSTOCKS_STORY_WORKER";
const MARK: &str = "@worker ";
/// Against hanging.
const DEADLINE: Duration = Duration::from_secs(60);

/// The cached value: it tells which process made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quote {
    pub(crate) name: String,
    pub(crate) prices: Vec<f64>,
    pub(crate) maker: u32,
}

impl Quote {
    pub(crate) fn of(name: &str, maker: u32) -> Self {
        let prices = name.bytes().map(|byte| f64::from(byte) / 3.0).collect();
        Self { name: name.to_owned(), prices, maker }
    }
}

/// A key of two segments, so that segments are put together in L2 as well.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct QuoteKey(pub(crate) String);

impl CacheKey for QuoteKey {
    fn segments(&self) -> Vec<Cow<'_, str>> {
        vec![Cow::Borrowed("quote"), Cow::Borrowed(&self.0)]
    }
}

/// How a process's cache is set up; everything else is the default.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Lives {
    pub(crate) ttl: Duration,
    pub(crate) l1_ttl: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
enum Ask {
    OpenCache { url: String, lives: Lives },
    Read { names: Vec<String> },
    Peek { names: Vec<String> },
    DropL1,
    OpenIndicators { url: String, folder: PathBuf },
    Daily { symbols: Vec<String> },
}

/// A value as a process read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Read {
    pub(crate) quote: Quote,
    pub(crate) tier: String,
    pub(crate) age: Duration,
}

/// An indicator as a process read it: every value by its bits, so that NaN equals NaN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) outputs: BTreeMap<String, Vec<u64>>,
    pub(crate) tier: String,
}

/// A process that was started by a test and ends with this value.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    asks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts a process with a cache on the Redis at `url`.
    pub(crate) async fn with_cache(url: &str, lives: Lives) -> Self {
        let mut worker = Self::start();
        worker.ask::<()>(&Ask::OpenCache { url: url.to_owned(), lives }).await;
        worker
    }

    /// Starts a process with an indicator service over `folder`, on the Redis at `url`.
    pub(crate) async fn with_indicators(url: &str, folder: &Path) -> Self {
        let mut worker = Self::start();
        worker.ask::<()>(&Ask::OpenIndicators { url: url.to_owned(), folder: folder.to_owned() }).await;
        worker
    }

    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "worker::another_process_does_what_it_is_asked", "--nocapture"]);
        command.env(ROLE, "1").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("a test binary can be started again");
        let asks = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, asks, answers }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Reads every one of `names` through the cache, computing what is not there.
    pub(crate) async fn read(&mut self, names: &[String]) -> Vec<Read> {
        self.ask(&Ask::Read { names: names.to_vec() }).await
    }

    /// Returns what L1 holds of `names`.
    pub(crate) async fn peek(&mut self, names: &[String]) -> Vec<Option<Quote>> {
        self.ask(&Ask::Peek { names: names.to_vec() }).await
    }

    pub(crate) async fn drop_l1(&mut self) {
        self.ask::<()>(&Ask::DropL1).await;
    }

    /// Reads the daily indicators of `symbols`, all at once, by symbol and label.
    pub(crate) async fn daily(&mut self, symbols: &[&str]) -> BTreeMap<(String, String), Answer> {
        let symbols = symbols.iter().map(|symbol| (*symbol).to_owned()).collect();
        let answers: Vec<((String, String), Answer)> = self.ask(&Ask::Daily { symbols }).await;
        answers.into_iter().collect()
    }

    async fn ask<T: for<'de> Deserialize<'de>>(&mut self, ask: &Ask) -> T {
        let mut line = serde_json::to_vec(ask).unwrap();
        line.push(b'\n');
        self.asks.write_all(&line).await.expect("the worker listens");
        let answered = async {
            while let Some(line) = self.answers.next_line().await.unwrap() {
                if let Some((_, answer)) = line.split_once(MARK) {
                    return serde_json::from_str(answer).unwrap();
                }
            }
            panic!("the worker ended; its complaint stands above")
        };
        tokio::time::timeout(DEADLINE, answered).await.expect("the worker answers")
    }
}

/// The worker's side.
#[derive(Default)]
struct Desk {
    cache: Option<Cache<QuoteKey, Quote>>,
    indicators: Option<IndicatorService>,
}

impl Desk {
    async fn answer(&mut self, ask: Ask) -> serde_json::Value {
        match ask {
            Ask::OpenCache { url, lives: Lives { ttl, l1_ttl } } => {
                let policy = Policy { ttl, l1_ttl, jitter: 0.0, ..Policy::default() };
                let builder = Cache::builder("quotes", &Keyspace::default());
                self.cache = Some(builder.policy(policy).store(store(&url).await).build().unwrap());
                serde_json::Value::Null
            }
            Ask::OpenIndicators { url, folder } => {
                let bars = CsvBars::open(folder).unwrap();
                let builder =
                    IndicatorService::builder(bars).store(store(&url).await).reading(Reading::Results);
                self.indicators = Some(builder.build().unwrap());
                serde_json::Value::Null
            }
            Ask::Read { names } => {
                let mut reads = Vec::new();
                for name in names {
                    let (key, quote) = (QuoteKey(name.clone()), Quote::of(&name, std::process::id()));
                    let load = |_| async { Ok::<_, Infallible>(quote) };
                    let read = self.cache().get_or_compute(&key, load).detail().await.unwrap();
                    reads.push(Read {
                        quote: (*read.value).clone(),
                        tier: read.tier.to_string(),
                        age: read.age,
                    });
                }
                serde_json::to_value(reads).unwrap()
            }
            Ask::Peek { names } => {
                let peek = |name| self.cache().peek(&QuoteKey(name)).map(|quote| (*quote).clone());
                serde_json::to_value(names.into_iter().map(peek).collect::<Vec<_>>()).unwrap()
            }
            Ask::DropL1 => {
                self.cache().drop_l1();
                serde_json::Value::Null
            }
            Ask::Daily { symbols } => serde_json::to_value(self.daily(&symbols).await).unwrap(),
        }
    }

    async fn daily(&self, symbols: &[String]) -> Vec<((String, String), Answer)> {
        let service = self.indicators.as_ref().expect("it was opened");
        let mut requests = Vec::new();
        for symbol in symbols {
            for (indicator, params) in mystocks_ta::daily_defaults() {
                let parameters =
                    params.to_pairs().map(|(name, value)| (name.to_owned(), value.into())).collect();
                requests.push(IndicatorRequest {
                    symbol: Symbol::new(symbol).unwrap(),
                    indicator: indicator.abbreviation.to_owned(),
                    parameters,
                    range: DateRange::ALL,
                });
            }
        }
        let results = service.get_many(&requests).await;
        let answers = results.into_iter().map(|result| {
            let result = result.unwrap();
            let outputs = result.outputs().map(|output| {
                let values = result.values(output).unwrap();
                (output.to_owned(), values.iter().map(|value| value.to_bits()).collect())
            });
            let answer = Answer { outputs: outputs.collect(), tier: result.tier().to_string() };
            ((result.symbol().to_string(), result.label()), answer)
        });
        answers.collect()
    }

    fn cache(&self) -> &Cache<QuoteKey, Quote> {
        self.cache.as_ref().expect("it was opened")
    }
}

async fn store(url: &str) -> RedisStore {
    let manager = RedisManager::start(&RedisSettings::from_url(url).unwrap()).await.unwrap();
    assert!(manager.health_check().await.is_up());
    RedisStore::new(manager)
}

/// Serves what stands on standard input, until it ends.
async fn serve() {
    let mut desk = Desk::default();
    loop {
        let mut line = String::new();
        let read = tokio::task::spawn_blocking(move || io::stdin().lock().read_line(&mut line).map(|_| line));
        let line = read.await.unwrap().unwrap();
        if line.is_empty() {
            return;
        }
        let answer = desk.answer(serde_json::from_str(&line).unwrap()).await;
        let mut out = io::stdout();
        writeln!(out, "{MARK}{answer}").unwrap();
        out.flush().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_does_what_it_is_asked() {
    if std::env::var_os(ROLE).is_some() {
        return serve().await;
    }
    let server = mystocks_testkit::RedisServer::start().await;
    let hour = Duration::from_secs(3600);
    let mut worker = Worker::with_cache(&server.url(), Lives { ttl: hour, l1_ttl: hour }).await;
    assert_ne!(worker.pid(), std::process::id());
    let names = ["600519.SH".to_owned()];
    assert_eq!(worker.peek(&names).await, [None]);
    let read = worker.read(&names).await;
    assert_eq!((&read[0].quote, read[0].tier.as_str()), (&Quote::of("600519.SH", worker.pid()), "L3"));
    assert_eq!(worker.peek(&names).await, [Some(read[0].quote.clone())]);
}
