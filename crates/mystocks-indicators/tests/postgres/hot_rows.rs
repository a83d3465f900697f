//! Hot rows in a table.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use mystocks_bus::MemoryLog;
use mystocks_cache::{Keyspace, MemoryStore};
use mystocks_indicators::conformance::fixation::{FixationRig, held};
use mystocks_indicators::postgres::PostgresHotRows;
use mystocks_indicators::{
    ErrorKind, Fixation, FixationStrategy, FixationTarget, HotRow, fixation_conformance,
};
use mystocks_testkit::PostgresServer;
use tokio_postgres::Client;

use crate::rig::{client, hasty, pool};

struct Table {
    server: PostgresServer,
    client: Client,
    target: PostgresHotRows,
}

impl Table {
    async fn make() -> Self {
        let server = PostgresServer::start().await;
        let client = client(&server).await;
        let target = PostgresHotRows::new(&pool(&server.url()), "public.hot rows\"").unwrap();
        target.create_if_missing().await.unwrap();
        target.create_if_missing().await.unwrap();
        Self { server, client, target }
    }

    async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }
}

#[async_trait]
impl FixationRig for Table {
    fn target(&self) -> Arc<dyn FixationTarget> {
        Arc::new(self.target.clone())
    }

    fn another(&self) -> Arc<dyn FixationTarget> {
        Arc::new(PostgresHotRows::new(&pool(&self.server.url()), "hot rows\"").unwrap())
    }

    async fn rows(&self) -> Vec<HotRow> {
        let found = self.client.query("SELECT kind, key, at, fields::text FROM \"hot rows\"\"\"", &[]).await;
        let row = |row: &tokio_postgres::Row| HotRow {
            kind: row.get(0),
            key: row.get(1),
            at: row.get(2),
            fields: HotRow::fields_of(row.get(3)).unwrap(),
        };
        found.unwrap().iter().map(row).collect()
    }
}

mod conformance {
    use super::*;

    fixation_conformance!(Table::make().await);
}

fn quote(key: &str, number: i64) -> HotRow {
    let at = Timestamp::from_microsecond(1_735_800_000_000_000 + number).unwrap();
    HotRow::new("quote", key, at, [("price", 10.0 + number as f64 / 100.0)])
}

