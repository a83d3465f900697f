//! Fans messages out to many clients, such as web sockets.

mod client;
mod outlet;
mod source;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use mystocks_keys::Keyspace;
use tokio::time::{Instant, timeout};

use crate::bus::{Bus, PATIENCE};
use crate::error::{Error, ErrorKind};
use crate::feed::{Backlog, Overflow};
use crate::log::Id;
use crate::metric::HubMeters;
use crate::transport::{Ear, Transport};
use outlet::Outlet;
use source::{Name, Source};

pub use client::{Client, Frame};

/// Fans messages out to many clients, such as web sockets; cloning it is cheap.
///
/// Each topic or pattern is listened to once, however many clients want it, and every client gets the same bytes. Each has a queue of its
/// own: one that does not take its frames costs no more than its [`Limits`], and holds up nobody.
///
/// It ends with [`shutdown`](Self::shutdown), or with its bus. Dropping it leaves its clients.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use mystocks_bus::{Bus, Frame, Hub, Limits};
///
/// let bus = Bus::memory();
/// let hub = Hub::new(&bus);
/// let mut client = hub.client(Limits::default())?;
/// client.subscribe("price:update").await?;
/// client.subscribe_pattern("events:market:*").await?;
/// bus.publish_price_update("600519.SH", 1688.0, 12.5, 0.75).await?;
/// match client.next().await.ok_or("the hub goes on")? {
///     Frame::Message { topic, payload, .. } => assert_eq!((&*topic, payload.first()), ("price:update", Some(&b'{'))),
///     Frame::Gap(gap) => println!("for {:?} something is missing", gap.duration()),
///     _ => {}
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

/// How much one client of a [`Hub`] may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What may wait for it. Default: 1,024 messages, 64 KiB, [`Overflow::Conflate`]. [`Overflow::Wait`] is refused: no client may hold up others.
    pub backlog: Backlog,
    /// How many topics and patterns it may subscribe to. Default: 256.
    pub topics: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let backlog = Backlog { messages: 1024, bytes: 64 << 10, overflow: Overflow::Conflate };
        Self { backlog, topics: 256 }
    }
}

/// Locks are taken in this order: this table, a source's members, an outlet. A transport calls a source with its own lock held, so it is
/// called with none of them.
pub(crate) struct Shared {
    transport: Arc<dyn Transport>,
    keyspace: Keyspace,
    meters: Arc<HubMeters>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    sources: HashMap<Name, Arc<Source>>,
    clients: HashMap<u64, Weak<Outlet>>,
    last: u64,
    is_closed: bool,
}

impl Hub {
    /// Makes a hub on the transport of `bus`.
    pub fn new(bus: &Bus) -> Self {
        Self { shared: bus.make_hub() }
    }

    /// Makes a client, which has subscribed to nothing yet.
    ///
    /// # Errors
    /// - [`ErrorKind::InvalidArgument`] for a queue without room, and for [`Overflow::Wait`].
    /// - [`ErrorKind::Closed`] when the hub or its bus has been shut down.
    pub fn client(&self, limits: Limits) -> Result<Client, Error> {
        let refuse = |kind| Error::new(kind, "serve", "a client");
        let Backlog { messages, bytes, overflow } = limits.backlog;
        if messages == 0 || bytes == 0 {
            return Err(refuse(ErrorKind::InvalidArgument).with_detail("its queue has no room"));
        }
        if overflow == Overflow::Wait {
            let detail = "a client that publishers wait for holds up the others";
            return Err(refuse(ErrorKind::InvalidArgument).with_detail(detail));
        }
        let mut table = self.shared.table();
        if table.is_closed {
            return Err(refuse(ErrorKind::Closed));
        }
        table.last += 1;
        let outlet = Arc::new(Outlet::new(table.last, limits, Arc::clone(&self.shared.meters)));
        table.clients.insert(outlet.id, Arc::downgrade(&outlet));
        drop(table);
        Ok(Client::new(Arc::clone(&self.shared), outlet))
    }

