//! A process of the fleet from within: this test binary, started again with one test that then does what it is asked.

use std::convert::Infallible;
use std::io::{self, BufRead, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mystocks_cache::{Cache, CacheHub, Done, Keyspace, LoadCtx, Outcome, RedisStore};
use mystocks_config::RedisSettings;
use mystocks_redis_core::RedisManager;
use mystocks_redis_core::redis::RedisError;
use mystocks_testkit::RedisServer;
use serde_json::{Value, json, to_value};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::ask::{Ask, Got, Herd, Item, Setup, Stand, now_us};
use crate::node::{MARK, Node, ROLE};
use crate::source::Source;
use crate::steady::Steady;
use crate::watch::Watch;

/// The cache of this process and what it loads from.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) cache: Cache<String, Item>,
    hub: CacheHub,
    pub(crate) source: Source,
    tag: Option<Arc<str>>,
}

impl Shop {
    async fn open(setup: &Setup) -> Self {
        let mut settings = RedisSettings::from_url(&setup.url).unwrap();
        settings.connect_timeout = Duration::from_millis(500);
        let keyspace = Keyspace::default();
        let hub = if setup.is_tracked {
            let (manager, tracking) = RedisManager::start_tracked(&settings).await.unwrap();
            CacheHub::tracked(manager, tracking, &keyspace).unwrap()
        } else {
            let manager = RedisManager::start(&settings).await.unwrap();
            CacheHub::redis(&RedisStore::new(manager), &keyspace).unwrap()
        };
        let builder = hub.cache("items").policy(setup.policy());
        let builder = if setup.is_shared { builder.shared_format() } else { builder };
        let source = Source::connect(&setup.source).await;
        let tag = setup.tag.as_deref().map(Arc::from);
        Self { cache: builder.build().unwrap(), hub, source, tag }
    }

    /// Reads through the cache; the load begins by asking the source and then takes `compute`.
    pub(crate) async fn read(
        &self,
        name: &str,
        compute: Duration,
    ) -> Result<Outcome<Item>, mystocks_cache::Error> {
        let (shop, own) = (self.clone(), name.to_owned());
        let load = move |cx: LoadCtx<Item>| async move { shop.load(cx, own, compute).await };
        self.cache.get_or_compute(&name.to_owned(), load).detail().await
    }

    pub(crate) async fn load(
        &self,
        cx: LoadCtx<Item>,
        name: String,
        compute: Duration,
    ) -> Result<Item, RedisError> {
        if let Some(tag) = &self.tag {
            cx.tag(&**tag);
        }
        let version = self.source.load(&name).await?;
        tokio::time::sleep(compute).await;
        Ok(Item { name, version, maker: std::process::id() })
    }
}

#[derive(Default)]
struct Desk {
    shop: Option<Shop>,
    steady: Option<Steady>,
    watch: Option<Watch>,
    /// What goes on in the background.
    others: JoinSet<()>,
}

impl Desk {
    async fn answer(&mut self, ask: Ask) -> Value {
        match ask {
            Ask::Open(setup) => self.shop = Some(Shop::open(&setup).await),
            Ask::Herd { name, callers, compute, at_us } => {
                return to_value(self.herd(&name, callers, compute, at_us).await).unwrap();
            }
            Ask::Lead { name, compute } => self.lead(name, compute).await,
            Ask::Read { names } => return to_value(self.read(&names).await).unwrap(),
            Ask::Peek { names } => {
                let cache = &self.shop().cache;
                let peek = |name| cache.peek(name).map(|item| item.version);
                return to_value(names.iter().map(peek).collect::<Vec<_>>()).unwrap();
            }
            Ask::Warm { names } => return json!(self.warm(names).await),
            Ask::Invalidate { names } => {
                let cache = &self.shop().cache;
                let all = names.iter().map(|name| cache.invalidate(name));
                return json!(applied(futures::future::join_all(all).await));
            }
            Ask::Set { names, version } => {
                let cache = &self.shop().cache;
                let all = names.iter().map(|name| {
                    let item = Item { name: name.clone(), version, maker: std::process::id() };
                    cache.set(name, item)
                });
                return json!(applied(futures::future::join_all(all).await));
            }
            Ask::Tag(tag) => {
                let began = Instant::now();
                let done = self.shop().hub.invalidate_tag(&tag).await.unwrap();
                return json!((began.elapsed().as_micros(), done == Done::Applied));
            }
            Ask::Watch { names, pause, compute } => {
                self.watch = Some(Watch::start(self.shop(), &names, pause, compute));
            }
            Ask::Watched => return to_value(self.watch.as_ref().expect("it watches").so_far()).unwrap(),
            Ask::Steady(load) => self.steady = Some(Steady::start(self.shop().clone(), load)),
            Ask::Figures => return to_value(self.steady.as_ref().expect("it runs").figures()).unwrap(),
            Ask::Rest => {
                self.steady = None;
                self.watch = None;
            }
            Ask::State => return to_value(self.stand()).unwrap(),
        }
        Value::Null
    }

