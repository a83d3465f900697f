//! Running programs: to the end, with an error that says which one failed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, io, path, thread};

use anyhow::{Context, Result, ensure};

/// Runs `command` to its end; its output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("failed to start {}", line(command)))?;
    ensure!(status.success(), "{} ended with {status}", line(command));
    Ok(())
}

/// Runs `command` to its end and hands its exit code on.
pub(crate) fn pass(command: &mut Command) -> Result<ExitCode> {
    let status = command.status().with_context(|| format!("failed to start {}", line(command)))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Runs `command` and returns its stdout; what it complains about becomes the error.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("failed to start {}", line(command)))?;
    ensure!(
        output.status.success(),
        "{} ended with {}: {}",
        line(command),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command`, shows what it writes as it comes, and returns whether it succeeded and all it wrote.
pub(crate) fn watch(command: &mut Command) -> Result<(bool, String)> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start {}", line(command)))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || stderr.map(|pipe| copy(pipe, io::stderr())).unwrap_or_default());
    let mut all = stdout.map(|pipe| copy(pipe, io::stdout())).unwrap_or_default();
    all.push_str(&errors.join().unwrap_or_default());
    let status = child.wait().with_context(|| format!("failed to wait for {}", line(command)))?;
    Ok((status.success(), all))
}

fn copy(from: impl io::Read, mut to: impl Write) -> String {
    let mut all = String::new();
    let mut lines = BufReader::new(from);
    let mut bytes = Vec::new();
    while lines.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let _ = to.write_all(&bytes);
        all.push_str(&String::from_utf8_lossy(&bytes));
        bytes.clear();
    }
    all
}

/// Returns the absolute path of the file that `name` means on PATH.
pub(crate) fn on_path(name: impl AsRef<Path>) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    let file = env::split_paths(&folders).map(|folder| folder.join(&name)).find(|file| is_program(file))?;
    path::absolute(file).ok()
}

/// Returns the absolute path of what `given` means to a shell here: a bare name is looked for on PATH.
pub(crate) fn located(given: &Path) -> Option<PathBuf> {
    let is_bare = !given.to_string_lossy().contains('/');
    if is_bare { on_path(given) } else { path::absolute(given).ok().filter(|file| is_program(file)) }
}

/// Returns whether `file` is there and may be run.
pub(crate) fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| masked(&word.to_string_lossy())).collect();
    format!("`{}`", words.join(" "))
}

/// Hides who logs in where: up to the last `@`, because a password may hold one, and a `/` as well.
fn masked(word: &str) -> String {
    let parts = word.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1)));
    parts.map_or_else(|| word.to_owned(), |(scheme, host)| format!("{scheme}://***@{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_names_the_command_and_its_complaint() {
        let error = read(&mut shell("echo no >&2; exit 3")).unwrap_err().to_string();
        assert!(error.contains("exit 3`") && error.ends_with(": no"), "{error}");
        assert!(run(&mut shell("exit 3")).is_err());
    }

    #[test]
    fn watching_returns_both_streams_and_the_outcome() {
        let (ok, all) = watch(&mut shell("echo one; echo two >&2; exit 1")).unwrap();
        assert!(!ok);
        assert!(all.contains("one\n") && all.contains("two\n"), "{all}");
    }

    #[test]
    fn only_what_may_be_run_is_a_program() {
        assert!(on_path("sh").is_some());
        assert!(on_path("no-such-program-anywhere").is_none());
        assert!(!is_program(Path::new("Cargo.toml")));
    }

    #[test]
    fn a_command_line_shows_no_password() {
        let mut command = Command::new("mystocks");
        command.args([
            "--redis",
            "redis://me:a/b@c@localhost:6379/1",
            "--at=rediss://:x@h",
            "redis://h/1",
            "a@b",
        ]);
        assert_eq!(
            line(&command),
            "`mystocks --redis redis://***@localhost:6379/1 --at=rediss://***@h redis://h/1 a@b`"
        );
    }
}
