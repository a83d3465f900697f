//! `bench ta`: every function of TA-Lib through the registry against the crate called directly, and TA-Lib C through Python's arrays.

mod c_library;
mod series;
mod sides;

use std::time::Duration;

use anyhow::Result;
use futures::executor::block_on;
use mystocks_ta::registry;
use ta_lib::abstract_api::get_func_handle;

use self::c_library::CLibrary;
use self::series::{BARS, bars};
use self::sides::Sides;
use crate::report::{Report, Row};
use crate::rounds::{Times, interleave, quantile};

/// What a call through the registry may cost over the crate called directly.
const WRAPPED: f64 = 1.05;
/// What has values for some bars only is read back to the last of them, and infinity made NaN.
const READ_BACK: f64 = 1.25;
/// A kernel of our own has to be one and a half times as fast.
const OWN: f64 = 1.0 / 1.5;
/// How long a function is measured, each side: the slow ones need few rounds.
const ENOUGH: Duration = Duration::from_millis(400);
const FEWEST_ROUNDS: usize = 5;
const KERNELS: [&str; 4] = ["CCI", "KDJ", "OBV", "STOCH"];

/// Measures all functions; each figure is for a thousand of a million bars.
///
/// # Errors
/// A side that fails, or a Python beside that answers something else.
pub(crate) fn run(rounds: usize) -> Result<Report> {
    let bars = bars()?;
    let library = CLibrary::start(&bars)?;
    let mut rows = Vec::new();
    let mut beside = Vec::new();
    for indicator in registry().iter() {
        let Some(function) = get_func_handle(indicator.abbreviation) else { continue };
        let sides = Sides::new(indicator, function, &bars, library.as_ref());
        let bound = match indicator.is_defined_everywhere() {
            _ if KERNELS.contains(&indicator.abbreviation) => OWN,
            true => WRAPPED,
            false => READ_BACK,
        };
        let rounds = enough(rounds, sides.direct()?);
        let mut measured = measure(&sides, rounds)?;
        // Among so many functions some are beyond by chance alone: what is, is measured again, longer.
        if measured.ours.ratio(&measured.direct).median > bound {
            measured = measure(&sides, 3 * rounds)?;
        }
        let Measured { ours, direct, c_library } = measured;
        rows.push(Row::times(indicator.abbreviation, &ours, "ta-lib, called directly", &direct, Some(bound)));
        if let Some(times) = c_library {
            beside.push(Row::times(indicator.abbreviation, &ours, "TA-Lib C, Python arrays", &times, None));
        }
    }
    for rows in [&mut rows, &mut beside] {
        rows.sort_by(|one, other| one.ratio.total_cmp(&other.ratio));
    }
    let (own, wrapped): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| KERNELS.contains(&row.name.as_str()));
    let summary = [("of all that wrap", &wrapped), ("of own kernels", &own), ("of all beside C", &beside)];
    let summary: Vec<Row> = summary.into_iter().filter_map(|(name, rows)| median(name, rows)).collect();
    Ok(Report(wrapped.into_iter().chain(own).chain(beside).chain(summary).collect()))
}

/// The median of the ratios, as figures whose baseline is a hundred.
fn median(name: &str, rows: &[Row]) -> Option<Row> {
    let first = rows.first()?;
    let ratios: Vec<f64> = rows.iter().map(|row| row.ratio).collect();
    let name = format!("median {name}, {}", rows.len());
    Some(Row::figures(&name, "%", 100.0 * quantile(&ratios, 0.5), &first.baseline_name, 100.0, None))
}

fn enough(rounds: usize, per_thousand: Duration) -> usize {
    let once = per_thousand.as_secs_f64() * BARS as f64 / 1_000.0;
    let most = (0..rounds).take_while(|round| *round as f64 * once < ENOUGH.as_secs_f64()).count();
    most.max(FEWEST_ROUNDS.min(rounds))
}

struct Measured {
    ours: Times,
    direct: Times,
    c_library: Option<Times>,
}

fn measure(sides: &Sides<'_>, rounds: usize) -> Result<Measured> {
    let side = |index| async move {
        match index {
            0 => sides.ours(),
            1 => sides.direct(),
            _ => sides.c_library(),
        }
    };
    if sides.is_in_c_library() {
        let [ours, direct, c_library] = block_on(interleave(rounds, side))?;
        Ok(Measured { ours, direct, c_library: Some(c_library) })
    } else {
        let [ours, direct] = block_on(interleave(rounds, side))?;
        Ok(Measured { ours, direct, c_library: None })
    }
}
