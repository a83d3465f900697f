//! What the scripts answer.

use std::num::NonZeroU64;
use std::time::Duration;

use ::redis::{FromRedisValue, Value};

use crate::backend::{Acquire, Acquired, Grant, Holder, Queued, State};
use crate::error::{Error, ErrorKind};

/// What `acquire.lua` answers.
pub(super) type Answer = (u8, String, u8, i64, String);

/// Reads what became of `want`.
pub(super) fn acquired(
    want: &Acquire<'_>,
    (outcome, text, first, left, last): Answer,
) -> Result<Acquired, Error> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| unreadable("acquire", want.spot.key));
    let (number, last) = (number(&text)?, number(&last)?);
    let left = u64::try_from(left).ok().map(Duration::from_millis);
    match outcome {
        1 => Ok(Acquired::Granted { fence: NonZeroU64::new(number) }),
        2 => {
            let left = left.unwrap_or_default().as_secs_f64();
            Err(Error::new(ErrorKind::Unavailable, "acquire", want.spot.key)
                .with_detail(format!("the server has just been started, it is trusted in {left:.1} s")))
        }
        _ => {
            let queued = want.place.map(|_| Queued { ticket: number, is_first: first == 1, last });
            // In its last millisecond it is held for 0 more.
            let retry_after = left.map(|left| left + Duration::from_millis(1));
            Ok(Acquired::Busy { retry_after, queued })
        }
    }
}

/// What `inspect.lua` and `force.lua` answer.
pub(super) type Inspected = (String, Vec<String>, i64, Value, u64, u64);

/// Reads the state of a spot; what is of no type of ours is held by nobody we know.
pub(super) fn state((kind, holders, left, record, waiters, now): Inspected) -> State {
    let record = <Vec<u8>>::from_redis_value(record).unwrap_or_default();
    let record = String::from_utf8_lossy(&record);
    let grant_to = |token: &str| grant(&record).filter(|(to, _)| *to == token).map(|(_, grant)| grant);
    let holders = match kind.as_str() {
        "string" => {
            let ttl = u64::try_from(left).ok().map(Duration::from_millis);
            let holder = |token: String| Holder { grant: grant_to(&token), token, weight: 1, ttl };
            holders.into_iter().map(holder).collect()
        }
        "zset" => holders
            .chunks_exact(2)
            .filter_map(|pair| {
                let (token, weight) = pair[0].rsplit_once(':')?;
                let end: u64 = pair[1].parse().ok()?;
                Some(Holder {
                    token: token.to_owned(),
                    weight: weight.parse().ok()?,
                    ttl: Some(Duration::from_millis(end.saturating_sub(now))),
                    grant: grant_to(&pair[0]),
                })
            })
            .collect(),
        _ => Vec::new(),
    };
    State { holders, waiters }
}

/// Reads a record of a fence: to whom it was granted, and what is known of it.
fn grant(record: &str) -> Option<(&str, Grant)> {
    let mut words = record.splitn(5, ' ');
    let fence = words.next()?.parse().ok()?;
    let token = words.next()?;
    let at = words.next()?.parse().ok()?;
    let owner = words.nth(1)?.to_owned();
    Some((token, Grant { fence, at, owner }))
}

fn unreadable(operation: &'static str, key: &str) -> Error {
    Error::new(ErrorKind::Backend, operation, key).with_detail("the script's answer is not one of ours")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_not_ours_is_nothing() {
        let (token, read) = grant("17 t-1 1700000000000 00ff {\"pid\": 3}").unwrap();
        assert_eq!((token, read.fence, read.at), ("t-1", 17, 1_700_000_000_000));
        assert_eq!(read.owner, "{\"pid\": 3}");
        for other in ["", "17", "x t 1 n o", "17 t x n o", "17 t 1 n"] {
            assert_eq!(grant(other), None, "{other}");
        }
    }
}
