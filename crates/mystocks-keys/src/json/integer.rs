//! Integers of any size.

use std::fmt;
use std::str::FromStr;

use crate::json::error::{JsonError, JsonErrorKind};

/// Python refuses longer texts too (`sys.int_info.default_max_str_digits`).
const MAX_DIGITS: usize = 4300;

/// An integer of any size, exact.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Integer(Repr);

/// `Big` holds canonical decimal text and only what does not fit `Small`, so equal numbers have equal forms.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Repr {
    Small(i64),
    Big(Box<str>),
}

impl Integer {
    /// Returns the number when it fits 64 bits.
    pub fn as_i64(&self) -> Option<i64> {
        match &self.0 {
            Repr::Small(number) => Some(*number),
            Repr::Big(_) => None,
        }
    }

    /// Returns the number when it fits 128 signed bits.
    pub fn as_i128(&self) -> Option<i128> {
        match &self.0 {
            Repr::Small(number) => Some(i128::from(*number)),
            Repr::Big(text) => text.parse().ok(),
        }
    }

    /// Returns the number when it fits 128 unsigned bits.
    pub fn as_u128(&self) -> Option<u128> {
        match &self.0 {
            Repr::Small(number) => u128::try_from(*number).ok(),
            Repr::Big(text) => text.parse().ok(),
        }
    }

    /// Returns the nearest float, or `None` beyond the range of floats.
    pub fn to_f64(&self) -> Option<f64> {
        let number: f64 = self.to_string().parse().ok()?;
        number.is_finite().then_some(number)
    }
}

impl FromStr for Integer {
    type Err = JsonError;

    /// Reads decimal digits, with a minus sign if negative, without leading zeros.
    ///
    /// # Errors
    /// [`JsonError`] for any other text and beyond 4300 digits.
    fn from_str(text: &str) -> Result<Self, JsonError> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let leading_zero = digits.len() > 1 && digits.starts_with('0');
        if digits.is_empty() || leading_zero || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(JsonError::make(JsonErrorKind::Syntax, "expected an integer in decimal digits"));
        }
        if digits.len() > MAX_DIGITS {
            return Err(JsonError::make(
                JsonErrorKind::TooLarge,
                format!("an integer has {} digits, at most {MAX_DIGITS} are allowed", digits.len()),
            ));
        }
        Ok(Self(match text.parse() {
            Ok(number) => Repr::Small(number),
            Err(_) => Repr::Big(text.into()),
        }))
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Small(number) => write!(f, "{number}"),
            Repr::Big(text) => f.write_str(text),
        }
    }
}

macro_rules! from {
    ($($type:ty),*) => {$(
        impl From<$type> for Integer {
            fn from(number: $type) -> Self {
                Self(match i64::try_from(number) {
                    Ok(small) => Repr::Small(small),
                    Err(_) => Repr::Big(number.to_string().into()),
                })
            }
        }
    )*};
}

from!(u64, usize, i128, u128);

impl From<i64> for Integer {
    fn from(number: i64) -> Self {
        Self(Repr::Small(number))
    }
}

impl From<i32> for Integer {
    fn from(number: i32) -> Self {
        Self(Repr::Small(number.into()))
    }
}

impl From<u32> for Integer {
    fn from(number: u32) -> Self {
        Self(Repr::Small(number.into()))
    }
}
