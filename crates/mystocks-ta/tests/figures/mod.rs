//! Reads golden vectors: the carried figures, and the files they were thinned from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use mystocks_ta::{Bars, CleaningPolicy, CleaningReport, Given, Indicator, Params, RawBar, clean, registry};

/// The values of one output of one indicator over one symbol.
pub(crate) struct Figure {
    pub(crate) symbol: String,
    pub(crate) key: String,
    pub(crate) output: String,
    pub(crate) first: usize,
    pub(crate) points: Vec<(usize, f64)>,
}

fn carried(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

fn rows(text: &str, headers: bool) -> Vec<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new().has_headers(headers).from_reader(text.as_bytes());
    reader.records().map(Result::unwrap).collect()
}

/// Reads the figures carried in `name`.
pub(crate) fn carried_figures(name: &str) -> Vec<Figure> {
    let parse = |row: csv::StringRecord| {
        let runs = row[5].split('|').filter(|run| !run.is_empty()).flat_map(|run| {
            let (start, values) = run.split_once(':').unwrap();
            let start: usize = start.parse().unwrap();
            let values = values.split(' ').map(|value| value.parse::<f64>().unwrap());
            values.enumerate().map(move |(at, value)| (start + at, value))
        });
        Figure {
            symbol: row[0].to_owned(),
            key: row[1].to_owned(),
            output: row[2].to_owned(),
            first: row[4].parse().unwrap(),
            points: runs.collect(),
        }
    };
    rows(&carried(name), false).into_iter().map(parse).collect()
}

/// Reads every value of a golden file; `None` where the folder is not there.
pub(crate) fn golden_figures(name: &str) -> Option<Vec<Figure>> {
    let text = std::fs::read_to_string(golden_folder()?.join(name)).unwrap();
    let parse = |row: csv::StringRecord| {
        let first: usize = row[3].parse().unwrap();
        let values = row[4].split(';').map(|value| value.parse::<f64>().unwrap());
        Figure {
            symbol: row[0].to_owned(),
            key: row[1].to_owned(),
            output: row[2].to_owned(),
            first,
            points: values.enumerate().map(|(at, value)| (first + at, value)).collect(),
        }
    };
    Some(rows(&text, true).into_iter().map(parse).collect())
}

/// Reads the rows of a carried table.
pub(crate) fn carried_rows(name: &str) -> Vec<csv::StringRecord> {
    rows(&carried(name), true)
}

/// Reads the rows of a golden table; `None` where the folder is not there.
pub(crate) fn golden_rows(name: &str) -> Option<Vec<csv::StringRecord>> {
    Some(rows(&std::fs::read_to_string(golden_folder()?.join(name)).unwrap(), true))
}

/// Reads every value of every function of TA-Lib; `None` where the folder is not there.
pub(crate) fn golden_functions() -> Option<Vec<Figure>> {
    let file = File::open(golden_folder()?.join("all_talib.json.gz")).unwrap();
    let all: serde_json::Value = serde_json::from_reader(GzDecoder::new(file)).unwrap();
    let number = |value: &serde_json::Value| match value {
        serde_json::Value::Null => f64::NAN,
        serde_json::Value::String(text) => text.parse().unwrap(),
        value => value.as_f64().unwrap(),
    };
    let manifest = golden_rows("manifest.csv")?;
    let mut figures = Vec::new();
    for (symbol, functions) in all["data"].as_object().unwrap() {
        for (name, entry) in functions.as_object().unwrap() {
            let pairs: Vec<String> = entry["params"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let key = format!("{name}({})", pairs.join(","));
            // In the order of the manifest: an object has none.
            let row = manifest.iter().find(|row| &row[0] == name).unwrap();
            for output in row[4].split(';') {
                let series = &entry["outputs"][output];
                let first = usize::try_from(series["first"].as_u64().unwrap()).unwrap();
                let values = series["values"].as_array().unwrap();
                let points =
                    values.iter().enumerate().map(|(at, value)| (first + at, number(value))).collect();
                let (symbol, key, output) = (symbol.clone(), key.clone(), output.to_owned());
                figures.push(Figure { symbol, key, output, first, points });
            }
        }
    }
    Some(figures)
}

/// Reads `NAME(parameter=value,...)`; types of average that are not offered are fixed here.
pub(crate) fn request_of(key: &str) -> (&'static Indicator, Params) {
    let (name, pairs) = key.trim_end_matches(')').split_once('(').unwrap_or((key, ""));
    let indicator = registry().get(name).unwrap();
    let offered = |name: &str| indicator.parameters.iter().any(|one| one.name == name);
    let pairs = pairs.split(',').filter_map(|pair| pair.split_once('='));
    let given: Vec<(&str, Given)> = pairs
        .filter(|(parameter, _)| offered(parameter) || !parameter.ends_with("matype"))
        .map(|(parameter, value)| match value.parse::<i64>() {
            Ok(value) => (parameter, value.into()),
            Err(_) => (parameter, value.parse::<f64>().unwrap().into()),
        })
        .collect();
    (indicator, indicator.canonical(&given).unwrap())
}

/// Reads the bars of a symbol the figures are of.
pub(crate) fn carried_bars(symbol: &str) -> (Bars, CleaningReport) {
    let parse = |row: csv::StringRecord| {
        let number = |column: usize| row[column].parse::<f64>().unwrap();
        RawBar {
            date: row[0].parse().unwrap(),
            open: number(1),
            high: number(2),
            low: number(3),
            close: number(4),
            volume: row[5].parse().ok(),
        }
    };
    let text = carried(&format!("bars_{symbol}.csv.gz"));
    let raw = rows(&text, true).into_iter().map(parse).collect();
    clean(raw, &CleaningPolicy::default())
}

/// Returns the bars from `start` to before `end`.
pub(crate) fn section(bars: &Bars, start: usize, end: usize) -> Bars {
    let cut = |column: &[f64]| column[start..end].to_vec();
    Bars::new(
        bars.dates()[start..end].to_vec(),
        cut(bars.open()),
        cut(bars.high()),
        cut(bars.low()),
        cut(bars.close()),
        cut(bars.volume()),
    )
    .unwrap()
}

fn golden_folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden");
    folder.is_dir().then_some(folder)
}
