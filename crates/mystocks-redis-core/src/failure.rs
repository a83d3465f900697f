//! What one attempt can end in, and which [`Error`] that is for the caller.

use std::fmt;

use redis::{ErrorKind as RedisKind, RedisError, RetryMethod, ServerErrorKind};

use crate::metric;
use crate::script::UNKNOWN_SCRIPT;
use crate::{Error, ErrorKind};

/// Why an attempt brought no reply.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There was no connection to send it on; the cause is why.
    Down(RedisError),
    /// The manager is shut down.
    Closed,
    /// The caller's own limit passed.
    Elapsed,
    /// The connection or the server failed it.
    Redis(RedisError),
}

impl Failure {
    /// The server did not run a script it was given in full.
    pub(crate) fn unknown_script() -> Self {
        Self::Redis((UNKNOWN_SCRIPT, "the server does not know the script").into())
    }

    /// Says whether a command that may happen twice is worth sending again.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Down(_) => true,
            Self::Closed | Self::Elapsed => false,
            Self::Redis(error) => {
                error.is_io_error() || matches!(error.retry_method(), RetryMethod::WaitAndRetry)
            }
        }
    }

    /// Makes the caller's error out of it.
    pub(crate) fn into_error(self, operation: &'static str, subject: String) -> Error {
        let error = match self {
            Self::Closed => Error::new(ErrorKind::Closed, operation, subject),
            Self::Elapsed => Error::new(ErrorKind::Timeout, operation, subject),
            Self::Down(cause) => {
                let kind = match kind_of(&cause) {
                    ErrorKind::Auth => ErrorKind::Auth,
                    _ => ErrorKind::Unavailable,
                };
                let error = Error::new(kind, operation, subject).with_detail("not connected");
                explain(error, cause)
            }
            Self::Redis(cause) => explain(Error::new(kind_of(&cause), operation, subject), cause),
        };
        metric::failure(error.kind());
        error
    }
}

/// Adds the cause: itself when it is of the transport, else its text without values.
fn explain(error: Error, cause: RedisError) -> Error {
    if cause.is_io_error() {
        return error.with_source(cause);
    }
    error.with_detail(Reason(&cause).to_string())
}

/// Sorts an error of the client library.
pub(crate) fn kind_of(error: &RedisError) -> ErrorKind {
    if error.is_timeout() {
        return ErrorKind::Timeout;
    }
    match error.kind() {
        RedisKind::AuthenticationFailed | RedisKind::Server(ServerErrorKind::NoPerm) => ErrorKind::Auth,
        // Refused while a connection selects its database, the client library keeps the text and drops the code.
        _ if error.detail().is_some_and(|detail| detail.contains("Authentication required")) => {
            ErrorKind::Auth
        }
        RedisKind::Io
        | RedisKind::Parse
        | RedisKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ReadOnly,
        ) => ErrorKind::Unavailable,
        RedisKind::Extension => match error.code() {
            Some("NOAUTH" | "WRONGPASS") => ErrorKind::Auth,
            Some("BUSY") => ErrorKind::Unavailable,
            _ => ErrorKind::Server,
        },
        RedisKind::UnexpectedReturnType => ErrorKind::Reply,
        RedisKind::InvalidClientConfig | RedisKind::Client => ErrorKind::Config,
        _ => ErrorKind::Server,
    }
}

/// The text of a client library's error without what may be a value.
pub(crate) struct Reason<'a>(pub(crate) &'a RedisError);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            // The parser quotes the reply it could not read, and that is a value.
            RedisKind::Parse => f.write_str("the reply is not RESP"),
            RedisKind::UnexpectedReturnType => f.write_str("the reply has another type"),
            _ => {
                let text = match (self.0.code(), self.0.detail()) {
                    (Some(code), Some(detail)) => format!("{code} {detail}"),
                    _ => self.0.to_string(),
                };
                // The server repeats the arguments of a command it does not know.
                let shown = text.split(", with args beginning with").next();
                f.write_str(shown.unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(line: &str) -> RedisError {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    #[test]
    fn every_answer_of_a_server_in_trouble_has_its_kind() {
        for (line, kind, passing) in [
            ("LOADING Redis is loading", ErrorKind::Unavailable, true),
            ("CLUSTERDOWN Hash slot", ErrorKind::Unavailable, true),
            ("MASTERDOWN Link with MASTER", ErrorKind::Unavailable, true),
            ("TRYAGAIN Multiple keys", ErrorKind::Unavailable, true),
            ("BUSY Redis is busy", ErrorKind::Unavailable, false),
            ("READONLY You can't write", ErrorKind::Unavailable, false),
            ("OOM command not allowed", ErrorKind::Server, false),
            ("WRONGTYPE Operation", ErrorKind::Server, false),
            ("ERR syntax error", ErrorKind::Server, false),
            ("NOAUTH Authentication required.", ErrorKind::Auth, false),
            ("WRONGPASS invalid", ErrorKind::Auth, false),
            ("NOPERM this user", ErrorKind::Auth, false),
        ] {
            let failure = Failure::Redis(answered(line));
            assert_eq!(failure.is_passing(), passing, "{line}");
            let error = failure.into_error("query", "GET".to_owned());
            assert_eq!(error.kind(), kind, "{line}");
            let retryable = kind == ErrorKind::Unavailable;
            assert_eq!(error.is_retryable(), retryable, "{line}");
        }
    }

    #[test]
    fn messages_say_what_failed_and_hold_no_value() {
        let unknown = answered("ERR unknown command 'X', with args beginning with: 'secret' ");
        let error = Failure::Redis(unknown).into_error("query", "X".to_owned());
        assert_eq!(error.to_string(), "query X: redis refused, ERR unknown command 'X'");
        let refused = Failure::Down(answered("WRONGPASS invalid username-password pair"));
        assert_eq!(
            refused.into_error("query", "GET \"k\"".to_owned()).to_string(),
            "query GET \"k\": access denied, not connected: WRONGPASS invalid username-password pair"
        );
    }
}
