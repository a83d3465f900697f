//! Ids as text.

use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::log::Id;

impl Id {
    /// Reads an id as its `Display` writes it; `None` for anything else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let number = |digits: &str| {
            // What `parse` takes beside digits, such as a sign, nobody has written.
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
        };
        let (millis, sequence) = text.split_once('-')?;
        Some(Self { millis: number(millis)?, sequence: number(sequence)? })
    }
}

impl FromStr for Id {
    type Err = Error;

    /// Reads an id as its `Display` writes it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for anything else.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::read(text).ok_or_else(|| Error::new(ErrorKind::InvalidArgument, "read", "the id of an event"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() -> Result<(), Error> {
        for (millis, sequence) in [(0, 0), (1_784_000_000_000, 17), (u64::MAX, u64::MAX)] {
            let id = Id { millis, sequence };
            assert_eq!(id.to_string().parse::<Id>()?, id);
        }
        let others = [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-2-3",
            "+1-2",
            "1-+2",
            " 1-2",
            "1-2\n",
            "a-b",
            "1-18446744073709551616",
            "١-٢",
        ];
        for other in others {
            assert_eq!(
                other.parse::<Id>().map_err(|error| error.kind()),
                Err(ErrorKind::InvalidArgument),
                "{other}"
            );
        }
        Ok(())
    }
}
