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
}
