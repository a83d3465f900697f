//! Making a [`Json`] of anything that serialises.

mod compound;

use serde::Serialize;

use self::compound::{Fields, Items};
use crate::json::error::{JsonError, JsonErrorKind};
use crate::json::{Json, MAX_DEPTH, float};

/// `depth` counts the arrays and objects around the value.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Serializer {
    depth: usize,
}

impl Serializer {
    fn deeper(self) -> Result<Self, JsonError> {
        if self.depth >= MAX_DEPTH {
            return Err(JsonError::make(
                JsonErrorKind::TooDeep,
                format!("nested more than {MAX_DEPTH} levels deep"),
            ));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

macro_rules! scalars {
    ($($method:ident: $type:ty => $convert:expr),* $(,)?) => {$(
        fn $method(self, value: $type) -> Result<Json, JsonError> {
            Ok($convert(value))
        }
    )*};
}

impl serde::Serializer for Serializer {
    type Ok = Json;
    type Error = JsonError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    scalars! {
        serialize_bool: bool => Json::Bool,
        serialize_i8: i8 => |v| Json::from(i64::from(v)),
        serialize_i16: i16 => |v| Json::from(i64::from(v)),
        serialize_i32: i32 => Json::from,
        serialize_i64: i64 => Json::from,
        serialize_i128: i128 => Json::from,
        serialize_u8: u8 => |v| Json::from(u32::from(v)),
        serialize_u16: u16 => |v| Json::from(u32::from(v)),
        serialize_u32: u32 => Json::from,
        serialize_u64: u64 => Json::from,
        serialize_u128: u128 => Json::from,
        serialize_f32: f32 => |v| Json::Float(f64::from(v)),
        serialize_f64: f64 => Json::Float,
        serialize_char: char => |v: char| Json::Str(v.to_string()),
        serialize_str: &str => Json::from,
        serialize_bytes: &[u8] => |v: &[u8]| Json::Array(v.iter().map(|&b| Json::from(u32::from(b))).collect()),
        serialize_unit_struct: &'static str => |_| Json::Null,
    }

    fn serialize_none(self) -> Result<Json, JsonError> {
        Ok(Json::Null)
    }

    fn serialize_unit(self) -> Result<Json, JsonError> {
        Ok(Json::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Json, JsonError> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Json, JsonError> {
        Ok(Json::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Json, JsonError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Json, JsonError> {
        let value = value.serialize(self.deeper()?)?;
        Ok(Json::Object(vec![(variant.to_owned(), value)]))
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Items, JsonError> {
        Ok(Items::new(self.deeper()?, None))
    }

    fn serialize_tuple(self, _len: usize) -> Result<Items, JsonError> {
        Ok(Items::new(self.deeper()?, None))
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Items, JsonError> {
        Ok(Items::new(self.deeper()?, None))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Items, JsonError> {
        Ok(Items::new(self.deeper()?.deeper()?, Some(variant)))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Fields, JsonError> {
        Ok(Fields::new(self.deeper()?, None))
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Fields, JsonError> {
        Ok(Fields::new(self.deeper()?, None))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Fields, JsonError> {
        Ok(Fields::new(self.deeper()?.deeper()?, Some(variant)))
    }
}

/// Turns what a map has as a name into a string, as Python does.
fn name_of<T: Serialize + ?Sized>(name: &T) -> Result<String, JsonError> {
    match name.serialize(Serializer::default())? {
        Json::Str(text) => Ok(text),
        Json::Int(number) => Ok(number.to_string()),
        Json::Bool(true) => Ok("true".to_owned()),
        Json::Bool(false) => Ok("false".to_owned()),
        Json::Null => Ok("null".to_owned()),
        Json::Float(number) => {
            let mut text = String::new();
            float::write(&mut text, number);
            Ok(text)
        }
        Json::Utf16(_) | Json::Array(_) | Json::Object(_) => Err(JsonError::make(
            JsonErrorKind::Unsupported,
            "a map has a name that is no string, number, boolean or null",
        )),
    }
}
