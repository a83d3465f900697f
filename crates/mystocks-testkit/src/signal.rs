//! Signals to the servers that were started here.

use std::process::Command;

/// Sends the signal `name` to the process `pid`.
pub(crate) fn send(name: &str, pid: u32) {
    // The shell's own `kill`: not every machine has one as a program.
    let sent =
        Command::new("sh").args(["-c", r#"kill -s "$0" "$1""#, name, &pid.to_string()]).status().expect("sh");
    assert!(sent.success(), "failed to send SIG{name} to {pid}");
}
