//! JSON values in Python's dialect: exact integers, non-finite floats, insertion order.

mod de;
mod error;
mod float;
mod integer;
mod read;
mod ser;
mod serde_impl;
mod utf16;
mod write;

pub use self::error::{JsonError, JsonErrorKind};
pub use self::integer::Integer;
pub use self::read::{MAX_DEPTH, MAX_TEXT_BYTES};
pub use self::utf16::Utf16;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A JSON value as Python's `json` module knows it.
///
/// `20`, `20.0` and `"20"` are three different values. Two values are equal when they are written the same: objects by
/// their order, `NaN` equals `NaN`, `0.0` differs from `-0.0`.
#[derive(Debug, Clone)]
pub enum Json {
    /// `null`, Python's `None`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer of any size.
    Int(Integer),
    /// A float, `NaN` and the infinities included.
    Float(f64),
    /// A string of valid Unicode.
    Str(String),
    /// A string with a lone surrogate, which Python can hold and write and Rust's `String` cannot.
    Utf16(Utf16),
    /// An array.
    Array(Vec<Self>),
    /// An object in insertion order. A name should stand in it once; text that is read has the last of equal names.
    Object(Vec<(String, Self)>),
}

impl Json {
    /// Reads any JSON text, plus `NaN`, `Infinity` and `-Infinity`.
    ///
    /// As in Python, of equal names in an object the last one's value stays, at the first one's place; a number beyond the range
    /// of floats is an infinity; an escaped lone surrogate is kept ([`Json::Utf16`]).
    ///
    /// # Errors
    /// [`JsonError`] for malformed text or UTF-8, trailing text, nesting beyond [`MAX_DEPTH`], text beyond
    /// [`MAX_TEXT_BYTES`], integers beyond 4300 digits (Python's own limit), and lone surrogates in an object's name.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        read::parse(text)
    }

    /// Writes the value as Python's `json.dumps(value)` does: ASCII, insertion order, `", "` and `": "`.
    pub fn dumps(&self) -> String {
        write::dumps(self, false)
    }

    /// Writes the value as Python's `json.dumps(value, sort_keys=True)` does: names by code point, at every depth.
    pub fn dumps_sorted(&self) -> String {
        write::dumps(self, true)
    }

    /// Appends what [`dumps`](Self::dumps) writes.
    pub fn append_to(&self, out: &mut String) {
        write::write(out, self, false);
    }

    /// Appends what [`dumps`](Self::dumps) writes of the string `text`, quotes included.
    pub fn append_text(out: &mut String, text: &str) {
        write::string(out, text);
    }

    /// Makes the value of anything that serialises.
    ///
    /// Integers up to 128 bits and non-finite floats are kept; an `f32` becomes the `f64` of the same value; names that are
    /// integers, floats, booleans or `None` become strings as Python writes them (`True` is `"true"`).
    ///
    /// # Errors
    /// [`JsonError`] for maps with other names, nesting beyond [`MAX_DEPTH`], and whatever `value` itself refuses.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        value.serialize(ser::Serializer::default())
    }

    /// Makes a `T` of the value.
    ///
    /// A float takes integers too (if in its range); an integer does not take floats. `NaN` is a float, never `None`.
    ///
    /// # Errors
    /// [`JsonError`] when the value has another shape, is an integer beyond 128 bits where no float is asked for, or a string with a
    /// lone surrogate. The message tells the shape, never the content.
    pub fn to_deserialize<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        T::deserialize(de::Deserializer::new(self))
    }

    /// Makes a string of UTF-16 code units: [`Json::Str`] when they are valid, else [`Json::Utf16`].
    pub fn from_utf16(units: &[u16]) -> Self {
        match String::from_utf16(units) {
            Ok(text) => Self::Str(text),
            Err(_) => Self::Utf16(Utf16::lone(units.to_vec())),
        }
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Utf16(a), Self::Utf16(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Json {}

macro_rules! from {
    ($($type:ty => $variant:ident),*) => {$(
        impl From<$type> for Json {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from!(bool => Bool, i32 => Int, u32 => Int, i64 => Int, u64 => Int, usize => Int, i128 => Int, u128 => Int, Integer => Int);
from!(f64 => Float, &str => Str, String => Str, Vec<Self> => Array, Vec<(String, Self)> => Object);
