//! PostgreSQL as the source of the bars and as the store of results.

mod adjustment;
mod bars;
mod failure;
mod hot_rows;
mod info;
mod known;
mod numeric;
mod pool;
mod results;
mod sheet;
mod stamp;
mod stamp_query;
mod tuple;

pub use self::adjustment::Adjustment;
pub use self::bars::PostgresBars;
pub use self::hot_rows::PostgresHotRows;
pub use self::info::SymbolInfo;
pub use self::pool::{PostgresPool, PostgresSettings};
pub use self::results::PostgresResults;

/// What the pool of one's own is made of, for [`PostgresPool::of`].
pub use deadpool_postgres;