/// What `jsonb`, a column or a constraint refuses is a matter of the row; what the server cannot do is not.
#[tokio::test]
async fn a_refused_row_is_told_from_a_table_in_trouble() {
    let table = Table::make().await;
    table.run("ALTER TABLE \"hot rows\"\"\" ALTER key TYPE varchar(10), ADD CHECK (key <> 'never')").await;
    let zero = HotRow::new("quote", "a", Timestamp::UNIX_EPOCH, [("name", "a\0b")]);
    for bad in [zero, quote("longer than that", 1), quote("never", 1)] {
        let error = table.target.upsert(&held(&[quote("good", 1), bad])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains("hot rows"), "{error}");
    }
    assert_eq!(table.rows().await, []);
    table.run("DROP TABLE \"hot rows\"\"\"").await;
    let error = table.target.upsert(&held(&[quote("good", 1)])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    table.target.create_if_missing().await.unwrap();
    assert_eq!(table.target.upsert(&held(&[quote("good", 1)])).await.unwrap(), 1);
}

/// A partition, a row elsewhere or a value of the table's own that is missing can be put right: no row is given up for it.
#[tokio::test]
async fn a_table_that_can_be_put_right_refuses_no_row() {
    let table = Table::make().await;
    table
        .run(
            "CREATE TABLE parted (kind text, key text, at timestamptz, fields jsonb, put_ms int8, put_nr int8, \
             PRIMARY KEY (kind, key, at)) PARTITION BY RANGE (at); \
             CREATE TABLE stocks (key text PRIMARY KEY); \
             CREATE TABLE owned (LIKE parted INCLUDING ALL, FOREIGN KEY (key) REFERENCES stocks); \
             CREATE TABLE late (LIKE parted INCLUDING ALL, \
             FOREIGN KEY (key) REFERENCES stocks DEFERRABLE INITIALLY DEFERRED); \
             CREATE TABLE wide (LIKE parted INCLUDING ALL, more text NOT NULL)",
        )
        .await;
    let cases = [
        ("parted", "23514", "CREATE TABLE part PARTITION OF parted DEFAULT"),
        ("owned", "23503", "INSERT INTO stocks VALUES ('good') ON CONFLICT DO NOTHING"),
        ("late", "23503", "INSERT INTO stocks VALUES ('good') ON CONFLICT DO NOTHING"),
        ("wide", "23502", "ALTER TABLE wide ALTER more SET DEFAULT ''"),
    ];
    for (name, code, mend) in cases {
        table.run("DELETE FROM late; DELETE FROM owned; DELETE FROM stocks").await;
        let target = PostgresHotRows::new(&pool(&table.server.url()), name).unwrap();
        let error = target.upsert(&held(&[quote("good", 1)])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(error.to_string().contains(code), "{error}");
        assert_eq!(error.to_string().contains("no partition"), name == "parted", "{error}");
        table.run(mend).await;
        assert_eq!(target.upsert(&held(&[quote("good", 1)])).await.unwrap(), 1, "{name}");
    }
}

/// What the server says while rows are copied is about one of them: the others are written.
#[tokio::test]
async fn a_row_that_cannot_be_copied_holds_no_other_up() {
    let table = Table::make().await;
    table.run("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0").await;
    let url = table.server.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    let target = PostgresHotRows::new(&pool(&format!("{server}/latin")), "hot_rows").unwrap();
    target.create_if_missing().await.unwrap();
    let error = target.upsert(&held(&[quote("good", 1), quote("茅台", 1)])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.to_string().contains("22P05"), "{error}");
    let fixation = Fixation::new(MemoryStore::new(), &Keyspace::default(), MemoryLog::new(), target.clone())
        .strategy(FixationStrategy::OnDemand);
    let mut rows: Vec<_> = (0..2_000).map(|number| quote("600519", number)).collect();
    rows[1_000].key = "茅台".to_owned();
    fixation.put_all(&rows).await.unwrap();
    fixation.flush().await.unwrap();
    let state = fixation.state().await.unwrap();
    assert_eq!((state.written, state.dead, state.held), (1_999, 1, 0), "{state:?}");
}

/// A host that vanished with a transaction open does not hold its locks for hours.
#[tokio::test]
async fn the_server_is_told_when_to_take_a_writer_for_gone() {
    let table = Table::make().await;
    table
        .run(
            "CREATE TABLE told (name text, value text); \
             CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO told SELECT name, current_setting(name) FROM unnest(ARRAY['idle_in_transaction_session_timeout', \
             'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count']) AS name; RETURN NEW; END $$; \
             CREATE TRIGGER tell BEFORE INSERT ON \"hot rows\"\"\" FOR EACH ROW EXECUTE FUNCTION tell()",
        )
        .await;
    table.target.upsert(&held(&[quote("600519", 1)])).await.unwrap();
    let told = table.client.query("SELECT value FROM told ORDER BY name", &[]).await.unwrap();
    let told: Vec<&str> = told.iter().map(|row| row.get(0)).collect();
    assert_eq!(told, ["1min", "3", "30", "10"]);
}

#[tokio::test]
async fn what_is_no_name_of_a_table_is_refused() {
    let pool = hasty("postgresql://postgres@127.0.0.1:1/postgres", 1);
    for name in ["", "a.b.c", ".a", "a\0", &"x".repeat(64)] {
        let error = PostgresHotRows::new(&pool, name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}");
    }
}

/// A server that goes and comes while rows are put: each row stands there once, a refused one lies aside.
#[tokio::test]
async fn rows_are_held_while_the_server_is_away() {
    let mut table = Table::make().await;
    let target = PostgresHotRows::new(&hasty(&table.server.url(), 2), "hot rows\"").unwrap();
    let fixation = Fixation::new(MemoryStore::new(), &Keyspace::default(), MemoryLog::new(), target)
        .strategy(FixationStrategy::Immediate)
        .batch(50, 1 << 20);
    let worker = fixation.work().await.unwrap();
    for number in 0..2_000 {
        fixation.put(&quote("600519", number)).await.unwrap();
        match number {
            500 => table.server.kill().await,
            1_500 => table.server.restart().await,
            _ => tokio::time::sleep(std::time::Duration::from_micros(200)).await,
        }
    }
    fixation.put(&HotRow::new("quote", "a", Timestamp::UNIX_EPOCH, [("name", "a\0b")])).await.unwrap();
    fixation.flush().await.unwrap();
    let state = fixation.state().await.unwrap();
    assert_eq!((state.held, state.dead, state.dead_letters), (0, 1, 1), "{state:?}");
    assert!(state.failed > 0 && state.written + state.duplicate >= 2_000, "{state:?}");
    worker.shutdown().await;
    table.client = client(&table.server).await;
    let mut rows = table.rows().await;
    rows.sort_by_key(|row| row.at);
    assert_eq!(rows, (0..2_000).map(|number| quote("600519", number)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_password_that_does_not_let_in_refuses_no_row() {
    let server = PostgresServer::builder().password("hunter2").start().await;
    let wrong = server.url().replace("hunter2", "swordfish9");
    // The name of the user stays, the path is another.
    let nowhere = server.url().replace("/postgres", "/nowhere").replace("//nowhere", "//postgres");
    let row = HotRow::new("quote", "600519", Timestamp::UNIX_EPOCH, [("price", 1.0)]);
    for (url, code) in [(wrong, "28P01"), (nowhere, "3D000")] {
        let target = PostgresHotRows::new(&pool(&url), "hot_rows").unwrap();
        let error = target.upsert(&held(std::slice::from_ref(&row))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Source, "{error}");
        assert!(error.to_string().contains(code) && error.is_retryable(), "{error}");
        assert!(!format!("{error:?}").contains("swordfish9"), "{error:?}");
    }
}

#[tokio::test]
async fn a_row_without_a_place_was_put_before_all_others() {
    let table = Table::make().await;
    table
        .run(
            "ALTER TABLE \"hot rows\"\"\" ALTER put_ms DROP NOT NULL, ALTER put_nr DROP NOT NULL; \
             INSERT INTO \"hot rows\"\"\" VALUES ('quote', '600519', '1970-01-01 00:00:00+00', '{\"price\": 1.0}', NULL, NULL)",
        )
        .await;
    let row = HotRow::new("quote", "600519", Timestamp::UNIX_EPOCH, [("price", 2.0)]);
    assert_eq!(table.target.upsert(&held(std::slice::from_ref(&row))).await.unwrap(), 1);
    assert_eq!(table.rows().await, [row]);
}
