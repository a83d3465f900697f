//! Taking a [`Json`] apart into anything that deserialises.

mod name;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, EnumAccess, IntoDeserializer, Unexpected, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use self::name::Name;
use crate::json::error::JsonError;
use crate::json::{Integer, Json};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Deserializer<'de> {
    value: &'de Json,
}

impl<'de> Deserializer<'de> {
    pub(crate) fn new(value: &'de Json) -> Self {
        Self { value }
    }

    fn float<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value {
            Json::Int(number) => match number.to_f64() {
                Some(number) => visitor.visit_f64(number),
                None => Err(JsonError::shape("found an integer beyond the range of floats")),
            },
            _ => de::Deserializer::deserialize_any(self, visitor),
        }
    }
}

impl<'de> IntoDeserializer<'de, JsonError> for Deserializer<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> de::Deserializer<'de> for Deserializer<'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value {
            Json::Null => visitor.visit_unit(),
            Json::Bool(value) => visitor.visit_bool(*value),
            Json::Int(number) => integer(number, visitor),
            Json::Float(number) => visitor.visit_f64(*number),
            Json::Str(text) => visitor.visit_borrowed_str(text),
            Json::Utf16(_) => {
                Err(JsonError::shape("found a string with a lone surrogate, expected valid Unicode"))
            }
            Json::Array(items) => {
                let mut items = SeqDeserializer::new(items.iter().map(Deserializer::new));
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Json::Object(fields) => {
                let mut fields = MapDeserializer::new(
                    fields.iter().map(|(name, value)| (Name::new(name), Deserializer::new(value))),
                );
                let value = visitor.visit_map(&mut fields)?;
                fields.end()?;
                Ok(value)
            }
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.float(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.float(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.value {
            Json::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        let (variant, content) = match self.value {
            Json::Str(variant) => (variant, None),
            Json::Object(fields) => match fields.as_slice() {
                [(variant, content)] => (variant, Some(content)),
                _ => {
                    let detail = "found an object, expected one with the variant as its only name";
                    return Err(JsonError::shape(detail));
                }
            },
            _ => {
                return Err(JsonError::shape("expected a variant: a string or an object"));
            }
        };
        visitor.visit_enum(Variant { variant, content })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier
    }
}

fn integer<'de, V: Visitor<'de>>(number: &Integer, visitor: V) -> Result<V::Value, JsonError> {
    if let Some(number) = number.as_i64() {
        return visitor.visit_i64(number);
    }
    match (number.as_u128(), number.as_i128()) {
        (Some(number), _) => match u64::try_from(number) {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => visitor.visit_u128(number),
        },
        (None, Some(number)) => visitor.visit_i128(number),
        (None, None) => Err(JsonError::shape("found an integer larger than 128 bits")),
    }
}

struct Variant<'de> {
    variant: &'de str,
    content: Option<&'de Json>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = JsonError;
    type Variant = Content<'de>;

    fn variant_seed<S: de::DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Content<'de>), JsonError> {
        Ok((seed.deserialize(self.variant.into_deserializer())?, Content(self.content)))
    }
}

struct Content<'de>(Option<&'de Json>);

impl<'de> Content<'de> {
    fn required(self, expected: &dyn de::Expected) -> Result<Deserializer<'de>, JsonError> {
        match self.0 {
            Some(value) => Ok(Deserializer::new(value)),
            None => Err(de::Error::invalid_type(Unexpected::UnitVariant, expected)),
        }
    }
}

impl<'de> VariantAccess<'de> for Content<'de> {
    type Error = JsonError;

    fn unit_variant(self) -> Result<(), JsonError> {
        match self.0 {
            None | Some(Json::Null) => Ok(()),
            Some(_) => Err(JsonError::shape("found content, expected a variant without")),
        }
    }

    fn newtype_variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, JsonError> {
        seed.deserialize(self.required(&"a variant with content")?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, JsonError> {
        de::Deserializer::deserialize_any(self.required(&visitor)?, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        de::Deserializer::deserialize_any(self.required(&visitor)?, visitor)
    }
}
