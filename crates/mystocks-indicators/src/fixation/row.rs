//! Hot rows: values that are worth something for minutes and are kept for good.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use mystocks_bus::Id;
use mystocks_cache::{Json, Keyspace};

use crate::error::{Error, ErrorKind};

/// A value of one moment, such as a quote.
///
/// Its identity is `(kind, key, at)`: a row with the identity of an earlier one takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HotRow {
    /// What it is, such as `quote`: 1 to 32 of `A-Z a-z 0-9 _ -`.
    pub kind: String,
    /// What it is about, such as a stock: 1 to 64 bytes, no colon, braces, globs or control characters.
    pub key: String,
    /// When it was so, to the microsecond; in the years 1 to 9999.
    pub at: Timestamp,
    /// What was so: at most 16 KiB of JSON, no number that is not finite, no integer beyond 128 bits.
    pub fields: BTreeMap<String, Json>,
}

/// A row and its place among all that were put.
///
/// Two processes may write rows of one identity in either order, and one that stood still may write after all others: by the place
/// a target tells which was put last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRow {
    /// The row.
    pub row: HotRow,
    /// Where it stands in the durable topic; what was put later has a greater place. A row held again by
    /// [`Fixation::replay`](super::Fixation::replay) is put anew.
    pub place: Id,
}

impl HeldRow {
    /// Returns whether it takes the place of what stands at `stands` with the same identity.
    pub(super) fn replaces(&self, stands: Id, is_other: bool) -> bool {
        self.place > stands || (self.place == stands && is_other)
    }
}

impl HotRow {
    /// The most bytes that the fields of a row take as JSON.
    pub const MAX_FIELDS: usize = 16 * 1024;

    /// Makes a row; `at` is rounded down to the microsecond.
    pub fn new<N: Into<String>, V: Into<Json>>(
        kind: impl Into<String>,
        key: impl Into<String>,
        at: Timestamp,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self {
            kind: kind.into(),
            key: key.into(),
            at: whole_micros(at),
            fields: fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        }
    }

    /// Returns the fields as the text of one JSON object, names in ascending order at every depth.
    pub fn text(&self) -> String {
        let fields = self.fields.iter().map(|(name, value)| (name.clone(), value.clone()));
        Json::Object(fields.collect()).dumps_sorted()
    }

    /// Reads fields as [`text`](Self::text) writes them; `None` for anything else.
    pub fn fields_of(text: &str) -> Option<BTreeMap<String, Json>> {
        match Json::parse(text.as_bytes()) {
            Ok(Json::Object(fields)) => Some(fields.into_iter().collect()),
            _ => None,
        }
    }

    /// Returns when it was so, in microseconds since the epoch.
    pub fn micros(&self) -> i64 {
        whole_micros(self.at).as_microsecond()
    }

    /// Refuses what cannot be held.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |detail: &str| {
            let shown: String = format!("{} of {}", self.kind, self.key).chars().take(100).collect();
            Err(Error::new(ErrorKind::InvalidArgument, "hold the row", shown).with_detail(detail))
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !(1..=32).contains(&self.kind.len()) || !self.kind.chars().all(is_plain) {
            return refuse("a kind is 1 to 32 of A-Z a-z 0-9 _ -");
        }
        if !(1..=64).contains(&self.key.len()) {
            return refuse("a key has 1 to 64 bytes");
        }
        // What a prefix adds, `put` sees to.
        if let Err(error) = KEYS.hot(&self.kind, &self.key) {
            return refuse(&error.to_string());
        }
        if !(1..=9999).contains(&self.at.to_zoned(jiff::tz::TimeZone::UTC).year()) {
            return refuse("it is not of the years 1 to 9999");
        }
        if !self.fields.values().all(|value| is_kept(value, DEPTH)) {
            return refuse(
                "a field is not finite, beyond 128 bits, a lone surrogate or nested too deep: leave it out",
            );
        }
        if self.text().len() > Self::MAX_FIELDS {
            return refuse("its fields take more than 16 KiB");
        }
        Ok(())
    }
}

/// The rule of keys, which is the same with every prefix.
static KEYS: LazyLock<Keyspace> = LazyLock::new(Keyspace::default);
/// How deep fields may be nested.
const DEPTH: usize = 32;

pub(super) fn whole_micros(at: Timestamp) -> Timestamp {
    let micros = at.as_nanosecond().div_euclid(1_000);
    i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok()).unwrap_or(at)
}

/// Returns whether a value is the same after any target has kept it.
fn is_kept(value: &Json, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match value {
        Json::Null | Json::Bool(_) | Json::Str(_) => true,
        Json::Int(number) => number.as_i128().is_some() || number.as_u128().is_some(),
        Json::Float(number) => number.is_finite(),
        Json::Utf16(_) => false,
        Json::Array(items) => items.iter().all(|item| is_kept(item, depth)),
        Json::Object(fields) => fields.iter().all(|(_, value)| is_kept(value, depth)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: &str, key: &str) -> HotRow {
        HotRow::new(kind, key, Timestamp::UNIX_EPOCH, [("price", 10.5)])
    }

    #[test]
    fn the_moment_is_one_of_whole_microseconds_on_both_sides_of_1970() {
        for (nanos, micros) in [(1_999, 1), (-1, -1), (-1_000, -1), (-1_001, -2), (0, 0)] {
            let at = Timestamp::from_nanosecond(nanos).unwrap();
            let mut row = HotRow::new("quote", "600519", at, [("price", 1.0)]);
            assert_eq!(row.micros(), micros, "{nanos}");
            row.at = at;
            assert_eq!(row.micros(), micros, "{nanos}, not rounded");
        }
    }

    #[test]
    fn what_no_target_keeps_as_it_is_is_refused() {
        assert!(row("quote", "600519.SH").check().is_ok());
        let mut rows = vec![row("", "a"), row("a/b", "a"), row(&"x".repeat(33), "a"), row("q", "")];
        rows.push(row("q", &"x".repeat(65)));
        rows.extend(["a\nb", "a\r", "a\0b", "a:b", "{a}", "a*", "a?", "[a]", "a\\"].map(|key| row("q", key)));
        let big: mystocks_cache::Json = Json::parse("9".repeat(60).as_bytes()).unwrap();
        let nested = (0..40).fold(Json::Null, |inner, _| Json::Array(vec![inner]));
        let long = Json::Str("x".repeat(HotRow::MAX_FIELDS));
        for value in [f64::NAN.into(), f64::INFINITY.into(), big, nested, long, Json::from_utf16(&[0xd800])] {
            rows.push(HotRow::new("q", "a", Timestamp::UNIX_EPOCH, [("x", value)]));
        }
        rows.push(HotRow { at: Timestamp::MIN, ..row("q", "a") });
        for row in rows {
            assert_eq!(row.check().map_err(|error| error.kind()), Err(ErrorKind::InvalidArgument), "{row:?}");
        }
    }

    #[test]
    fn fields_are_read_as_they_are_written() {
        let mut row = row("quote", "600519");
        row.fields.insert("名".to_owned(), Json::Array(vec![Json::Null, 7.into(), "a\"b\n".into()]));
        assert_eq!(row.text(), r#"{"price": 10.5, "\u540d": [null, 7, "a\"b\n"]}"#);
        assert_eq!(HotRow::fields_of(&row.text()), Some(row.fields));
        assert_eq!((HotRow::fields_of("[1]"), HotRow::fields_of("{")), (None, None));
    }
}
