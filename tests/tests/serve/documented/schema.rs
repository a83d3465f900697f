//! As much of JSON Schema as the document uses; it remembers which properties were met.

use std::collections::BTreeSet;

use serde_json::Value;

pub(crate) struct Document {
    root: Value,
    seen: BTreeSet<String>,
}

impl Document {
    pub(crate) fn new(root: Value) -> Self {
        Self { root, seen: BTreeSet::new() }
    }

    pub(crate) fn at(&self, pointer: &str) -> Option<&Value> {
        self.root.pointer(pointer)
    }

    /// Follows references from `pointer` to where something stands.
    pub(crate) fn resolve(&self, pointer: &str) -> Option<String> {
        let mut place = pointer.to_owned();
        while let Some(next) = self.at(&place)?.get("$ref") {
            place = next.as_str().unwrap().strip_prefix('#').unwrap().to_owned();
        }
        Some(place)
    }

    pub(crate) fn needs_token(&self, method: &str, path: &str) -> bool {
        let place = format!("/paths/{}/{}", path.replace('/', "~1"), method.to_lowercase());
        self.at(&place).unwrap().get("security").is_none()
    }

    /// Asserts that `value` is of the schema at `pointer`.
    pub(crate) fn hold(&mut self, pointer: &str, value: &Value, whose: &str) {
        if let Err(wrong) = self.check(pointer, value) {
            panic!("{whose}: {wrong}");
        }
    }

    fn check(&mut self, pointer: &str, value: &Value) -> Result<(), String> {
        let place = self.resolve(pointer).ok_or_else(|| format!("{pointer} is not there"))?;
        let schema = self.at(&place).unwrap().clone();
        let wrong = |what: &str| Err(format!("{place}: {what}: {value}"));
        if let Some(all) = schema.get("anyOf").and_then(Value::as_array) {
            let tried = (0..all.len())
                .map(|at| self.check(&format!("{place}/anyOf/{at}"), value))
                .collect::<Vec<_>>();
            return match tried.iter().any(Result::is_ok) {
                true => Ok(()),
                false => Err(tried.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("; ")),
            };
        }
        let is_of = |name: &str| match name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            other => panic!("{other}"),
        };
        match schema.get("type") {
            Some(Value::String(name)) if !is_of(name) => return wrong("another type"),
            Some(Value::Array(names)) if !names.iter().any(|name| is_of(name.as_str().unwrap())) => {
                return wrong("another type");
            }
            _ => {}
        }
        if schema.get("const").is_some_and(|only| only != value) {
            return wrong("another constant");
        }
        if schema.get("enum").is_some_and(|all| !all.as_array().unwrap().contains(value)) {
            return wrong("none of those");
        }
        if let Some(number) = value.as_f64() {
            let bound = |name: &str, other: f64| schema.get(name).and_then(Value::as_f64).unwrap_or(other);
            if number < bound("minimum", f64::MIN) || number > bound("maximum", f64::MAX) {
                return wrong("out of bounds");
            }
        }
        if let Some(items) = value.as_array() {
            for item in items {
                self.check(&format!("{place}/items"), item)?;
            }
        }
        let Some(fields) = value.as_object() else { return Ok(()) };
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if !fields.contains_key(name.as_str().unwrap()) {
                return wrong(&format!("{name} is missing"));
            }
        }
        for (name, field) in fields {
            let property = format!("{place}/properties/{name}");
            if self.at(&property).is_some() {
                self.check(&property, field)?;
                self.seen.insert(property);
            } else if let Some(more) = schema.get("additionalProperties") {
                if *more == Value::Bool(false) {
                    return wrong(&format!("{name} is not described"));
                }
                self.check(&format!("{place}/additionalProperties"), field)?;
            }
        }
        Ok(())
    }

    /// Returns the properties of answers that were never met.
    pub(crate) fn unseen(&self) -> Vec<String> {
        let mut all = Vec::new();
        let schemas = self.at("/components/schemas").unwrap().as_object().unwrap();
        for name in schemas.keys().filter(|name| !name.ends_with("Request")) {
            self.collect(&format!("/components/schemas/{name}"), &mut all);
        }
        all.retain(|property| !self.seen.contains(property));
        all
    }

    fn collect(&self, place: &str, all: &mut Vec<String>) {
        let Some(Value::Object(schema)) = self.at(place) else { return };
        for name in schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|all| all.keys())
        {
            let property = format!("{place}/properties/{name}");
            self.collect(&property, all);
            all.push(property);
        }
        self.collect(&format!("{place}/items"), all);
    }
}
