//! How events are told apart by their `event_type`.

/// Reads the variants of an enum by `event_type`.
///
/// What serde derives for a tag keeps the fields in a form of its own, which has no integers beyond 64 bits; Python's have no end.
macro_rules! tagged {
    ($event:ident { $($variant:ident = $name:literal),* $(,)? }) => {
        impl $event {
            const TYPES: &'static [&'static str] = &[$($name),*];
        }

        impl<'de> serde::Deserialize<'de> for $event {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error as _;

                let json = mystocks_keys::Json::deserialize(deserializer)?;
                let event = match crate::payload::field(&json, "event_type") {
                    $(Some(mystocks_keys::Json::Str(name)) if name == $name => {
                        json.to_deserialize().map(Self::$variant)
                    })*
                    Some(mystocks_keys::Json::Str(name)) => {
                        return Err(D::Error::unknown_variant(name, Self::TYPES));
                    }
                    _ => return Err(D::Error::missing_field("event_type")),
                };
                event.map_err(D::Error::custom)
            }
        }
    };
}
