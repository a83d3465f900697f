//! What the checks came to.

use std::time::Duration;

use serde_json::{Value, json};

use super::Found;
use crate::say;

/// A check that has ended.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    pub(super) took: Duration,
}

/// How a check ended.
#[derive(Debug)]
pub(super) enum Verdict {
    Passed(Found),
    /// The sentence says what is wrong and what mends it.
    Failed(String),
    /// There is nothing to check; the text says what would configure it.
    NotConfigured(String),
    /// What it stands on has failed.
    NotTried,
}

impl Check {
    pub(super) fn not_tried(name: &'static str) -> Self {
        Self { name, verdict: Verdict::NotTried, took: Duration::ZERO }
    }

    pub(super) fn is_well(&self) -> bool {
        matches!(self.verdict, Verdict::Passed(_) | Verdict::NotConfigured(_))
    }

    fn status(&self) -> &'static str {
        match self.verdict {
            Verdict::Passed(_) => "passed",
            Verdict::Failed(_) => "failed",
            Verdict::NotConfigured(_) => "not configured",
            Verdict::NotTried => "not tried",
        }
    }

    fn detail(&self) -> &str {
        match &self.verdict {
            Verdict::Passed(found) => &found.detail,
            Verdict::Failed(sentence) => sentence,
            Verdict::NotConfigured(hint) => hint,
            Verdict::NotTried => "without a connection there is nothing to ask",
        }
    }

    fn latencies(&self) -> &[(&'static str, Duration)] {
        match &self.verdict {
            Verdict::Passed(found) => &found.latencies,
            _ => &[],
        }
    }
}

/// Returns whether all that is configured works, and something is.
pub(super) fn is_well(checks: &[Check]) -> bool {
    checks.iter().all(Check::is_well) && count(checks, "passed") > 0
}

pub(super) fn machine(checks: &[Check], took: Duration) -> Value {
    let all = checks.iter().map(|check| {
        let latencies =
            check.latencies().iter().map(|(step, took)| ((*step).to_owned(), json!(millis(*took))));
        json!({
            "name": check.name,
            "status": check.status(),
            "milliseconds": millis(check.took),
            "latencies_ms": latencies.collect::<serde_json::Map<_, _>>(),
            "detail": check.detail(),
        })
    });
    json!({
        "passed": is_well(checks),
        "seconds": took.as_secs_f64(),
        "checks": all.collect::<Vec<_>>(),
    })
}

pub(super) fn human(checks: &[Check], took: Duration) -> String {
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|check| {
            let status = match check.verdict {
                Verdict::Failed(_) => "FAILED".to_owned(),
                _ => check.status().to_owned(),
            };
            let latencies =
                check.latencies().iter().map(|(step, took)| format!("{step} {:.2} ms", millis(*took)));
            let latencies = latencies.collect::<Vec<_>>().join(", ");
            let detail = match latencies.is_empty() {
                true => check.detail().to_owned(),
                false => format!("{} ({latencies})", check.detail()),
            };
            vec![check.name.to_owned(), status, detail]
        })
        .collect();
    let tried = count(checks, "passed") + count(checks, "failed") + count(checks, "not tried");
    let end = format!("{} of {tried} checks passed in {:.2} s", count(checks, "passed"), took.as_secs_f64());
    format!("{}\n{end}", say::table(&rows))
}

fn count(checks: &[Check], status: &str) -> usize {
    checks.iter().filter(|check| check.status() == status).count()
}

fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_configured_is_not_counted_and_what_was_not_tried_has_not_passed() {
        let found =
            || Found { detail: "all well".to_owned(), latencies: vec![("read", Duration::from_micros(250))] };
        let check = |name, verdict| Check { name, verdict, took: Duration::from_millis(1) };
        let mut checks = vec![
            check("cache", Verdict::Passed(found())),
            check("database", Verdict::NotConfigured("give --database".to_owned())),
        ];
        assert!(is_well(&checks));
        let text = human(&checks, Duration::from_millis(20));
        assert_eq!(
            text,
            "cache     passed          all well (read 0.25 ms)\n\
             database  not configured  give --database\n\
             1 of 1 checks passed in 0.02 s"
        );
        checks.push(Check::not_tried("lock"));
        assert!(
            !is_well(&checks) && human(&checks, Duration::ZERO).ends_with("1 of 2 checks passed in 0.00 s")
        );
        assert_eq!(machine(&checks, Duration::ZERO)["checks"][2]["status"], "not tried");
        checks.remove(0);
        checks.pop();
        assert!(!is_well(&checks), "nothing was checked");
    }
}
