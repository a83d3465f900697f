//! `ci`: check, test and integration, in this order. Green here is green there.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::args::Args;
use crate::say::{note, out, timed};
use crate::{check, integration, test};

type Command = fn(Args) -> Result<()>;

pub(crate) fn run(args: Args) -> Result<()> {
    args.finish()?;
    run_all(&[("check", check::run), ("test", test::run), ("integration", integration::run)])
}

/// Runs every command, also after one that failed: one run shows all there is to mend.
fn run_all(commands: &[(&'static str, Command)]) -> Result<()> {
    let mut rows = Vec::new();
    for (name, command) in commands {
        note(format_args!("── cargo xtask {name}"));
        let (result, took) = timed(|| command(Args::default()));
        if let Err(error) = &result {
            note(format_args!("xtask {name}: {error:#}"));
        }
        rows.push((*name, result.is_ok(), took));
    }
    for (name, ok, took) in &rows {
        out(row(name, *ok, *took));
    }
    let failed: Vec<&str> = rows.iter().filter(|(_, ok, _)| !ok).map(|(name, ..)| *name).collect();
    ensure!(failed.is_empty(), "{} failed", failed.join(", "));
    Ok(())
}

fn row(name: &str, ok: bool, took: Duration) -> String {
    format!("{name:<12} {:<7} {:>6.1} s", if ok { "ok" } else { "FAILED" }, took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_fails_the_whole_and_is_named() {
        let fine: Command = |_| Ok(());
        let broken: Command = |_| anyhow::bail!("broken");
        assert!(run_all(&[("a", fine), ("b", fine)]).is_ok());
        let error = run_all(&[("a", fine), ("b", broken), ("c", broken)]).unwrap_err();
        assert_eq!(error.to_string(), "b, c failed");
    }
}
