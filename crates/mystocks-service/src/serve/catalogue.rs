//! The registry of indicators, as the platform writes it.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use mystocks_ta::{Category, Indicator, Kind, Panel, Value, registry};
use serde::{Serialize, Serializer};

use super::envelope::{self, Refusal};
use super::model::lines;

/// A program of another version may have another registry: nobody keeps it for longer.
const KEPT: &str = "public, max-age=300";

#[derive(Debug, Serialize)]
struct Catalogue {
    total_count: usize,
    categories: Counts,
    indicators: Vec<Metadata>,
}

#[derive(Debug)]
struct Counts(Vec<(Category, usize)>);

#[derive(Debug, Serialize)]
struct Metadata {
    abbreviation: &'static str,
    full_name: &'static str,
    chinese_name: &'static str,
    category: Category,
    description: String,
    panel_type: Panel,
    parameters: Vec<Parameter>,
    outputs: Vec<Output>,
    reference_lines: Option<&'static [f64]>,
    min_data_points_formula: String,
}

#[derive(Debug, Serialize)]
struct Parameter {
    name: &'static str,
    r#type: Kind,
    default: Value,
    min: Value,
    max: Value,
    description: &'static str,
}

#[derive(Debug, Serialize)]
struct Output {
    name: &'static str,
    description: String,
}

/// `GET /api/v1/indicators/registry`.
pub(super) async fn all() -> Response {
    let indicators: Vec<Metadata> = registry().iter().map(metadata).collect();
    let count = |category| (category, registry().by_category(category).count());
    let catalogue = Catalogue {
        total_count: indicators.len(),
        categories: Counts(Category::ALL.into_iter().map(count).collect()),
        indicators,
    };
    let message = format!("{} indicators", catalogue.total_count);
    // What is the same is the same to the byte, so that its tag is.
    kept(envelope::json(StatusCode::OK, &envelope::constant(&message, catalogue)))
}

/// `GET /api/v1/indicators/registry/{category}`: a list without an envelope, as the Python backend answers.
pub(super) async fn of_category(category: Result<Path<String>, PathRejection>) -> Result<Response, Refusal> {
    let name = category.map(|Path(name)| name).unwrap_or_default();
    let found = Category::ALL.into_iter().find(|category| word(*category) == name);
    let Some(category) = found else {
        let known = Category::ALL.map(word).join(", ");
        return Err(Refusal::new(StatusCode::NOT_FOUND, format!("no such category; there are {known}")));
    };
    let list: Vec<Metadata> = registry().by_category(category).map(metadata).collect();
    Ok(kept(envelope::json(StatusCode::OK, &list)))
}

/// Lets everybody keep `response` for a while.
pub(super) fn kept(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(KEPT));
    response
}

fn metadata(indicator: &'static Indicator) -> Metadata {
    let parameter = |one: &mystocks_ta::Parameter| Parameter {
        name: one.name,
        r#type: one.kind,
        default: one.default,
        min: one.min,
        max: one.max,
        description: one.name,
    };
    let output =
        |name: &&'static str| Output { name, description: format!("{} of {}", name, indicator.abbreviation) };
    Metadata {
        abbreviation: indicator.abbreviation,
        full_name: indicator.name_en,
        chinese_name: indicator.name_zh,
        category: indicator.category,
        description: format!("{} ({})", indicator.name_en, indicator.name_zh),
        panel_type: indicator.panel,
        parameters: indicator.parameters.iter().map(parameter).collect(),
        outputs: indicator.outputs.iter().map(output).collect(),
        reference_lines: lines(indicator),
        min_data_points_formula: indicator.minimum_bars(&indicator.defaults()).to_string(),
    }
}

/// Whether there is a category of that name.
pub(super) fn is_category(name: &str) -> bool {
    Category::ALL.into_iter().any(|category| word(category) == name)
}

fn word(category: Category) -> &'static str {
    match category {
        Category::Trend => "trend",
        Category::Momentum => "momentum",
        Category::Volatility => "volatility",
        Category::Volume => "volume",
        Category::Candlestick => "candlestick",
        Category::Cycle => "cycle",
        Category::Price => "price",
        Category::Statistic => "statistic",
        Category::Math => "math",
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(category, count)| (word(*category), count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_is_found_by_the_word_it_is_written_with() {
        for category in Category::ALL {
            assert_eq!(serde_json::to_value(category).unwrap(), word(category));
        }
    }
}
