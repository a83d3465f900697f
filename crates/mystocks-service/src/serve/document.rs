//! The OpenAPI document. It is written by hand; a test holds it against the routes, and one against every answer.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::catalogue::kept;

const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /openapi.json`.
pub(super) async fn answer() -> Response {
    let mut response = kept(DOCUMENT.into_response());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::serve::app::{Need, ROUTES};
    use crate::serve::tokens::Right;

    #[test]
    fn it_has_the_routes_that_there_are_and_what_they_need() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let need = match (&operation["security"], operation["x-right"].as_str()) {
                    (Value::Array(none), None) if none.is_empty() => Need::Nothing,
                    (Value::Null, Some("read")) => Need::Right(Right::Read),
                    (Value::Null, Some("admin")) => Need::Right(Right::Admin),
                    other => panic!("{path}: {other:?}"),
                };
                described.insert((method.to_uppercase(), path.clone(), format!("{need:?}")));
            }
        }
        let routes = ROUTES.iter();
        let served: BTreeSet<_> = routes
            .map(|(method, path, need)| (method.to_string(), (*path).to_owned(), format!("{need:?}")))
            .collect();
        assert_eq!(described, served);
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
