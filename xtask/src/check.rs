//! `check`: the rules of ARCHITECTURE.md that a program can hold.

mod absences;
mod arrows;
mod conformance;
mod documents;
mod duplicates;
mod files;
mod ground;
mod items;
mod keys;
mod leftovers;
mod licences;
mod metrics;
mod rules;
mod rust;
mod seams;
mod spdx;
mod tools;

use std::fmt;

use anyhow::{Result, ensure};

use crate::args::Args;
use crate::say::{out, timed};
use ground::Ground;
use rules::RULES;

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offence {
    at: String,
    what: String,
}

impl Offence {
    fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into() }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

pub(crate) fn run(mut args: Args) -> Result<()> {
    let only = args.values("--only")?;
    args.finish()?;
    let unknown = only.iter().find(|name| RULES.iter().all(|rule| rule.name != name.as_str()));
    ensure!(
        unknown.is_none(),
        "there is no rule `{}`; there are: {}",
        unknown.map_or("", |name| name),
        RULES.map(|rule| rule.name).join(", ")
    );
    let ground = Ground::read()?;
    let mut broken = 0;
    for rule in RULES.iter().filter(|rule| only.is_empty() || only.iter().any(|name| name == rule.name)) {
        let (found, took) = timed(|| (rule.find)(&ground));
        let found = found?;
        if found.is_empty() {
            out(format_args!("ok      {:<20} {:>6.1} s", rule.name, took.as_secs_f64()));
            continue;
        }
        broken += 1;
        out(format_args!("BROKEN  {}: {}", rule.name, rule.fix));
        for offence in &found {
            out(format_args!("        {offence}"));
        }
    }
    ensure!(broken == 0, "{broken} rules are broken");
    Ok(())
}
