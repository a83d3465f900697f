//! Connections of clients: taken up to a number, given up when their client is slow, drained at the end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::front::Peer;
use super::patient::Patient;
use crate::metric::OneMore;

/// How long requests in flight may take to their end when the service is to end.
const DRAIN: Duration = Duration::from_secs(10);
/// The longest head of a request, in bytes.
const HEAD: usize = 32 << 10;

/// Takes connections and answers their requests, until it is told to end.
#[derive(Debug)]
pub(super) struct Connections {
    pub(super) listener: TcpListener,
    pub(super) router: Router,
    pub(super) most: usize,
    pub(super) patience: Duration,
    pub(super) closing: CancellationToken,
}

impl Connections {
    /// Serves until `closing`, then takes no more, lets requests in flight end within ten seconds, and returns how many did not.
    pub(super) async fn serve(self) -> usize {
        let places = Arc::new(Semaphore::new(self.most));
        let (tracker, given_up) = (TaskTracker::new(), CancellationToken::new());
        loop {
            let next = async {
                // Who comes when there is no place waits in the queue of the system.
                let place = Arc::clone(&places).acquire_owned().await;
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                () = self.closing.cancelled() => break,
                next = next => next,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let one = self.one(stream, peer);
                    let given_up = given_up.clone();
                    tracker.spawn(async move {
                        let _place = place;
                        tokio::select! {
                            () = one => {}
                            () = given_up.cancelled() => {}
                        }
                    });
                }
                Err(error) => {
                    // Without files to open for a moment, or a client that is gone already: neither ends the service.
                    tracing::warn!(%error, "a connection could not be taken");
                    sleep(Duration::from_millis(20)).await;
                }
            }
        }
        drop(self.listener);
        tracker.close();
        if timeout(DRAIN, tracker.wait()).await.is_ok() {
            return 0;
        }
        let left = tracker.len();
        given_up.cancel();
        tracker.wait().await;
        left
    }

    fn one(&self, stream: TcpStream, peer: SocketAddr) -> impl Future<Output = ()> + Send + use<> {
        let (router, patience, closing) = (self.router.clone(), self.patience, self.closing.clone());
        async move {
            let _one = OneMore::connection();
            let _ = stream.set_nodelay(true);
            let service = service_fn(move |mut request: hyper::Request<Incoming>| {
                request.extensions_mut().insert(Peer(peer));
                let mut router = router.clone();
                async move {
                    Ok::<_, Infallible>(router.call(request).await.unwrap_or_else(|never| match never {}))
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(patience)
                .max_buf_size(HEAD)
                .serve_connection(TokioIo::new(Patient::new(stream, patience)), service)
                .with_upgrades();
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = closing.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, %peer, "a connection broke");
            }
        }
    }
}
