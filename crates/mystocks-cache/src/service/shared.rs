//! The JSON text of shared entries.

use bytes::Bytes;
use mystocks_keys::Json;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::envelope;
use crate::error::{Error, ErrorKind};

/// Why an entry that is there cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// It is no JSON, or not the JSON of the type asked for.
    Undecodable,
    /// It begins as this project's own binary entries do.
    OtherFormat,
    /// It is larger than the limit; it was not decoded.
    TooLarge,
}

impl Rejected {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::OtherFormat => "other_format",
            Self::TooLarge => "too_large",
        }
    }
}

/// Writes `value` as Python's `json.dumps` does.
pub(crate) fn encode<T>(key: &str, value: &T, limit: usize) -> Result<Bytes, Error>
where
    T: Serialize + ?Sized,
{
    let json = Json::from_serialize(value)
        .map_err(|cause| Error::new(ErrorKind::Codec, "encode", key).with_source(cause))?;
    let text = json.dumps();
    if text.len() > limit {
        let detail = format!("{} bytes where at most {limit} are kept", text.len());
        return Err(Error::new(ErrorKind::TooLarge, "encode", key).with_detail(detail));
    }
    Ok(Bytes::from(text))
}

/// Reads JSON text of whatever origin.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, Rejected> {
    if bytes.len() > limit {
        return Err(Rejected::TooLarge);
    }
    if bytes.first() == Some(&envelope::MAGIC) {
        return Err(Rejected::OtherFormat);
    }
    Json::parse(bytes).and_then(|json| json.to_deserialize()).map_err(|_| Rejected::Undecodable)
}

#[cfg(test)]
mod tests;