    /// Ends every client, when it has taken what waits, and refuses new ones.
    pub fn shutdown(&self) {
        self.shared.close();
    }
}

impl Shared {
    pub(crate) fn new(transport: Arc<dyn Transport>, keyspace: Keyspace) -> Self {
        Self { transport, keyspace, meters: Arc::new(HubMeters::new()), table: Mutex::default() }
    }

    pub(crate) fn close(&self) {
        let (sources, clients) = {
            let mut table = self.table();
            table.is_closed = true;
            (std::mem::take(&mut table.sources), std::mem::take(&mut table.clients))
        };
        sources.into_values().for_each(|source| source.end());
        for outlet in clients.into_values().filter_map(|client| client.upgrade()) {
            outlet.sources().iter().filter(|source| source.is_own()).for_each(|source| source.end());
            outlet.close();
        }
    }

    /// Has `outlet` get what `name` stands for, and returns when it does, or has waited long enough.
    async fn subscribe(&self, outlet: &Arc<Outlet>, name: Name, after: Option<Id>) -> Result<(), Error> {
        let begun = Instant::now();
        let refuse = |kind| Error::new(kind, "subscribe to", name.subject());
        let (source, is_new) = {
            let mut table = self.table();
            if table.is_closed || outlet.has_ended() {
                return Err(refuse(ErrorKind::Closed));
            }
            let known = outlet.source(&name).or_else(|| match after {
                // Others have not asked for what was before.
                Some(_) => None,
                None => table.sources.get(&name).cloned(),
            });
            let source = known.clone().unwrap_or_else(|| {
                table.last += 1;
                let prefix = self.keyspace.prefixes().bus.len();
                Arc::new(Source::new(table.last, name.clone(), prefix, after))
            });
            if !outlet.add(&source) {
                return Err(refuse(ErrorKind::InvalidArgument).with_detail("the client has too many topics"));
            }
            source.join(outlet, begun);
            if !source.is_own() {
                table.sources.entry(name.clone()).or_insert_with(|| Arc::clone(&source));
            }
            (source, known.is_none())
        };
        if is_new {
            match self.transport.listen(&source.interest(), Arc::clone(&source) as Arc<dyn Ear>) {
                Ok(listening) => source.hold(listening),
                Err(error) => self.refuse(&source, &error),
            }
        }
        let mut stand = source.stand();
        let waiting = timeout(PATIENCE, stand.wait_for(|stand| stand.is_settled())).await;
        if waiting.is_err() {
            tracing::warn!(topic = name.subject(), "a client of the hub waits for its transport");
            source.owe(outlet.id, begun);
        }
        match source.refusal() {
            Some(error) => Err(error),
            None if outlet.has_ended() || source.has_ended() => Err(refuse(ErrorKind::Closed)),
            None => Ok(()),
        }
    }

    /// Returns whether `outlet` had subscribed to it.
    fn unsubscribe(&self, outlet: &Outlet, name: &Name) -> bool {
        let (source, is_last) = {
            let mut table = self.table();
            let Some(source) = outlet.source(name) else { return false };
            let is_last = source.leave(outlet);
            if is_last {
                table.forget(&source);
            }
            (source, is_last)
        };
        if is_last {
            source.end();
        }
        true
    }

    /// Ends all that `outlet` has to do with the hub.
    fn leave(&self, outlet: &Outlet) {
        for source in outlet.sources() {
            self.unsubscribe(outlet, source.name());
        }
        self.table().clients.remove(&outlet.id);
    }

    /// Gives up a source that the transport cannot serve.
    fn refuse(&self, source: &Source, error: &Error) {
        let mut table = self.table();
        table.forget(source);
        source.refuse(error);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn forget(&mut self, source: &Source) {
        if self.sources.get(source.name()).is_some_and(|known| known.id == source.id) {
            self.sources.remove(source.name());
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.shared.table();
        f.debug_struct("Hub")
            .field("clients", &table.clients.len())
            .field("sources", &table.sources.len())
            .finish_non_exhaustive()
    }
}
