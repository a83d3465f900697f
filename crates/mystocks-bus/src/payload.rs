//! Events as bytes.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use mystocks_keys::{Json, JsonError};
use serde::de::Error as _;

use crate::envelope::Envelope;
use crate::event::{Event, Form};

/// What a payload turned out to be.
#[derive(Debug)]
pub(crate) enum Decoded<E> {
    Event(E, Option<Envelope>),
    /// An event of another type, or of a version to come.
    Other,
}

/// Writes `event` as it stands on its channel.
pub(crate) fn encode<E: Event>(event: &E, envelope: impl FnOnce() -> Envelope) -> Result<Bytes, JsonError> {
    Ok(Bytes::from(match E::FORM {
        Form::Envelope => envelope().around(event)?,
        Form::Bare | Form::Typed(_) => Json::from_serialize(event)?.dumps(),
    }))
}

/// Writes `event` in `envelope`, whatever its form is elsewhere.
pub(crate) fn encode_in<E: Event>(event: &E, envelope: &Envelope) -> Result<Bytes, JsonError> {
    Ok(Bytes::from(envelope.around(event)?))
}

/// Reads what [`encode_in`] wrote; what panics at it cannot be read either, nor can a version to come: passed over, it would be lost.
pub(crate) fn decode_in<E: Event>(payload: &[u8]) -> Result<Decoded<E>, JsonError> {
    let read = || {
        let json = Json::parse(payload)?;
        let Envelope { kind, version, .. } = json.to_deserialize()?;
        if kind == E::TYPE && version > E::VERSION {
            return Err(JsonError::custom(format!("its version {version} is to come")));
        }
        enveloped(&json)
    };
    unpanicked(read).unwrap_or_else(|| Err(panics()))
}

/// Reads a payload, one object; what panics at it cannot be read either.
pub(crate) fn decode<E: Event>(payload: &[u8]) -> Result<Decoded<E>, JsonError> {
    unpanicked(|| read(payload)).unwrap_or_else(|| Err(panics()))
}

fn read<E: Event>(payload: &[u8]) -> Result<Decoded<E>, JsonError> {
    let json = Json::parse(payload)?;
    // Serde takes an array for the fields of a struct too.
    if !matches!(json, Json::Object(_)) {
        return Err(JsonError::custom("found no object, expected one"));
    }
    match E::FORM {
        Form::Bare => Ok(Decoded::Event(json.to_deserialize()?, None)),
        Form::Typed(types) => match field(&json, "event_type") {
            Some(Json::Str(name)) if !types.contains(&name.as_str()) => Ok(Decoded::Other),
            _ => Ok(Decoded::Event(json.to_deserialize()?, None)),
        },
        Form::Envelope => enveloped(&json),
    }
}

fn enveloped<E: Event>(json: &Json) -> Result<Decoded<E>, JsonError> {
    let envelope: Envelope = json.to_deserialize()?;
    if envelope.kind != E::TYPE || envelope.version > E::VERSION {
        return Ok(Decoded::Other);
    }
    let data = field(json, "data").unwrap_or(&Json::Null);
    Ok(Decoded::Event(data.to_deserialize()?, Some(envelope)))
}

/// Returns what the event in a payload is about; `None` also when it is none of these events.
pub(crate) fn key_of<E: Event>(payload: &[u8]) -> Option<String> {
    match decode::<E>(payload) {
        Ok(Decoded::Event(event, _)) => unpanicked(|| event.key().map(Cow::into_owned)).flatten(),
        Ok(Decoded::Other) | Err(_) => None,
    }
}

/// Returns what the event is about that [`encode_in`] wrote; `None` also when it is none of these events.
pub(crate) fn key_in<E: Event>(payload: &[u8]) -> Option<String> {
    match decode_in::<E>(payload) {
        Ok(Decoded::Event(event, _)) => unpanicked(|| event.key().map(Cow::into_owned)).flatten(),
        Ok(Decoded::Other) | Err(_) => None,
    }
}

fn panics() -> JsonError {
    JsonError::custom("its type panics at it")
}

/// Calls what is not ours: where messages are taken in, a panic of one type would end it for all.
fn unpanicked<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

pub(crate) fn field<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    match json {
        Json::Object(fields) => fields.iter().find(|(field, _)| field == name).map(|(_, value)| value),
        _ => None,
    }
}
