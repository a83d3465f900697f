//! Servers on loopback: a free port, the options of a server that keeps nothing, whether it is up.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result};

use crate::process::read;

pub(crate) fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}/1")
}

pub(crate) fn options(port: u16) -> Vec<String> {
    let port = port.to_string();
    let words = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    words.map(str::to_owned).into()
}

pub(crate) fn free_port() -> Result<u16> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port on loopback")?;
    Ok(probe.local_addr()?.port())
}

/// Waits until the process `pid`, and no other, answers on `port`.
pub(crate) fn wait_for(port: u16, pid: &str) -> bool {
    let ours = format!("process_id:{pid}\r");
    for _ in 0..500 {
        if info(port).is_ok_and(|info| info.contains(&ours)) {
            return true;
        }
        if pid.parse().is_ok_and(|pid| started(pid).is_none()) {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

pub(crate) fn info(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"INFO server\r\nQUIT\r\n")?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    Ok(answer)
}

/// Returns when the process `pid` started, in the words of the system.
pub(crate) fn started(pid: u32) -> Option<String> {
    let stat = Path::new("/proc").join(pid.to_string()).join("stat");
    if let Ok(stat) = fs::read_to_string(stat) {
        // The name in parentheses may hold anything; the start time is the 20th field behind it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        // A process that has ended and that nobody has asked after yet is still listed, as Z.
        return (fields.next()? != "Z").then(|| fields.nth(18).map(str::to_owned))?;
    }
    let said = read(Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()])).ok()?;
    Some(said.trim().to_owned()).filter(|said| !said.is_empty())
}
