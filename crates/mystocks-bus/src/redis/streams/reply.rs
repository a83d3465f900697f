//! Reading what the server and the scripts answer.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use redis::{Value, from_redis_value};

use crate::log::{Appended, Death, Entry, Id, Tended};

/// An entry as the server writes it: its id, and fields and values in turns.
type Raw = (String, Vec<Vec<u8>>);

pub(super) fn id(text: &str) -> Option<Id> {
    let (millis, sequence) = text.split_once('-')?;
    Some(Id { millis: millis.parse().ok()?, sequence: sequence.parse().ok()? })
}

/// Reads what appending answers of one entry.
pub(super) fn appended(answer: &str) -> Option<Appended> {
    match answer.strip_prefix('=') {
        Some(before) => Some(Appended::Before(id(before)?)),
        None if answer == "-" => Some(Appended::Gone),
        None => Some(Appended::Now(id(answer)?)),
    }
}

/// Reads what `XRANGE` and `XREVRANGE` answer.
pub(super) fn entries(reply: Value) -> Option<Vec<Entry>> {
    let raw: Vec<Raw> = from_redis_value(reply).ok()?;
    raw.into_iter().map(|raw| entry(raw, 0)).collect()
}

/// Reads what `XREADGROUP` and `XREAD` answer of one stream; nothing when there was none.
pub(super) fn read(reply: Value, deliveries: u64) -> Option<Vec<Entry>> {
    let streams: Option<Vec<(String, Vec<Raw>)>> = from_redis_value(reply).ok()?;
    let raw = streams.unwrap_or_default().into_iter().flat_map(|(_, entries)| entries);
    raw.map(|raw| entry(raw, deliveries)).collect()
}

/// An entry as the scripts give it: id, number, payload, group or nothing, how often it was delivered, and whether who had it died.
type Given = (String, u64, Vec<u8>, String, u64, u8);

pub(super) fn tended(reply: Value) -> Option<Tended> {
    let (is_alive, due, trimmed, reached, entries): (u8, i64, u64, String, Vec<Given>) =
        from_redis_value(reply).ok()?;
    let due = u64::try_from(due).ok().map(Duration::from_millis);
    let entries = entries.into_iter().map(given).collect::<Option<_>>()?;
    Some(Tended { is_alive: is_alive == 1, entries, trimmed, due, reached: id(&reached) })
}

/// Reads what waits.
pub(super) fn waiting(reply: Value) -> Option<Vec<Entry>> {
    let entries: Vec<Given> = from_redis_value(reply).ok()?;
    entries.into_iter().map(given).collect()
}

/// Reads what `XREAD` answers of the first entries after these: each of its own key, or none.
pub(super) fn news(reply: Value, after: &[(String, Id)]) -> Option<Vec<Entry>> {
    let streams: Option<Vec<(String, Vec<Raw>)>> = from_redis_value(reply).ok()?;
    let mut streams: HashMap<String, Vec<Raw>> = streams.unwrap_or_default().into_iter().collect();
    let mut first =
        |(key, after): &(String, Id)| match streams.remove(key).and_then(|raw| raw.into_iter().next()) {
            Some(raw) => entry(raw, 0),
            None => Some(Entry::nothing(*after)),
        };
    after.iter().map(&mut first).collect()
}

fn given((text, number, payload, only, deliveries, orphaned): Given) -> Option<Entry> {
    let (id, payload, only) = (id(&text)?, payload.into(), (!only.is_empty()).then_some(only));
    Some(Entry { id, number, payload, only, deliveries, orphaned: orphaned == 1, death: None })
}

fn entry((text, fields): Raw, deliveries: u64) -> Option<Entry> {
    let field = |name: &str| {
        fields.chunks_exact(2).find_map(|pair| match pair {
            [field, value] if field == name.as_bytes() => Some(value.as_slice()),
            _ => None,
        })
    };
    let utf8 = |name| field(name).map(|value| String::from_utf8_lossy(value).into_owned());
    let number = |name, otherwise| utf8(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let death = match field("r") {
        Some(_) => Some(Death { id: id(&utf8("i")?)?, reason: utf8("r")?, at: number("t", 0) }),
        None => None,
    };
    Some(Entry {
        id: id(&text)?,
        number: number("n", 0),
        // What somebody else wrote there is an entry, too, if one that cannot be read.
        payload: Bytes::copy_from_slice(field("p").unwrap_or_default()),
        only: utf8("g"),
        deliveries: number("d", deliveries),
        orphaned: false,
        death,
    })
}
