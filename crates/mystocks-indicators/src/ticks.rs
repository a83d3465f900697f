//! The seam between whoever wants ticks and wherever they are.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::{Error, ErrorKind};
use crate::symbol::Symbol;

/// Knows the ticks of some symbols: every trade, in the order of time.
///
/// [`MemoryTicks`](crate::MemoryTicks) and [`TdengineTicks`](crate::TdengineTicks) implement it; the module `conformance::ticks` (feature `conformance`)
/// holds one function per promise made below.
///
/// # Cancel safety
/// Nothing here changes anything: dropping a future has no effect.
#[async_trait]
pub trait TickSource: Debug + Send + Sync + 'static {
    /// Returns the symbols that have ticks, in ascending order.
    async fn symbols(&self) -> Result<Vec<Symbol>, Error>;

    /// Returns the first ticks of `symbol` in `range`, at most `limit` of them.
    ///
    /// # Behavior
    /// - They come in the order of time; those of one moment in the order in which they were recorded.
    /// - A page that is not the last never ends within a moment: the next begins at [`Ticks::next`], and no tick is left out or comes twice. A moment with more
    ///   ticks than `limit` is an error of the kind [`ErrorKind::InvalidArgument`].
    /// - A symbol without ticks has none; it is no error.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a limit of 0, [`ErrorKind::Source`] when it cannot be reached, [`ErrorKind::Malformed`] for what is no tick.
    async fn ticks(&self, symbol: &Symbol, range: TickRange, limit: usize) -> Result<Ticks, Error>;

    /// Returns the last tick of `symbol`; `None` when it has none.
    async fn latest(&self, symbol: &Symbol) -> Result<Option<Tick>, Error>;
}

/// From when until when: `from` is in it, `until` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TickRange {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

/// Who began a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The buyer.
    Buy,
    /// The seller.
    Sell,
    /// Nobody knows, or nobody did.
    Neutral,
}

/// One trade.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tick {
    /// When, to the microsecond.
    pub at: Timestamp,
    /// For how much a share.
    pub price: f64,
    /// How many shares.
    pub volume: f64,
    /// For how much in all.
    pub amount: f64,
    /// Who began it.
    pub side: Side,
}

/// Ticks in columns of one length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ticks {
    /// When, in microseconds since the epoch.
    pub at: Vec<i64>,
    /// For how much a share.
    pub price: Vec<f64>,
    /// How many shares.
    pub volume: Vec<f64>,
    /// For how much in all.
    pub amount: Vec<f64>,
    /// Who began each.
    pub side: Vec<Side>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<Timestamp>,
}

impl TickRange {
    /// All times.
    pub const ALL: Self = Self { from: Timestamp::MIN, until: Timestamp::MAX };

    /// Makes the range from `from` on.
    pub fn since(from: Timestamp) -> Self {
        Self { from, until: Timestamp::MAX }
    }
}

impl Ticks {
    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// Returns them one by one.
    pub fn iter(&self) -> impl Iterator<Item = Tick> + '_ {
        let columns = self.at.iter().zip(&self.price).zip(&self.volume).zip(&self.amount).zip(&self.side);
        columns.filter_map(|((((at, price), volume), amount), side)| {
            let at = Timestamp::from_microsecond(*at).ok()?;
            Some(Tick { at, price: *price, volume: *volume, amount: *amount, side: *side })
        })
    }

    /// Adds one.
    pub(crate) fn push(&mut self, tick: &Tick) {
        self.at.push(tick.at.as_microsecond());
        self.price.push(tick.price);
        self.volume.push(tick.volume);
        self.amount.push(tick.amount);
        self.side.push(tick.side);
    }

    /// Makes the page of at most `limit` of `ticks`, which are in order and one more than that when there are more.
    pub(crate) fn page(ticks: &[Tick], limit: usize, symbol: &Symbol) -> Result<Self, Error> {
        let mut end = ticks.len();
        let mut next = None;
        if let (Some(more), Some(last)) =
            (ticks.get(limit), limit.checked_sub(1).and_then(|at| ticks.get(at)))
        {
            end = limit;
            next = Some(more.at);
            if last.at == more.at {
                // The moment goes to the next page as a whole.
                end = ticks.iter().take(limit).take_while(|tick| tick.at < more.at).count();
            }
            if end == 0 {
                return Err(Error::new(ErrorKind::InvalidArgument, "read ticks", symbol.as_str())
                    .with_detail(format!("one moment has more than {limit} ticks: ask for more at once")));
            }
        }
        let mut page = Self { next, ..Self::default() };
        ticks.iter().take(end).for_each(|tick| page.push(tick));
        Ok(page)
    }
}

/// Refuses what no source can answer.
pub(crate) fn check(limit: usize, symbol: &Symbol) -> Result<(), Error> {
    if limit == 0 {
        return Err(Error::new(ErrorKind::InvalidArgument, "read ticks", symbol.as_str())
            .with_detail("a limit of 0 lets nothing through"));
    }
    Ok(())
}

#[async_trait]
impl<S: TickSource + ?Sized> TickSource for Arc<S> {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        (**self).symbols().await
    }
    async fn ticks(&self, symbol: &Symbol, range: TickRange, limit: usize) -> Result<Ticks, Error> {
        (**self).ticks(symbol, range, limit).await
    }
    async fn latest(&self, symbol: &Symbol) -> Result<Option<Tick>, Error> {
        (**self).latest(symbol).await
    }
}
