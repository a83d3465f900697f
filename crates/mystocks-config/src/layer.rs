//! One source of values as a Figment provider that knows where each value stands.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use crate::dotenv::strip_comment;
use crate::error::Problem;
use crate::keys::{self, KEYS, PASSWORD};
use crate::{ErrorKind, interpolate};

/// The place of a value nobody gave.
pub(crate) const DEFAULT: &str = "the default";
const ENVIRONMENT: &str = "the environment";

/// The values of one source, by name.
pub(crate) struct Layer {
    title: String,
    values: BTreeMap<String, Placed>,
}

struct Placed {
    text: String,
    place: Arc<str>,
}

impl Layer {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), values: BTreeMap::new() }
    }

    /// Makes the layer of the defaults.
    pub(crate) fn of_defaults() -> Self {
        let mut layer = Self::new(DEFAULT);
        for key in KEYS {
            layer.set(key.name.to_string(), key.default.to_string(), DEFAULT);
        }
        layer
    }

    /// Makes the layer of the environment.
    pub(crate) fn of_environment(variables: &[(OsString, OsString)], problems: &mut Vec<Problem>) -> Self {
        let mut layer = Self::new(ENVIRONMENT);
        for (name, value) in variables {
            let Some(spelled) = name.to_str() else {
                continue;
            };
            let name = keys::canonical(spelled);
            let known = keys::find(&name).is_some();
            let Some(value) = value.to_str() else {
                if known {
                    let text = "UTF-8 text";
                    let kind = ErrorKind::InvalidValue;
                    problems.push(Problem::new(kind, Some(&name), ENVIRONMENT, text));
                }
                continue;
            };
            if !known && name.starts_with("REDIS_") && !keys::belongs_to_others(&name, value) {
                problems.push(unknown(&name, ENVIRONMENT));
            }
            // `redis_host` beside `REDIS_HOST`: the exact spelling wins, whatever the order.
            if spelled != name && layer.values.contains_key(&name) {
                continue;
            }
            // A variable of another program, and a password, mean exactly what they say.
            let text = if known && name != PASSWORD {
                strip_comment(value).to_string()
            } else {
                interpolate::escape(value)
            };
            layer.set(name, text, ENVIRONMENT);
        }
        layer
    }

    /// Sets a value in place of an earlier one; returns whether there was none.
    pub(crate) fn set(&mut self, name: String, text: String, place: &str) -> bool {
        let place = place.into();
        self.values.insert(name, Placed { text, place }).is_none()
    }
}

/// Makes the problem of a name that is no key.
pub(crate) fn unknown(name: &str, place: &str) -> Problem {
    let expected = match keys::nearest(name) {
        Some(nearest) => format!("a key of docs/configuration.md, the nearest is {nearest}"),
        None => "a key of docs/configuration.md".to_string(),
    };
    Problem::new(ErrorKind::UnknownKey, Some(name), place, expected)
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        let places: BTreeMap<String, Arc<str>> =
            self.values.iter().map(|(name, placed)| (name.clone(), placed.place.clone())).collect();
        let places = Arc::new(places);
        Metadata::named(self.title.clone()).interpolater(move |_: &Profile, path: &[&str]| {
            let place = path.first().and_then(|name| places.get(*name));
            place.map(ToString::to_string).unwrap_or_default()
        })
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict: Dict = self
            .values
            .iter()
            .map(|(name, placed)| (name.clone(), Value::from(placed.text.clone())))
            .collect();
        Ok(Profile::Default.collect(dict))
    }
}