    async fn herd(&mut self, name: &str, callers: usize, compute: Duration, at_us: u64) -> Herd {
        let start = Instant::now() + Duration::from_micros(at_us.saturating_sub(now_us()));
        let mut crowd = JoinSet::new();
        for _ in 0..callers {
            let (shop, name) = (self.shop().clone(), name.to_owned());
            crowd.spawn(async move {
                tokio::time::sleep_until(start).await;
                let began = Instant::now();
                let read = shop.read(&name, compute).await.unwrap();
                let item = &*read.value;
                (began.elapsed(), format!("{} {} by {}", item.name, item.version, item.maker))
            });
        }
        let mut herd = Herd::default();
        while let Some(done) = crowd.join_next().await {
            let (took, got) = done.unwrap();
            *herd.got.entry(got).or_default() += 1;
            herd.took_us.push(u64::try_from(took.as_micros()).unwrap());
        }
        herd
    }

    async fn lead(&mut self, name: String, compute: Duration) {
        let shop = self.shop().clone();
        let before = shop.cache.stats().loads;
        let leads = shop.clone();
        self.others.spawn(async move {
            let _ = leads.read(&name, compute).await;
        });
        mystocks_testkit::eventually("the load runs", Duration::from_secs(30), async || {
            shop.cache.stats().loads > before
        })
        .await;
    }

    async fn read(&self, names: &[String]) -> Vec<Got> {
        let reads = names.iter().map(|name| self.shop().read(name, Duration::ZERO));
        let reads = futures::future::join_all(reads).await;
        let got = reads.into_iter().map(|read| {
            let read = read.unwrap();
            Got { version: read.value.version, tier: read.tier.to_string() }
        });
        got.collect()
    }

    /// Fills the cache without asking the source; returns how many were loaded.
    async fn warm(&self, names: Vec<String>) -> u64 {
        let before = self.shop().cache.stats().loads;
        let (names, shop) = (Arc::new(names), self.shop().clone());
        let next = Arc::new(AtomicUsize::new(0));
        let mut fillers = JoinSet::new();
        for _ in 0..64 {
            let (names, shop, next) = (Arc::clone(&names), shop.clone(), Arc::clone(&next));
            fillers.spawn(async move {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tag = shop.tag.clone();
                    let item = Item { name: name.clone(), version: 1, maker: std::process::id() };
                    let load = |cx: LoadCtx<Item>| async move {
                        tag.iter().for_each(|tag| cx.tag(&**tag));
                        Ok::<_, Infallible>(item)
                    };
                    shop.cache.get_or_compute(name, load).await.unwrap();
                }
            });
        }
        while let Some(done) = fillers.join_next().await {
            done.unwrap();
        }
        self.shop().cache.stats().loads - before
    }

    fn stand(&self) -> Stand {
        let (state, stats) = (self.shop().hub.state(), self.shop().cache.stats());
        Stand {
            reads: state.reads,
            writes: state.writes,
            hears_others: state.hears_others,
            queued: state.queued,
            store_errors: stats.store_errors,
            loads: stats.loads,
            refreshes: stats.refreshes,
            in_flight: stats.in_flight,
        }
    }

    fn shop(&self) -> &Shop {
        self.shop.as_ref().expect("it was opened")
    }
}

fn applied(done: Vec<Result<Done, mystocks_cache::Error>>) -> usize {
    done.into_iter().filter(|done| *done.as_ref().unwrap() == Done::Applied).count()
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
    let (server, source) = (RedisServer::start().await, RedisServer::start().await);
    let mut node = Node::start(&Setup::new(&server.url(), &source.url())).await;
    let names = ["600519.SH".to_owned()];
    assert_eq!(node.peek(&names).await, [None]);
    let read = node.read(&names).await;
    assert_eq!(read, [Got { version: 0, tier: "L3".to_owned() }]);
    assert_eq!(node.peek(&names).await, [Some(0)]);
    let source = Source::connect(&source.url()).await;
    assert_eq!((source.loads(&names).await, source.all_loads().await), (vec![1], 1));
}
