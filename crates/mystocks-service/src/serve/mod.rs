//! `mystocks serve`: the HTTP interface of the platform. docs/service.md says what it answers, docs/security.md to whom.

mod app;
mod arguments;
mod bars;
mod batch;
mod body;
mod calculate;
mod catalogue;
mod connections;
mod document;
mod envelope;
mod figures;
mod front;
mod health;
mod model;
mod patient;
mod rate;
mod request;
mod setup;
mod tokens;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

pub(crate) use arguments::Arguments;
use connections::Connections;
use setup::Setup;

/// How often the recorder of metrics puts its samples in order.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves until it is interrupted or terminated; then requests in flight end, and everything is closed in its order.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    log(arguments);
    // Before anything can be asked: who is told to end while it starts ends too.
    let mut signals = Signals::listen()?;
    let setup = Setup::open(arguments).await?;
    let listening = TcpListener::bind(arguments.listen).await;
    let listener = match listening.with_context(|| format!("listen on {}", arguments.listen)) {
        Ok(listener) => listener,
        Err(error) => {
            setup.close().await;
            return Err(error);
        }
    };
    let closing = CancellationToken::new();
    let address = listener.local_addr().context("listen")?;
    say(&format!("listening on http://{address}"));
    let serving = Connections {
        listener,
        router: app::router(&setup.app),
        most: arguments.connections.into(),
        patience: arguments.patience(),
        closing: closing.clone(),
    };
    let mut upkeep = interval(UPKEEP);
    let left = {
        let serving = serving.serve();
        tokio::pin!(serving);
        loop {
            tokio::select! {
                left = &mut serving => break left,
                () = signals.next(), if !closing.is_cancelled() => {
                    tracing::info!("ending: requests in flight are answered, no more are taken");
                    closing.cancel();
                }
                _ = upkeep.tick() => setup.app.metrics.run_upkeep(),
            }
        }
    };
    if left > 0 {
        tracing::warn!(left, "connections were given up");
    }
    setup.close().await;
    Ok(ExitCode::SUCCESS)
}

/// What ends the service.
struct Signals([Signal; 2]);

impl Signals {
    fn listen() -> Result<Self> {
        let on = |kind| signal(kind).context("listen for signals");
        Ok(Self([on(SignalKind::terminate())?, on(SignalKind::interrupt())?]))
    }

    async fn next(&mut self) {
        let [terminate, interrupt] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

fn log(arguments: &Arguments) {
    let subscriber =
        tracing_subscriber::fmt().with_max_level(arguments.log).with_ansi(false).with_writer(std::io::stderr);
    // Somebody else's is as good.
    let _ = subscriber.try_init();
}

#[expect(
    clippy::print_stdout,
    reason = "whoever starts it waits for this line, which names the port that was taken"
)]
fn say(line: &str) {
    println!("{line}");
}
