//! Results in the platform's tables `indicator_data` and `indicator_tasks`.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::SinkExt;
use jiff::Timestamp;
use jiff::civil::Date;
use mystocks_cache::Json;
use tokio_postgres::{CopyInSink, Row};

use super::failure::Task;
use super::pool::{PostgresPool, Session};
use super::tuple::Tuples;
use crate::day;
use crate::error::{Error, ErrorKind};
use crate::results::{ResultRow, Results};
use crate::symbol::Symbol;
use crate::task_record::{TaskRecord, TaskStatus};

/// Results in the platform's tables `indicator_data` and `indicator_tasks`.
///
/// Rows go by a binary COPY into a temporary table of the connection, and from there by one statement into `indicator_data`,
/// which touches only what is new or other; all in one transaction. The `timestamp` of a row is midnight of its day in the time
/// zone of the session (that of the server or the user, or `options=-c%20timezone%3D…` in the URL), which is what Python's
/// naive dates become there: programs that share the table have to share the time zone.
///
/// # Errors
/// As [`PostgresBars`](super::PostgresBars): [`ErrorKind::Source`] is worth another try. When the connection breaks during the commit
/// it is not known whether the rows were written; writing them again is right in both cases.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct PostgresResults {
    pool: PostgresPool,
}

/// How much is handed to the connection at a time.
const PIECE: usize = 60 * 1024;

/// Its rows go with the transaction, it stays with the connection.
const STAGE: &str = "BEGIN; SET LOCAL client_min_messages = warning; \
     CREATE TEMPORARY TABLE IF NOT EXISTS mystocks_results (place int4, day date, stock_code text, indicator_code text, \
     value float8, complex_value text) ON COMMIT DELETE ROWS";
const COPY: &str = "COPY pg_temp.mystocks_results FROM STDIN (FORMAT binary)";
/// Of equal keys the last; in one order for every writer, so that two never wait for each other in a ring.
const MERGE: &str = "INSERT INTO indicator_data AS held (timestamp, stock_code, indicator_code, value, complex_value, created_at) \
     SELECT DISTINCT ON (day, stock_code, indicator_code) \
     day::timestamptz, stock_code, indicator_code, value, complex_value::json, now() \
     FROM pg_temp.mystocks_results ORDER BY day, stock_code, indicator_code, place DESC \
     ON CONFLICT (timestamp, stock_code, indicator_code) \
     DO UPDATE SET value = excluded.value, complex_value = excluded.complex_value \
     WHERE (held.value, held.complex_value::text) IS DISTINCT FROM (excluded.value, excluded.complex_value::text)";
/// Each day of each symbol is a probe of the key (OFFSET keeps it one): asked for by lists, a whole day of the market is read for each chunk.
const RECORDED: &str = "SELECT name, code, max(timestamp)::date \
     FROM unnest($1::date[]) AS day CROSS JOIN unnest($2::text[]) AS name CROSS JOIN LATERAL \
     (SELECT timestamp, indicator_code::text AS code FROM indicator_data \
     WHERE timestamp = day::timestamptz AND stock_code = name AND indicator_code = ANY($3::text[]) OFFSET 0) AS held \
     GROUP BY 1, 2";
const TASK: &str = "SELECT task_type::text, status::text, progress::float8, params::text, result_summary::text, \
     error_message::text, coalesce(created_at, updated_at, 'epoch')::timestamptz, \
     coalesce(updated_at, created_at, 'epoch')::timestamptz, completed_at::timestamptz \
     FROM indicator_tasks WHERE task_id = $1";
const RECORD_TASK: &str = "INSERT INTO indicator_tasks (task_id, task_type, status, progress, params, result_summary, \
     error_message, created_at, updated_at, completed_at) \
     VALUES ($1, $2, $3, $4, $5::text::json, $6::text::json, $7, $8, $9, $10) ON CONFLICT (task_id) DO UPDATE SET \
     task_type = excluded.task_type, status = excluded.status, progress = excluded.progress, params = excluded.params, \
     result_summary = excluded.result_summary, error_message = excluded.error_message, \
     created_at = excluded.created_at, updated_at = excluded.updated_at, completed_at = excluded.completed_at";

impl PostgresResults {
    /// Writes through the connections of `pool`.
    pub fn new(pool: &PostgresPool) -> Self {
        Self { pool: pool.clone() }
    }
}

#[async_trait]
impl Results for PostgresResults {
    async fn recorded(
        &self,
        symbols: &[Symbol],
        codes: &[Arc<str>],
        days: &[Date],
    ) -> Result<HashMap<(Symbol, Arc<str>), Date>, Error> {
        if symbols.is_empty() || codes.is_empty() || days.is_empty() {
            return Ok(HashMap::new());
        }
        let session =
            self.pool.session(Task { operation: "read what is recorded", subject: "indicator_data" }).await?;
        let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
        // A code that no row can have is none that the server could be asked for.
        let asked: Vec<&str> = codes.iter().map(|code| &**code).filter(|code| !code.contains('\0')).collect();
        let rows = session
            .run(async |client| {
                client.query(&client.prepare_cached(RECORDED).await?, &[&days, &names, &asked]).await
            })
            .await?;
        let mut found = HashMap::with_capacity(rows.len());
        let symbols: HashMap<&str, &Symbol> =
            symbols.iter().map(|symbol| (symbol.as_str(), symbol)).collect();
        let codes: HashMap<&str, &Arc<str>> = codes.iter().map(|code| (&**code, code)).collect();
        for row in &rows {
            let read = |error: tokio_postgres::Error| session.task.failed(&error);
            let symbol = symbols.get(row.try_get::<_, &str>(0).map_err(read)?);
            let code = codes.get(row.try_get::<_, &str>(1).map_err(read)?);
            if let (Some(symbol), Some(code)) = (symbol, code) {
                found.insert(((*symbol).clone(), Arc::clone(code)), row.try_get(2).map_err(read)?);
            }
        }
        session.release();
        Ok(found)
    }

