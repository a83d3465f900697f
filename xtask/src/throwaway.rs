//! `redis up|down|cli`: a throw-away server that outlives the command, in a folder under target/.

use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, bail, ensure};

use crate::args::Args;
use crate::loopback::{free_port, options, started, url, wait_for};
use crate::process::{pass, run as run_command};
use crate::redis;
use crate::say::out;
use crate::server::folder;

/// The server we started: a pid alone may have passed to another process since.
#[derive(Debug, PartialEq, Eq)]
struct Running {
    pid: u32,
    port: u16,
    started: String,
}

pub(crate) fn run(mut args: Args) -> Result<ExitCode> {
    match args.word().as_deref() {
        Some("up") => args.finish().and_then(|()| up())?,
        Some("down") => args.finish().and_then(|()| down())?,
        Some("cli") => return cli(&args.rest()),
        _ => bail!("say `cargo xtask redis up`, `down` or `cli`"),
    }
    Ok(ExitCode::SUCCESS)
}

fn up() -> Result<()> {
    if let Some(running) = Running::find() {
        out(url(running.port));
        return Ok(());
    }
    let home = folder().join("up");
    fs::create_dir_all(&home).with_context(|| format!("failed to make {}", home.display()))?;
    let port = free_port()?;
    let pid_file = home.join("pid");
    let mut command = Command::new(redis::server()?);
    command.args(options(port)).args(["--daemonize", "yes", "--logfile", "log"]);
    run_command(command.arg("--pidfile").arg(&pid_file).arg("--dir").arg(&home))?;
    let log = home.join("log");
    let up = (0..250).any(|_| {
        thread::sleep(Duration::from_millis(20));
        fs::read_to_string(&pid_file).is_ok_and(|pid| wait_for(port, pid.trim()))
    });
    ensure!(up, "the server did not come up: see {}", log.display());
    let pid = fs::read_to_string(&pid_file)?.trim().parse().context("the pid file holds no number")?;
    let started = started(pid).context("the server is gone again")?;
    fs::write(folder().join("running"), format!("{pid} {port} {started}\n"))?;
    out(url(port));
    Ok(())
}

fn down() -> Result<()> {
    let Some(running) = Running::find() else {
        out("no server of ours is up");
        return forget();
    };
    run_command(Command::new("sh").args(["-c", r#"kill "$1""#, "kill", &running.pid.to_string()]))?;
    let gone = (0..250).any(|_| {
        thread::sleep(Duration::from_millis(20));
        started(running.pid).as_ref() != Some(&running.started)
    });
    ensure!(gone, "the server (pid {}) does not end", running.pid);
    out(format_args!("ended the server on port {}", running.port));
    forget()
}

fn forget() -> Result<()> {
    for path in ["running", "up"].map(|name| folder().join(name)) {
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if path.exists() {
            removed.with_context(|| format!("failed to remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn cli(words: &[String]) -> Result<ExitCode> {
    let running = Running::find().context("no server is up: `cargo xtask redis up` starts one")?;
    let mut command = Command::new(redis::cli(&redis::server()?)?);
    pass(command.args(["-p", &running.port.to_string(), "-n", "1"]).args(words))
}

impl Running {
    /// Returns the server we started when it is still the same process.
    fn find() -> Option<Self> {
        let running = Self::parse(&fs::read_to_string(folder().join("running")).ok()?)?;
        (started(running.pid)? == running.started).then_some(running)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim().splitn(3, ' ');
        Some(Self {
            pid: words.next()?.parse().ok()?,
            port: words.next()?.parse().ok()?,
            started: words.next()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_the_same_only_with_its_start() {
        let own = std::process::id();
        assert_eq!(started(own), started(own));
        assert!(started(own).is_some());
        assert_eq!(started(u32::MAX), None);
        let running = Running { pid: 7, port: 6400, started: "Sun Nov 22".to_owned() };
        assert_eq!(Running::parse("7 6400 Sun Nov 22\n"), Some(running));
        assert_eq!(Running::parse("7 6400"), None);
    }
}
