//! Reading what the server and the scripts answer.

use std::time::Duration;

use bytes::Bytes;
use redis::{FromRedisValue, Value, from_redis_value};

use crate::log::{Death, Entry, Id, Tended};

/// An entry as the server writes it: its id, and fields and values in turns.
type Raw = (String, Vec<Vec<u8>>);

pub(super) fn id(text: &str) -> Option<Id> {
    let (millis, sequence) = text.split_once('-')?;
    Some(Id { millis: millis.parse().ok()?, sequence: sequence.parse().ok()? })
}

/// Reads what `XRANGE` answers.
pub(super) fn entries(reply: Value) -> Option<Vec<Entry>> {
    let raw: Vec<Raw> = from_redis_value(reply).ok()?;
    raw.into_iter().map(|raw| entry(raw, 0)).collect()
}

/// Reads what `XREADGROUP` answers of one stream; nothing when there was none.
pub(super) fn given(reply: Value) -> Option<Vec<Entry>> {
    let streams: Option<Vec<(String, Vec<Raw>)>> = from_redis_value(reply).ok()?;
    let raw = streams.unwrap_or_default().into_iter().flat_map(|(_, entries)| entries);
    raw.map(|raw| entry(raw, 1)).collect()
}

pub(super) fn tended(reply: Value) -> Option<Tended> {
    let (is_alive, due, trimmed, given): (u8, i64, u64, Vec<Value>) = from_redis_value(reply).ok()?;
    let mut entries = Vec::with_capacity(given.len() / 3);
    let mut given = given.into_iter();
    while let Some(first) = given.next() {
        let id = id(&read::<String>(first)?)?;
        let payload = Bytes::from(read::<Vec<u8>>(given.next()?)?);
        entries.push(Entry { id, payload, deliveries: read(given.next()?)?, death: None });
    }
    let due = u64::try_from(due).ok().map(Duration::from_millis);
    Some(Tended { is_alive: is_alive == 1, entries, trimmed, due })
}

fn entry((text, fields): Raw, deliveries: u64) -> Option<Entry> {
    let field = |name: &str| {
        fields.chunks_exact(2).find_map(|pair| match pair {
            [field, value] if field == name.as_bytes() => Some(value.as_slice()),
            _ => None,
        })
    };
    let utf8 = |name| field(name).map(|value| String::from_utf8_lossy(value).into_owned());
    let death = match field("r") {
        Some(_) => Some(Death { id: id(&utf8("i")?)?, reason: utf8("r")?, at: utf8("t")?.parse().ok()? }),
        None => None,
    };
    let deliveries = match field("d") {
        Some(_) => utf8("d")?.parse().ok()?,
        None => deliveries,
    };
    Some(Entry { id: id(&text)?, payload: Bytes::copy_from_slice(field("p")?), deliveries, death })
}

fn read<T: FromRedisValue>(value: Value) -> Option<T> {
    from_redis_value(value).ok()
}
