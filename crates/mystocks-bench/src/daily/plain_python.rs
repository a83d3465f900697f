//! The same work by a plain program in Python.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// So many stocks are enough to tell what one costs.
pub(super) const STOCKS: usize = 500;
/// The variable that names an interpreter with psycopg, redis and TA-Lib.
const PYTHON: &str = "MYSTOCKS_PEER_PYTHON";

pub(super) struct PlainPython {
    python: OsString,
    database: String,
    redis: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) symbols: usize,
    pub(super) series: usize,
    pub(super) rows: usize,
    pub(super) sma20: f64,
    /// Without the start of the interpreter.
    pub(super) seconds: f64,
}

impl PlainPython {
    pub(super) fn new(database: &str, redis: &str) -> Result<Self> {
        let python = std::env::var_os(PYTHON).with_context(|| format!("{PYTHON} names no interpreter"))?;
        Ok(Self { python, database: database.to_owned(), redis: redis.to_owned() })
    }

    pub(super) async fn run(&self, symbols: &[String]) -> Result<Said> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/python/daily.py");
        let mut child = Command::new(&self.python)
            .arg(script)
            .env("DATABASE_URL", &self.database)
            .env("REDIS_URL", &self.redis)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start Python")?;
        let mut input = child.stdin.take().context("no pipe to Python")?;
        input.write_all(symbols.join("\n").as_bytes()).await?;
        drop(input);
        let output = child.wait_with_output().await.context("wait for Python")?;
        ensure!(output.status.success(), "Python ended with {}", output.status);
        serde_json::from_slice(&output.stdout).context("read what Python says")
    }
}
