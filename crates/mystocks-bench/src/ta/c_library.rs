//! TA-Lib C behind a Python process that takes one request a line and answers how long the call took.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use mystocks_ta::{Bars, Params};

/// The variable that names an interpreter in which `import talib` works.
const PYTHON: &str = "MYSTOCKS_PEER_PYTHON";

pub(super) struct CLibrary {
    process: Child,
    pipes: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
    functions: BTreeSet<String>,
}

impl CLibrary {
    /// Starts it with these bars; `None` where no interpreter was named.
    ///
    /// # Errors
    /// An interpreter without TA-Lib.
    pub(super) fn start(bars: &Bars) -> Result<Option<Self>> {
        let Some(python) = std::env::var_os(PYTHON) else { return Ok(None) };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers/python/indicators.py");
        let mut process = Command::new(&python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", Path::new(&python).display()))?;
        let mut input = process.stdin.take().context("no pipe to Python")?;
        let mut output = BufReader::new(process.stdout.take().context("no pipe from Python")?);
        writeln!(input, "{}", bars.len())?;
        for column in [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()] {
            let bytes: Vec<u8> = column.iter().flat_map(|value| value.to_le_bytes()).collect();
            input.write_all(&bytes)?;
        }
        input.flush()?;
        let mut known = String::new();
        output.read_line(&mut known).context("Python without TA-Lib")?;
        let functions = known.split_whitespace().map(str::to_owned).collect();
        Ok(Some(Self { process, pipes: RefCell::new((input, output)), functions }))
    }

    pub(super) fn has(&self, function: &str) -> bool {
        self.functions.contains(function)
    }

    pub(super) fn call(&self, function: &str, params: &Params) -> Result<Duration> {
        let mut request = function.to_owned();
        for (name, value) in params.to_pairs().filter(|(name, _)| *name != "periods") {
            write!(request, " {name}={value}")?;
        }
        let mut pipes = self.pipes.borrow_mut();
        let (input, output) = &mut *pipes;
        writeln!(input, "{request}")?;
        input.flush()?;
        let mut answer = String::new();
        output.read_line(&mut answer)?;
        let took =
            answer.trim().parse().with_context(|| format!("Python answered {request} by {answer:?}"))?;
        Ok(Duration::from_nanos(took))
    }
}

impl Drop for CLibrary {
    fn drop(&mut self) {
        // It ends by itself when its input does; who was interrupted must not leave it behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
