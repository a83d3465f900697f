//! What PostgreSQL and the way to it say, as errors of this crate: never a password, never a value of a row.

use std::error::Error as StdError;
use std::fmt::Write as _;

use tokio_postgres::error::DbError;

use crate::error::{Error, ErrorKind};

/// What was being done, and about what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) operation: &'static str,
    pub(super) subject: &'a str,
}

impl Task<'_> {
    pub(super) fn error(&self, kind: ErrorKind, detail: impl Into<String>) -> Error {
        Error::new(kind, self.operation, self.subject).with_detail(detail)
    }

    pub(super) fn failed(&self, error: &tokio_postgres::Error) -> Error {
        match error.as_db_error() {
            Some(said) => self.error(kind(said.code().code()), sentence(said)),
            None => self.error(ErrorKind::Source, chain(error)),
        }
    }

    /// As [`failed`](Self::failed), of rows that are written: what one of them is at fault for is [`ErrorKind::InvalidArgument`].
    pub(super) fn not_written(&self, error: &tokio_postgres::Error) -> Error {
        match error.as_db_error() {
            Some(said) if is_of_a_row(said.code().code(), said.constraint()) => {
                self.error(ErrorKind::InvalidArgument, sentence(said))
            }
            _ => self.failed(error),
        }
    }
}

/// Returns whether it is about the values of a row, which will never be kept, and not about a table that somebody can put right.
fn is_of_a_row(code: &str, constraint: Option<&str>) -> bool {
    match code {
        // A column that no row has a value for, and a row elsewhere that may come yet.
        "23502" | "23503" => false,
        // Without a constraint it is a partition that is not there, or not the one for this row.
        "23514" => constraint.is_some(),
        // Data, constraints, and what an index has no room for.
        _ => matches!(code.get(..2), Some("22" | "23" | "54")),
    }
}

/// Returns whether a statement that reads has failed by the values of some row.
pub(super) fn is_of_values(error: &tokio_postgres::Error) -> bool {
    // What is no number is "a feature that is not supported" where it is to be a whole one.
    error.code().is_some_and(|code| code.code().starts_with("22") || code.code() == "0A000")
}

/// Sorts an SQLSTATE by whether the same call may succeed later.
fn kind(code: &str) -> ErrorKind {
    // A plan that a change of the table has outlived, and a server that is a standby for the moment.
    if matches!(code, "0A000" | "25006" | "26000") {
        return ErrorKind::Source;
    }
    match code.get(..2).unwrap_or_default() {
        // Connection, rollback (deadlock), resources, not in this state, operator, system, internal.
        "08" | "40" | "53" | "55" | "57" | "58" | "XX" => ErrorKind::Source,
        // No such user, password or database.
        "28" | "3D" => ErrorKind::InvalidArgument,
        _ => ErrorKind::Malformed,
    }
}

fn sentence(said: &DbError) -> String {
    let code = said.code().code();
    let mut text = format!("PostgreSQL answers {code}");
    // These two classes are about values of rows, and quote them.
    if !matches!(code.get(..2), Some("22" | "23")) {
        let _ = write!(text, ": {}", said.message());
    }
    if code == "23514" && said.constraint().is_none() {
        text.push_str(": there is no partition for a row");
    }
    for (what, name) in
        [("table", said.table()), ("column", said.column()), ("constraint", said.constraint())]
    {
        if let Some(name) = name {
            let _ = write!(text, ", {what} {name}");
        }
    }
    text
}

/// Returns what `error` and its causes say, in one line.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        for (code, expected) in [
            ("57014", ErrorKind::Source),
            ("57P01", ErrorKind::Source),
            ("57P03", ErrorKind::Source),
            ("40P01", ErrorKind::Source),
            ("53300", ErrorKind::Source),
            ("0A000", ErrorKind::Source),
            ("28P01", ErrorKind::InvalidArgument),
            ("3D000", ErrorKind::InvalidArgument),
            ("42P01", ErrorKind::Malformed),
            ("42703", ErrorKind::Malformed),
            ("22P02", ErrorKind::Malformed),
            ("", ErrorKind::Malformed),
        ] {
            assert_eq!(kind(code), expected, "{code}");
        }
    }

    #[test]
    fn what_is_a_rows_own_fault_is_told_from_a_table_to_put_right() {
        for code in ["22001", "22021", "22P05", "23505", "54000"] {
            assert!(is_of_a_row(code, None), "{code}");
        }
        assert!(is_of_a_row("23514", Some("never")));
        for code in ["23514", "23502", "23503", "42P01", "57014", "40001", ""] {
            assert!(!is_of_a_row(code, None), "{code}");
        }
        assert!(!is_of_a_row("23503", Some("fk")));
    }
}
