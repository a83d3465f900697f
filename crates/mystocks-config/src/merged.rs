//! The sources laid over each other.

use figment::value::{Dict, Value};
use figment::{Figment, Profile, Provider};

use crate::error::Problem;
use crate::keys::{self, KeyInfo};
use crate::layer::{DEFAULT, Layer};
use crate::{ErrorKind, interpolate};

/// Every value that counts, with the place it stands at.
pub(crate) struct Merged {
    figment: Figment,
    values: Dict,
}

/// The value of a key before `${NAME}` is filled in.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'a> {
    name: &'a str,
    pub(crate) text: &'a str,
    value: &'a Value,
}

impl<'a> Raw<'a> {
    /// Returns the name it was given under: the key's, or its alias.
    pub(crate) fn name(self) -> &'a str {
        self.name
    }
}

impl Merged {
    /// Lays the later layers over the earlier ones.
    pub(crate) fn new(layers: impl IntoIterator<Item = Layer>) -> Self {
        let figment = layers.into_iter().fold(Figment::new(), Figment::merge);
        let values = figment
            .data()
            .ok()
            .and_then(|mut profiles| profiles.remove(&Profile::Default))
            .unwrap_or_default();
        Self { figment, values }
    }

    /// Returns the value of a key: under its name, else under its alias, else the default.
    pub(crate) fn raw(&self, key: &'static KeyInfo) -> Option<Raw<'_>> {
        let named = self.under(key.name);
        let alias = key.alias.and_then(|alias| self.under(alias));
        named.filter(|raw| alias.is_none() || self.place(*raw) != DEFAULT).or(alias).or(named)
    }

    /// Returns the text of a value with every `${NAME}` filled in.
    pub(crate) fn filled(&self, raw: Raw<'_>) -> Result<String, Problem> {
        let lookup = |name: &str| {
            let canonical = keys::canonical(name);
            let raw = match keys::find(&canonical) {
                Some(key) => self.raw(key)?,
                None => self.under(&canonical)?,
            };
            Some((raw.name, raw.text))
        };
        interpolate::fill(raw.name, raw.text, &lookup)
            .map_err(|expected| self.problem(ErrorKind::Unresolved, raw, expected))
    }

    /// Makes the problem of a value.
    pub(crate) fn problem(&self, kind: ErrorKind, raw: Raw<'_>, expected: String) -> Problem {
        Problem::new(kind, Some(raw.name), self.place(raw), expected)
    }

    fn under(&self, name: &str) -> Option<Raw<'_>> {
        let (name, value) = self.values.get_key_value(name)?;
        let text = value.as_str()?;
        Some(Raw { name, text, value })
    }

    /// Returns where a value stands.
    pub(crate) fn place(&self, raw: Raw<'_>) -> String {
        let metadata = self.figment.get_metadata(raw.value.tag());
        metadata.map(|metadata| metadata.interpolate(&Profile::Default, &[raw.name])).unwrap_or_default()
    }
}
