//! What the scripts answer.

use crate::error::{Error, ErrorKind};
use crate::id::SessionHandle;
use crate::memory::fits;
use crate::store::{Found, Record};

const GONE: u8 = 0;
const PRESENT: u8 = 1;
const BEFORE: u8 = 2;
const REFUSED: u8 = 3;
const REVOKED: u8 = 4;
const TOO_LARGE: u8 = 5;

/// How a claim stands, and the fields of the session.
pub(super) type Answer = (u8, Vec<Option<Vec<u8>>>);

/// Reads how a claim stands.
pub(super) fn found(operation: &'static str, handle: &SessionHandle, status: u8) -> Result<Found<()>, Error> {
    match status {
        GONE => Ok(Found::Gone),
        PRESENT | BEFORE => Ok(Found::Here(())),
        REFUSED => Ok(Found::Replayed { is_revoked: false }),
        REVOKED => Ok(Found::Replayed { is_revoked: true }),
        _ => Err(unreadable(operation, handle.as_str())),
    }
}

/// Reads what became of a claim of a session.
pub(super) fn record(
    operation: &'static str,
    handle: &SessionHandle,
    most_bytes: Option<usize>,
    (status, mut fields): Answer,
) -> Result<Found<Record>, Error> {
    if status == TOO_LARGE {
        let bytes = number(fields.first()).and_then(|bytes| usize::try_from(bytes).ok());
        fits(handle, bytes.unwrap_or(usize::MAX), most_bytes.unwrap_or_default())?;
    }
    match found(operation, handle, status)? {
        Found::Here(()) => {
            let read = fields_of(&mut fields).ok_or_else(|| unreadable(operation, handle.as_str()))?;
            Ok(Found::Here(read))
        }
        Found::Gone => Ok(Found::Gone),
        Found::Replayed { is_revoked } => Ok(Found::Replayed { is_revoked }),
    }
}

/// Reads a session that nobody claimed.
pub(super) fn inspected(handle: &SessionHandle, answer: Answer) -> Result<Option<Record>, Error> {
    match record("read", handle, None, answer)? {
        Found::Here(record) => Ok(Some(record)),
        Found::Gone | Found::Replayed { .. } => Ok(None),
    }
}

fn fields_of(fields: &mut [Option<Vec<u8>>]) -> Option<Record> {
    let data = fields.get_mut(6).and_then(Option::take).unwrap_or_default();
    let user = match fields.get_mut(5)?.take() {
        Some(user) => Some(String::from_utf8(user).ok()?),
        None => None,
    };
    Some(Record {
        user,
        data,
        version: number(fields.first())?,
        created: number(fields.get(1))?,
        seen: number(fields.get(2))?,
        idle_end: number(fields.get(3))?,
        absolute_end: number(fields.get(4))?,
    })
}

fn number(field: Option<&Option<Vec<u8>>>) -> Option<u64> {
    std::str::from_utf8(field?.as_deref()?).ok()?.parse().ok()
}

pub(super) fn unreadable(operation: &'static str, subject: &str) -> Error {
    Error::new(ErrorKind::Backend, operation, subject).with_detail("what stands there is not one of ours")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;

    #[test]
    fn what_is_not_ours_is_an_error_and_no_panic() {
        let handle = SessionId::random().unwrap().handle();
        let fields = |texts: &[&str]| texts.iter().map(|text| Some(text.as_bytes().to_vec())).collect();
        let read = |status, texts: &[&str]| record("load", &handle, Some(5), (status, fields(texts)));
        let whole = ["2", "1000", "1001", "1002", "1003", "ann", "{}"];
        let Found::Here(found) = read(PRESENT, &whole).unwrap() else { panic!("not read") };
        assert_eq!((found.user.as_deref(), &found.data[..], found.version), (Some("ann"), &b"{}"[..], 2));
        assert_eq!((found.created, found.seen, found.idle_end, found.absolute_end), (1000, 1001, 1002, 1003));
        for (status, texts) in [
            (PRESENT, &["2"][..]),
            (PRESENT, &[]),
            (BEFORE, &["x", "1000", "1001", "1002", "1003", "ann", "{}"]),
            (PRESENT, &["2", "1000", "1001", "-5", "1003", "ann", "{}"]),
            (9, &whole),
        ] {
            assert_eq!(read(status, texts).unwrap_err().kind(), ErrorKind::Backend, "{status} {texts:?}");
        }
        assert_eq!(read(TOO_LARGE, &["6"]).unwrap_err().kind(), ErrorKind::Data);
        assert_eq!(read(TOO_LARGE, &[]).unwrap_err().kind(), ErrorKind::Data);
        assert_eq!(read(REVOKED, &[]).unwrap(), Found::Replayed { is_revoked: true });
        assert_eq!(read(REFUSED, &[]).unwrap(), Found::Replayed { is_revoked: false });
        assert_eq!(read(GONE, &[]).unwrap(), Found::Gone);
    }
}
