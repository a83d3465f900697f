//! Hot rows in a table of PostgreSQL.

use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::SinkExt;

use super::failure::Task;
use super::pool::PostgresPool;
use super::tuple::Tuples;
use crate::error::{Error, ErrorKind};
use crate::fixation::{FixationTarget, HeldRow};

/// Hot rows in a table `(kind text, key text, at timestamptz, fields jsonb, put_ms int8, put_nr int8, primary key (kind, key, at))`.
///
/// Rows go by a binary COPY into a temporary table of the connection, and from there by one statement into the table, which touches only what
/// is new, other or put later; all in one transaction. `put_ms` and `put_nr` are the row's [`place`](HeldRow::place): when it was put, in milliseconds since the epoch, and which of that millisecond; a row without them was put before all others. Fields are kept as `jsonb` keeps them: `1e16` is `10000000000000000` there.
///
/// # Errors
/// What the table can never hold (a text with a zero character, what its encoding has no character for, what a constraint of the table refuses) is
/// [`ErrorKind::InvalidArgument`]. What can be put right is not: a table, a column or a partition that is not there, a column of the table's own
/// that may not be null, and a foreign key whose row may come yet are [`ErrorKind::Malformed`], and rows are held until it is.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct PostgresHotRows {
    pool: PostgresPool,
    /// As it was given, and as the server is told.
    name: Arc<str>,
    table: Arc<str>,
    merge: Arc<str>,
}

const OPERATION: &str = "write hot rows";
/// How much is handed to the connection at a time.
const PIECE: usize = 60 * 1024;
/// 2000-01-01 in microseconds since 1970-01-01.
const EPOCH: i64 = 946_684_800_000_000;

/// Its rows go with the transaction, it stays with the connection.
const STAGE: &str = "BEGIN; SET LOCAL client_min_messages = warning; \
     CREATE TEMPORARY TABLE IF NOT EXISTS mystocks_hot_rows (place int4, kind text, key text, at timestamptz, fields text, \
     put_ms int8, put_nr int8) \
     ON COMMIT DELETE ROWS";
const COPY: &str = "COPY pg_temp.mystocks_hot_rows FROM STDIN (FORMAT binary)";

impl PostgresHotRows {
    /// Writes to `table`, which may name its schema (`market.hot_rows`), through the connections of `pool`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when `table` is no name.
    pub fn new(pool: &PostgresPool, table: &str) -> Result<Self, Error> {
        let names: Vec<&str> = table.split('.').collect();
        let is_name = |name: &&str| (1..=63).contains(&name.len()) && !name.contains('\0');
        if names.len() > 2 || !names.iter().all(is_name) {
            return Err(Error::new(ErrorKind::InvalidArgument, "name the table", table)
                .with_detail("expected a name of 1 to 63 bytes, or a schema, a dot and a name"));
        }
        let quoted: Vec<String> =
            names.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        let quoted = quoted.join(".");
        // Of equal identities the one put last; in one order for every writer, so that two never wait for each other in a ring.
        // What somebody else wrote without a place was there before everything.
        let place = "(coalesce(held.put_ms, 0), coalesce(held.put_nr, 0))";
        let merge = format!(
            "INSERT INTO {quoted} AS held (kind, key, at, fields, put_ms, put_nr) \
             SELECT DISTINCT ON (kind, key, at) kind, key, at, fields::jsonb, put_ms, put_nr FROM pg_temp.mystocks_hot_rows \
             ORDER BY kind, key, at, put_ms DESC, put_nr DESC, place DESC ON CONFLICT (kind, key, at) \
             DO UPDATE SET fields = excluded.fields, put_ms = excluded.put_ms, put_nr = excluded.put_nr \
             WHERE {place} < (excluded.put_ms, excluded.put_nr) \
             OR {place} = (excluded.put_ms, excluded.put_nr) AND held.fields IS DISTINCT FROM excluded.fields"
        );
        Ok(Self { pool: pool.clone(), name: table.into(), table: quoted.into(), merge: merge.into() })
    }

    /// Makes the table when there is none of its name.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] when the server cannot be reached, [`ErrorKind::Malformed`] when it refuses.
    pub async fn create_if_missing(&self) -> Result<(), Error> {
        let session = self.pool.session(Task { operation: "make the table", subject: &self.name }).await?;
        let table = format!(
            "CREATE TABLE IF NOT EXISTS {} (kind text NOT NULL, key text NOT NULL, at timestamptz NOT NULL, \
             fields jsonb NOT NULL, put_ms int8 NOT NULL DEFAULT 0, put_nr int8 NOT NULL DEFAULT 0, \
             PRIMARY KEY (kind, key, at))",
            self.table
        );
        session.run(async |client| client.batch_execute(&table).await).await?;
        session.release();
        Ok(())
    }
}

#[async_trait]
impl FixationTarget for PostgresHotRows {
    async fn upsert(&self, rows: &[HeldRow]) -> Result<u64, Error> {
        rows.iter().try_for_each(|held| held.row.check())?;
        if rows.is_empty() {
            return Ok(0);
        }
        let task = Task { operation: OPERATION, subject: &self.name };
        // No row is at fault when nobody is let in: refused for good, all of them would lie aside.
        let trouble = |error: Error| match error.kind() {
            ErrorKind::InvalidArgument => {
                task.error(ErrorKind::Source, "nobody is let in").with_source(error)
            }
            _ => error,
        };
        let session = self.pool.session(task).await.map_err(trouble)?;
        session.run(async |client| client.batch_execute(STAGE).await).await.map_err(trouble)?;
        let session = session.of_rows();
        let sink = session.run(async |client| client.copy_in::<_, Bytes>(COPY).await).await?;
        let mut sink = pin!(sink);
        let mut tuples = Tuples::new();
        for (place, HeldRow { row, place: put }) in (0_i32..).zip(rows) {
            tuples.tuple(7);
            tuples.field(Some(&place.to_be_bytes()));
            tuples.field(Some(row.kind.as_bytes()));
            tuples.field(Some(row.key.as_bytes()));
            tuples.field(Some(&row.micros().saturating_sub(EPOCH).to_be_bytes()));
            tuples.field(Some(row.text().as_bytes()));
            for part in [put.millis, put.sequence] {
                tuples.field(Some(&i64::try_from(part).unwrap_or(i64::MAX).to_be_bytes()));
            }
            if tuples.len() >= PIECE {
                session.wait(sink.send(tuples.take())).await?;
            }
        }
        session.wait(sink.send(tuples.finish())).await?;
        session.wait(sink.as_mut().finish()).await?;
        let written = session
            .run(async |client| client.execute(&client.prepare_cached(&self.merge).await?, &[]).await)
            .await?;
        // What is checked at the end only, by the table's own wish, is checked now.
        session.run(async |client| client.batch_execute("COMMIT").await).await?;
        session.release();
        Ok(written)
    }
}
