//! Arrays and objects in the making.

use serde::{Serialize, ser};

use super::{Serializer, name_of};
use crate::json::Json;
use crate::json::error::{JsonError, JsonErrorKind};

/// An array in the making, inside `{variant: …}` when it is a variant's.
#[derive(Debug)]
pub(crate) struct Items {
    items: Vec<Json>,
    variant: Option<&'static str>,
    inner: Serializer,
}

/// An object in the making, inside `{variant: …}` when it is a variant's.
#[derive(Debug)]
pub(crate) struct Fields {
    fields: Vec<(String, Json)>,
    name: Option<String>,
    variant: Option<&'static str>,
    inner: Serializer,
}

impl Items {
    pub(super) fn new(inner: Serializer, variant: Option<&'static str>) -> Self {
        Self { items: Vec::new(), variant, inner }
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        self.items.push(value.serialize(self.inner)?);
        Ok(())
    }

    fn finish(self) -> Json {
        wrapped(self.variant, Json::Array(self.items))
    }
}

impl Fields {
    pub(super) fn new(inner: Serializer, variant: Option<&'static str>) -> Self {
        Self { fields: Vec::new(), name: None, variant, inner }
    }

    fn push<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> Result<(), JsonError> {
        self.fields.push((name, value.serialize(self.inner)?));
        Ok(())
    }

    fn finish(self) -> Json {
        wrapped(self.variant, Json::Object(self.fields))
    }
}

fn wrapped(variant: Option<&'static str>, value: Json) -> Json {
    match variant {
        Some(name) => Json::Object(vec![(name.to_owned(), value)]),
        None => value,
    }
}

macro_rules! sequences {
    ($($trait:ident :: $method:ident),*) => {$(
        impl ser::$trait for Items {
            type Ok = Json;
            type Error = JsonError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
                self.push(value)
            }

            fn end(self) -> Result<Json, JsonError> {
                Ok(self.finish())
            }
        }
    )*};
}

sequences!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! structs {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Fields {
            type Ok = Json;
            type Error = JsonError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), JsonError> {
                self.push(name.to_owned(), value)
            }

            fn end(self) -> Result<Json, JsonError> {
                Ok(self.finish())
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Fields {
    type Ok = Json;
    type Error = JsonError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), JsonError> {
        self.name = Some(name_of(name)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        let name = self.name.take().ok_or_else(|| {
            JsonError::make(JsonErrorKind::Unsupported, "a map gives a value without a name")
        })?;
        self.push(name, value)
    }

    fn end(self) -> Result<Json, JsonError> {
        Ok(self.finish())
    }
}
