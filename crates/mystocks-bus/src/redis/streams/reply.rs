//! Reading what the server and the scripts answer.

use std::collections::HashMap;
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
    let (is_alive, due, trimmed, reached, given): (u8, i64, u64, String, Vec<Value>) =
        from_redis_value(reply).ok()?;
    let due = u64::try_from(due).ok().map(Duration::from_millis);
    let entries = threes(given)?;
    Some(Tended { is_alive: is_alive == 1, entries, trimmed, due, reached: id(&reached) })
}

/// Reads what waits.
pub(super) fn waiting(reply: Value) -> Option<Vec<Entry>> {
    threes(from_redis_value(reply).ok()?)
}

/// Reads what `XREAD` answers of the first entries after these: each of its own key, or none.
pub(super) fn news(reply: Value, after: &[(String, Id)]) -> Option<Vec<Entry>> {
    let streams: Option<Vec<(String, Vec<Raw>)>> = from_redis_value(reply).ok()?;
    let mut streams: HashMap<String, Vec<Raw>> = streams.unwrap_or_default().into_iter().collect();
    let mut first =
        |(key, after): &(String, Id)| match streams.remove(key).and_then(|raw| raw.into_iter().next()) {
            Some(raw) => entry(raw, 0),
            None => Some(Entry { id: *after, payload: Bytes::new(), deliveries: 0, death: None }),
        };
    after.iter().map(&mut first).collect()
}

/// Reads ids, payloads and deliveries in turns.
fn threes(values: Vec<Value>) -> Option<Vec<Entry>> {
    let mut entries = Vec::with_capacity(values.len() / 3);
    let mut values = values.into_iter();
    while let Some(first) = values.next() {
        let id = id(&read::<String>(first)?)?;
        let payload = Bytes::from(read::<Vec<u8>>(values.next()?)?);
        entries.push(Entry { id, payload, deliveries: read(values.next()?)?, death: None });
    }
    Some(entries)
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
