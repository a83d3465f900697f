//! What can go wrong with JSON.

use std::borrow::Cow;
use std::fmt;

use serde::{de, ser};

/// An error of reading, making or taking apart a [`Json`](crate::Json).
///
/// The message tells the place and the shape, never the content. It reads well after "failed to".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct JsonError {
    kind: JsonErrorKind,
    operation: &'static str,
    at: Option<usize>,
    detail: Cow<'static, str>,
}

/// The kinds of [`JsonError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// The text is not JSON.
    Syntax,
    /// The value is nested more deeply than [`MAX_DEPTH`](crate::MAX_DEPTH).
    TooDeep,
    /// The text or a number in it is longer than allowed.
    TooLarge,
    /// The value has another shape than the type asked for.
    Shape,
    /// The value has no JSON form.
    Unsupported,
}

impl JsonError {
    pub(crate) fn read(kind: JsonErrorKind, at: usize, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, operation: "parse JSON", at: Some(at), detail: detail.into() }
    }

    pub(crate) fn make(kind: JsonErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, operation: "make JSON", at: None, detail: detail.into() }
    }

    pub(crate) fn shape(detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: JsonErrorKind::Shape, operation: "take JSON apart", at: None, detail: detail.into() }
    }

    /// Returns the kind.
    pub fn kind(&self) -> JsonErrorKind {
        self.kind
    }

    /// Returns the byte of the text at fault, when a text was read.
    pub fn at(&self) -> Option<usize> {
        self.at
    }

    /// Returns `false`: the same text or value fails again.
    pub fn is_retryable(&self) -> bool {
        false
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        if let Some(at) = self.at {
            write!(f, " at byte {at}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

impl ser::Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::make(JsonErrorKind::Unsupported, message.to_string())
    }
}

// The provided methods of serde show the offending value; a message must not.
impl de::Error for JsonError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::shape(message.to_string())
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::shape(format!("found {}, expected {expected}", shape_of(found)))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::shape(format!("found {} out of range, expected {expected}", shape_of(found)))
    }

    fn unknown_variant(_found: &str, expected: &'static [&'static str]) -> Self {
        Self::shape(format!("found an unknown variant, expected one of {expected:?}"))
    }
}

fn shape_of(found: de::Unexpected<'_>) -> &'static str {
    use de::Unexpected as U;
    match found {
        U::Bool(_) => "a boolean",
        U::Unsigned(_) | U::Signed(_) => "an integer",
        U::Float(_) => "a float",
        U::Char(_) | U::Str(_) => "a string",
        U::Bytes(_) => "bytes",
        U::Unit | U::Option => "null",
        U::Seq => "an array",
        U::Map => "an object",
        U::Enum | U::UnitVariant | U::NewtypeVariant | U::TupleVariant | U::StructVariant => "a variant",
        _ => "another shape",
    }
}
