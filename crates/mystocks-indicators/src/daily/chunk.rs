//! Some symbols at once: bars with one request, results to the store and rows to the database with a few.

mod computed;
mod rows;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use futures::future::join_all;
use jiff::civil::Date;
use mystocks_bus::{Bus, IndicatorEvent};

use self::computed::{Computed, compute_one};
use self::rows::{Sheet, Writer};
use crate::daily::event::Outcome;
use crate::daily::plan::Plan;
use crate::error::{Error, ErrorKind};
use crate::key::SeriesKey;
use crate::read::Tiers;
use crate::results::Results;
use crate::series::IndicatorSeries;
use crate::symbol::Symbol;

/// So many of a symbol's last days are looked for among what is recorded; what was not recorded for longer is not made up for.
const LOOK_BACK: usize = 5;
/// About so many bytes of series go to the store at once: what it has written long before it is taken for away.
const FILL: usize = 1 << 20;

/// What a chunk is worked with.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) tiers: Arc<Tiers>,
    pub(super) results: Arc<dyn Results>,
    pub(super) bus: Option<Bus>,
}

/// What became of one symbol: its outcome, or an error that may be gone the next time.
pub(super) type Ended = Result<Outcome, Error>;

/// What became of one symbol so far, and what is told of it when its rows are recorded.
struct Worked {
    ended: Ended,
    event: Option<IndicatorEvent>,
    /// Whether the database does not take its rows.
    is_refused: bool,
}

impl Tools {
    /// Computes `symbols` by `plan` and returns what became of each, in their order.
    pub(super) async fn work(&self, plan: &Arc<Plan>, symbols: Vec<Symbol>) -> Vec<Ended> {
        let loaded = self.tiers.source.load_many(&symbols).await;
        let (plan, tiers, asked) = (Arc::clone(plan), Arc::clone(&self.tiers), symbols.clone());
        let computing = {
            let plan = Arc::clone(&plan);
            // Kernels over long histories keep a thread for longer than a runtime's task should.
            tokio::task::spawn_blocking(move || {
                let all = asked.into_iter().zip(loaded);
                all.map(|(symbol, loaded)| compute_one(&tiers, &plan, symbol, loaded)).collect::<Vec<_>>()
            })
        };
        let computed = match computing.await {
            Ok(computed) => computed,
            Err(error) => {
                let broken =
                    Error::new(ErrorKind::Malformed, "compute", "a chunk of symbols").with_source(error);
                return symbols.iter().map(|_| Err(broken.clone())).collect();
            }
        };
        self.record(&plan, computed).await
    }

    /// Writes what was computed where it belongs; the database last, so that whoever finds a row finds the result, if the store took it.
    async fn record(&self, plan: &Plan, computed: Vec<Result<Computed, Ended>>) -> Vec<Ended> {
        let recorded = self.recorded(plan, &computed).await;
        let (mut worked, mut sheets) = (Vec::new(), Vec::new());
        // The series of all symbols, and for the store the size of each, if it is for readers.
        let (mut series, mut sizes) = (Vec::new(), Vec::new());
        for one in computed {
            match one {
                Ok(one) => {
                    worked.push(Worked { ended: Ok(one.outcome()), event: one.event(), is_refused: false });
                    sizes.extend(one.series.iter().map(|(_, series)| one.whole.then(|| series.bytes())));
                    let begin = series.len();
                    series.extend(one.series);
                    let Computed { symbol, days, codes, .. } = one;
                    sheets.push(Some(Sheet { symbol, days, codes, series: begin..series.len() }));
                }
                Err(ended) => {
                    worked.push(Worked { ended, event: None, is_refused: false });
                    sheets.push(None);
                }
            }
        }
        self.store(&series, &sizes).await;
        match recorded {
            Ok(recorded) => {
                let mut writer = Writer::new(&*self.results, &mut worked);
                for (place, sheet) in sheets.iter().enumerate() {
                    if let Some(sheet) = sheet {
                        writer.add(place, sheet.rows(&series, recorded.as_ref())).await;
                    }
                }
                writer.finish().await;
            }
            Err(error) => {
                // What was over before needs no row.
                let computed = worked.iter_mut();
                let computed =
                    computed.filter(|one| one.ended.as_ref().is_ok_and(|ended| ended.computed > 0));
                computed.for_each(|one| one.ended = Err(error.clone()));
            }
        }
        self.tell(&mut worked).await;
        worked.into_iter().map(|one| one.ended).collect()
    }

    /// Tells of the symbols whose rows are recorded.
    async fn tell(&self, worked: &mut [Worked]) {
        let Some(bus) = &self.bus else { return };
        let recorded = worked.iter_mut().filter(|one| one.ended.is_ok() && !one.is_refused);
        let events = recorded.filter_map(|one| one.event.take());
        join_all(events.map(|event| async move {
            if let Err(error) = bus.publish(&event).await {
                tracing::debug!(%error, "the end of a stock is not published");
            }
        }))
        .await;
    }

    /// Returns the newest of the last days of each series that is recorded, `None` when all days are to be recorded.
    async fn recorded(
        &self,
        plan: &Plan,
        computed: &[Result<Computed, Ended>],
    ) -> Result<Option<HashMap<(Symbol, Arc<str>), Date>>, Error> {
        if plan.full {
            return Ok(None);
        }
        let found: Vec<&Computed> = computed.iter().filter_map(|one| one.as_ref().ok()).collect();
        if found.is_empty() {
            return Ok(Some(HashMap::new()));
        }
        let days: BTreeSet<Date> = found.iter().flat_map(|one| last(&one.days, LOOK_BACK)).copied().collect();
        let symbols: Vec<Symbol> = found.iter().map(|one| one.symbol.clone()).collect();
        let days: Vec<Date> = days.into_iter().collect();
        self.results.recorded(&symbols, &plan.codes, &days).await.map(Some)
    }

    /// Puts the series where readers look for them. A store that fails costs the readers time, and the job nothing.
    async fn store(&self, series: &[(SeriesKey, IndicatorSeries)], sizes: &[Option<usize>]) {
        let mut written = 0;
        for piece in pieces(sizes, FILL) {
            match self.tiers.results.fill(series.get(piece).unwrap_or_default()).await {
                Ok(count) => written += count,
                Err(error) => tracing::debug!(%error, "some results of a chunk are not in the store"),
            }
        }
        tracing::debug!(written, series = series.len(), "results of a chunk are in the store");
    }
}

/// Cuts what has a size into pieces of neighbours that are together at most `most`, or one alone.
fn pieces(sizes: &[Option<usize>], most: usize) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut sum = 0;
    for (at, size) in sizes.iter().enumerate() {
        let Some(size) = size else { continue };
        match pieces.last_mut() {
            Some(piece) if piece.end == at && sum + size <= most => {
                piece.end += 1;
                sum += size;
            }
            _ => {
                pieces.push(at..at + 1);
                sum = *size;
            }
        }
    }
    pieces
}

fn last<T>(all: &[T], count: usize) -> &[T] {
    all.get(all.len().saturating_sub(count)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn pieces_are_of_neighbours_and_no_larger_than_said_but_for_one_alone() {
        let sizes = [Some(4), Some(4), Some(2), Some(1), None, Some(1), Some(30), Some(3), Some(7), Some(1)];
        assert_eq!(pieces(&sizes, 10), [0..3, 3..4, 5..6, 6..7, 7..9, 9..10]);
        assert!(pieces(&[None, None], 10).is_empty() && pieces(&[], 10).is_empty());
    }
}