    async fn write(&self, rows: &[ResultRow]) -> Result<u64, Error> {
        rows.iter().try_for_each(ResultRow::check)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let session =
            self.pool.session(Task { operation: "record results", subject: "indicator_data" }).await?;
        session.run(async |client| client.batch_execute(STAGE).await).await?;
        let sink = session.run(async |client| client.copy_in::<_, Bytes>(COPY).await).await?;
        copy(&session, sink, rows).await?;
        let written = session
            .run(async |client| client.execute(&client.prepare_cached(MERGE).await?, &[]).await)
            .await?;
        session.run(async |client| client.batch_execute("COMMIT").await).await?;
        session.release();
        Ok(written)
    }

    async fn task(&self, task_id: &str) -> Result<Option<TaskRecord>, Error> {
        if task_id.contains('\0') {
            return Ok(None);
        }
        let session = self.pool.session(Task { operation: "read the task", subject: task_id }).await?;
        let row = session
            .run(async |client| client.query_opt(&client.prepare_cached(TASK).await?, &[&task_id]).await)
            .await?;
        let record = row.as_ref().map(|row| record(task_id, row));
        let record = record.transpose().map_err(|column| {
            session
                .task
                .error(ErrorKind::Malformed, format!("the column {column} of indicator_tasks cannot be read"))
        })?;
        session.release();
        Ok(record)
    }

    async fn record_task(&self, task: &TaskRecord) -> Result<(), Error> {
        let task = task.kept()?;
        let session =
            self.pool.session(Task { operation: "record the task", subject: &task.task_id }).await?;
        let [params, summary] =
            [&task.params, &task.result_summary].map(|json| json.as_ref().map(Json::dumps));
        session
            .run(async |client| {
                let statement = client.prepare_cached(RECORD_TASK).await?;
                let status = task.status.as_str();
                client
                    .execute(
                        &statement,
                        &[
                            &task.task_id,
                            &task.task_type,
                            &status,
                            &task.progress,
                            &params,
                            &summary,
                            &task.error_message,
                            &task.created,
                            &task.updated,
                            &task.completed,
                        ],
                    )
                    .await
            })
            .await?;
        session.release();
        Ok(())
    }
}

async fn copy(session: &Session<'_>, sink: CopyInSink<Bytes>, rows: &[ResultRow]) -> Result<(), Error> {
    let mut sink = pin!(sink);
    let mut tuples = Tuples::new();
    for (place, row) in (0_i32..).zip(rows) {
        tuples.tuple(6);
        tuples.field(Some(&place.to_be_bytes()));
        // The server counts from 2000-01-01; the check has kept the day near.
        tuples.field(Some(&(day::number(row.day) - EPOCH).to_be_bytes()));
        tuples.field(Some(row.symbol.as_str().as_bytes()));
        tuples.field(Some(row.code.as_bytes()));
        tuples.field(row.value().map(f64::to_be_bytes).as_ref().map(|bytes| &bytes[..]));
        tuples.field(row.complex_value().as_ref().map(String::as_bytes));
        if tuples.len() >= PIECE {
            session.wait(sink.send(tuples.take())).await?;
        }
    }
    session.wait(sink.send(tuples.finish())).await?;
    session.wait(sink.as_mut().finish()).await.map(drop)
}

/// 2000-01-01 as a day since 1970-01-01.
const EPOCH: i32 = 10_957;

/// Reads the row of the task; on failure returns the name of the column.
fn record(task_id: &str, row: &Row) -> Result<TaskRecord, &'static str> {
    let text = |column: usize, name| row.try_get::<_, Option<String>>(column).map_err(|_| name);
    let json = |column: usize, name| {
        let parse = |text: String| Json::parse(text.as_bytes()).map_err(|_| name);
        text(column, name)?.map(parse).transpose()
    };
    let time = |column: usize, name| row.try_get::<_, Option<Timestamp>>(column).map_err(|_| name);
    Ok(TaskRecord {
        task_id: task_id.to_owned(),
        task_type: text(0, "task_type")?.unwrap_or_default(),
        status: text(1, "status")?.and_then(|word| TaskStatus::from_word(&word)).ok_or("status")?,
        progress: row.try_get::<_, Option<f64>>(2).map_err(|_| "progress")?.unwrap_or_default(),
        params: json(3, "params")?,
        result_summary: json(4, "result_summary")?,
        error_message: text(5, "error_message")?,
        created: time(6, "created_at")?.unwrap_or_default(),
        updated: time(7, "updated_at")?.unwrap_or_default(),
        completed: time(8, "completed_at")?,
    })
}
