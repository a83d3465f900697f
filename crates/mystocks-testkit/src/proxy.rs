//! A proxy that breaks connections the way networks do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::pump::{Direction, Faults, Line, pump};

/// A TCP proxy on loopback in front of one server, with faults to switch on and off.
///
/// It runs on a thread of its own, so a blocked or paused runtime of the test does not hold it up. Dropping it closes everything.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    faults: watch::Sender<Faults>,
    counts: Arc<Counts>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    open: AtomicU64,
}

impl FaultProxy {
    /// Starts a proxy in front of `upstream` on a free port.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub async fn start(upstream: SocketAddr) -> Self {
        let (faults, watched) = watch::channel(Faults::default());
        let counts = Arc::new(Counts::default());
        let stop = CancellationToken::new();
        let (ready, address) = oneshot::channel();
        let (shared, stopped) = (Arc::clone(&counts), stop.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("runtime of the proxy");
            runtime.block_on(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
                let _ = ready.send(listener.local_addr().expect("bound address"));
                let serving = serve(listener, upstream, watched, shared);
                stopped.run_until_cancelled(serving).await;
            });
        });
        Self {
            address: address.await.expect("the proxy listens"),
            faults,
            counts,
            stop,
            thread: Some(thread),
        }
    }

    /// Returns the address clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of database `db` through the proxy.
    pub fn url(&self, db: u32) -> String {
        format!("redis://{}/{db}", self.address)
    }

    /// Freezes the connections that exist now: no byte and no close passes any more. New connections work.
    pub fn black_hole(&self) {
        let existing = self.connections();
        self.faults.send_modify(|now| now.frozen_below = existing);
    }

    /// Closes the connections that exist now, with whatever was under way.
    pub fn cut(&self) {
        let existing = self.connections();
        self.faults.send_modify(|now| now.cut_below = existing);
    }

    /// Closes new connections as soon as they come, while `on`.
    pub fn refuse(&self, on: bool) {
        self.faults.send_modify(|now| now.refuse = on);
    }

    /// Accepts new connections and never serves them, while `on`: what a client sees of a host that is up and a server that is not.
    pub fn hang_new(&self, on: bool) {
        self.faults.send_modify(|now| now.hang_new = on);
    }

    /// Passes requests to the server and holds its replies back, while `on`.
    pub fn hold_replies(&self, on: bool) {
        self.faults.send_modify(|now| now.hold_replies = on);
    }

    /// Delays every piece of data, each way, by `delay`.
    pub fn delay(&self, delay: Duration) {
        self.faults.send_modify(|now| now.delay = delay);
    }

    /// Closes the connections that are used so, those that are open and those that come, while it is `Some`.
    pub fn sever(&self, line: Option<Line>) {
        self.faults.send_modify(|now| now.severed = line);
    }

    /// Freezes the connections that are used so, those that are open and those that come, while it is `Some`.
    pub fn hush(&self, line: Option<Line>) {
        self.faults.send_modify(|now| now.hushed = line);
    }

    /// Ends every fault: frozen connections go on with what they held. Connections already closed stay closed.
    pub fn heal(&self) {
        self.faults.send_modify(|now| {
            let cut_below = now.cut_below;
            *now = Faults { cut_below, ..Faults::default() };
        });
    }

    /// Returns how many connections have come so far, refused ones included.
    pub fn connections(&self) -> u64 {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    /// Returns how many connections are open now.
    pub fn open_connections(&self) -> u64 {
        self.counts.open.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    listener: TcpListener,
    upstream: SocketAddr,
    faults: watch::Receiver<Faults>,
    counts: Arc<Counts>,
) {
    let carried = TaskTracker::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        let number = counts.accepted.fetch_add(1, Ordering::SeqCst);
        let (faults, counts) = (faults.clone(), Arc::clone(&counts));
        // Ends with the runtime, which belongs to the proxy's thread.
        carried.spawn(async move {
            counts.open.fetch_add(1, Ordering::SeqCst);
            let mut watched = faults.clone();
            // In this order: what a cut took is not passed on by a fault that ends right after it.
            tokio::select! {
                biased;
                _ = watched.wait_for(|now| number < now.cut_below) => {}
                () = carry(client, upstream, number, faults) => {}
            }
            counts.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn carry(client: TcpStream, upstream: SocketAddr, number: u64, mut faults: watch::Receiver<Faults>) {
    let now = *faults.borrow();
    if now.refuse {
        return;
    }
    if now.hang_new && faults.wait_for(|now| !now.hang_new).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(upstream).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let line = watch::Sender::new(None);
    let mut watched = faults.clone();
    tokio::select! {
        _ = watched.wait_for(|now| now.severs(*line.borrow())) => {}
        () = pump(from_client, to_server, number, Direction::Request, &line, faults.clone()) => {}
        () = pump(from_server, to_client, number, Direction::Reply, &line, faults) => {}
    }
}
