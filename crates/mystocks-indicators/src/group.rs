//! What is wanted of one symbol, and what is known of it already.

use std::sync::Arc;

use mystocks_cache::Outcome;
use mystocks_ta::Bars;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::key::{BarsKey, Call, SeriesKey};
use crate::range::DateRange;
use crate::result::IndicatorResult;
use crate::series::IndicatorSeries;
use crate::symbol::Symbol;
use crate::version::SeriesVersion;
use crate::way::Way;

/// What is wanted of one symbol, all of one version of its bars.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) symbol: Symbol,
    pub(crate) version: SeriesVersion,
    pub(crate) wanted: Vec<Wanted>,
    /// The bars, if they are at hand, and by which way.
    pub(crate) bars: Option<(Arc<Bars>, Way)>,
    pub(crate) began: Instant,
}

/// One indicator wanted of a symbol.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Where the answer goes among all that were asked for together.
    pub(crate) place: usize,
    pub(crate) call: Call,
    pub(crate) range: DateRange,
    pub(crate) answer: Option<Result<Answer, Error>>,
}

/// A series and by which way it came.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome<IndicatorSeries>,
    pub(crate) way: Way,
}

/// An answer and its place.
pub(crate) type Placed = (usize, Result<IndicatorResult, Error>);

impl Group {
    pub(crate) fn new(symbol: Symbol, version: SeriesVersion, wanted: Vec<Wanted>) -> Self {
        Self { symbol, version, wanted, bars: None, began: Instant::now() }
    }

    pub(crate) fn key(&self, call: &Call) -> SeriesKey {
        SeriesKey { symbol: self.symbol.clone(), call: *call, version: self.version.clone() }
    }

    pub(crate) fn bars_key(&self) -> BarsKey {
        BarsKey { symbol: self.symbol.clone(), version: self.version.clone() }
    }

    /// Returns the abbreviations of what is wanted.
    pub(crate) fn indicators(&self) -> Vec<String> {
        self.wanted.iter().map(|wanted| wanted.call.indicator.abbreviation.to_owned()).collect()
    }

    pub(crate) fn missing(&self) -> usize {
        self.wanted.iter().filter(|wanted| wanted.answer.is_none()).count()
    }

    /// Begins again with `version`: answers for one symbol are of one version.
    pub(crate) fn restart(&mut self, version: SeriesVersion) {
        self.version = version;
        self.bars = None;
        for wanted in &mut self.wanted {
            wanted.answer = None;
        }
    }

    /// Fails all that is not answered with `error`.
    pub(crate) fn fail(&mut self, error: &Error) {
        for wanted in &mut self.wanted {
            wanted.answer.get_or_insert_with(|| Err(error.clone()));
        }
    }

    pub(crate) fn answers(mut self) -> Vec<Placed> {
        let wanted = std::mem::take(&mut self.wanted);
        wanted
            .into_iter()
            .map(|Wanted { place, call, range, answer }| {
                // Nothing leaves a place without an answer; if something did, that is an error and no panic.
                let unanswered = || Err(Error::new(ErrorKind::Cache, "read", self.symbol.as_str()));
                let answer = answer.unwrap_or_else(unanswered);
                (place, answer.map(|answer| IndicatorResult::new(self.key(&call), &range, answer)))
            })
            .collect()
    }
}
