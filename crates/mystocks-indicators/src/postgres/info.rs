//! What the platform knows of a symbol besides its bars.

use jiff::civil::Date;
use tokio_postgres::Row;

use super::bars::PostgresBars;
use super::failure::Task;
use crate::error::Error;
use crate::symbol::Symbol;

/// A row of `symbols_info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolInfo {
    /// Whose row.
    pub symbol: Symbol,
    /// The name: `贵州茅台`.
    pub name: Option<String>,
    /// The industry.
    pub industry: Option<String>,
    /// Where the company is at home.
    pub area: Option<String>,
    /// The market or board.
    pub market: Option<String>,
    /// The first day of trade; `None`, too, when it is not written as a day.
    pub list_date: Option<Date>,
}

/// All as text, whatever types the table has.
const SELECT: &str = "SELECT symbol::text, name::text, industry::text, area::text, market::text, list_date::text FROM symbols_info";

impl PostgresBars {
    /// Returns what `symbols_info` says of `symbol`.
    ///
    /// # Errors
    /// As [`PostgresBars`].
    pub async fn info(&self, symbol: &Symbol) -> Result<Option<SymbolInfo>, Error> {
        let session =
            self.pool().session(Task { operation: "read what is known", subject: symbol.as_str() }).await?;
        let statement = format!("{SELECT} WHERE symbol = $1");
        let row = session
            .run(async |client| {
                client.query_opt(&client.prepare_cached(&statement).await?, &[&symbol.as_str()]).await
            })
            .await?;
        session.release();
        Ok(row.as_ref().and_then(info))
    }

    /// Returns what `symbols_info` says of every symbol, in ascending order; rows whose name is no [`Symbol`] are left out.
    ///
    /// # Errors
    /// As [`PostgresBars`].
    pub async fn infos(&self) -> Result<Vec<SymbolInfo>, Error> {
        let session =
            self.pool().session(Task { operation: "read what is known", subject: "symbols_info" }).await?;
        let rows = session
            .run(async |client| client.query(&client.prepare_cached(SELECT).await?, &[]).await)
            .await?;
        session.release();
        let mut infos: Vec<SymbolInfo> = rows.iter().filter_map(info).collect();
        infos.sort_unstable_by(|a, b| a.symbol.cmp(&b.symbol));
        Ok(infos)
    }
}

fn info(row: &Row) -> Option<SymbolInfo> {
    let text = |column: usize| row.try_get::<_, Option<String>>(column).ok().flatten();
    Some(SymbolInfo {
        symbol: Symbol::new(&text(0)?).ok()?,
        name: text(1),
        industry: text(2),
        area: text(3),
        market: text(4),
        list_date: text(5).and_then(|day| day.parse().ok()),
    })
}
