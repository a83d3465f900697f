//! Telling a connection that is silent because nothing happens from one that is dead.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// How often an idle connection is asked, and how long it may be silent then.
pub(crate) const BEAT: Duration = Duration::from_millis(400);

/// It may be this process that was held up: then the answer has come and only needs to be read.
const GRACE: Duration = Duration::from_millis(50);

/// How many beats may pass with bytes coming and the answer not among them.
const BEATS_OF_TRAFFIC: usize = 10;

/// Longer than [`answered`] waits: the client library's own limit would count an answer behind traffic as none.
pub(crate) const NO_OWN_LIMIT: Duration = Duration::from_secs(60);

/// Counts what a connection receives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse {
    reads: Arc<AtomicU64>,
}

impl Pulse {
    /// Waits for an answer for as long as the connection shows life; `None` when it does not.
    pub(crate) async fn answered<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        let mut answer = pin!(answer);
        for _ in 0..BEATS_OF_TRAFFIC {
            let before = self.reads.load(Ordering::Relaxed);
            if let Ok(answered) = timeout(BEAT, &mut answer).await {
                return Some(answered);
            }
            if self.reads.load(Ordering::Relaxed) == before {
                break;
            }
        }
        timeout(GRACE, answer).await.ok()
    }

    /// Counts the reads of `stream`.
    pub(crate) fn of<S>(&self, stream: S) -> Heard<S> {
        Heard { stream, pulse: self.clone() }
    }
}

/// A stream whose reads are counted.
pub(crate) struct Heard<S> {
    stream: S,
    pulse: Pulse,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > filled {
            self.pulse.reads.fetch_add(1, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_death_and_traffic_is_not() {
        let pulse = Pulse::default();
        let started = Instant::now();
        assert_eq!(pulse.answered(pending::<()>()).await, None);
        assert_eq!(started.elapsed(), BEAT + GRACE);

        let (near, mut far) = tokio::io::duplex(64);
        let mut near = pulse.of(near);
        let slow = async {
            for _ in 0..5 {
                far.write_all(b"push").await.unwrap();
                let mut push = [0; 4];
                near.read_exact(&mut push).await.unwrap();
                sleep(BEAT * 3 / 4).await;
            }
            "PONG"
        };
        assert_eq!(pulse.answered(slow).await, Some("PONG"));

        let started = Instant::now();
        let endless = async {
            loop {
                far.write_all(b"p").await.unwrap();
                near.read_u8().await.unwrap();
                sleep(BEAT / 4).await;
            }
        };
        assert_eq!(pulse.answered::<()>(endless).await, None);
        assert_eq!(started.elapsed(), BEAT * 10 + GRACE);
    }
}
