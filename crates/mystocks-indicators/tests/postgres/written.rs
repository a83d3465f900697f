//! Results under faults: all of a call or nothing, and repeating it is right.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use mystocks_indicators::postgres::PostgresResults;
use mystocks_indicators::{ErrorKind, ResultRow, Results, Symbol};
use mystocks_testkit::FaultProxy;
use tokio::task::JoinSet;

use crate::rig::{Platform, client, day, hasty, platform, pool, soon, symbol};

const STOCKS: usize = 200;
const CODES: [&str; 9] = ["SMA", "EMA", "WMA", "MACD", "RSI", "BBANDS", "ATR", "KDJ", "OBV"];

/// Nine indicators of two hundred stocks: more than one piece of the COPY.
fn rows(of: Date, value: f64) -> Vec<ResultRow> {
    let codes = CODES.map(Arc::<str>::from);
    let stocks = (0..STOCKS).map(|stock| Symbol::new(&format!("{stock:06}")).unwrap());
    stocks
        .flat_map(|symbol| {
            codes.clone().map(|code| ResultRow {
                symbol: symbol.clone(),
                code,
                day: of,
                values: vec![(Cow::Borrowed("a"), value), (Cow::Borrowed("b"), 0.5)],
            })
        })
        .collect()
}

/// Returns how many rows there are, and how many different values.
async fn standing(platform: &Platform) -> (i64, i64) {
    let row =
        platform.client.query_one("SELECT count(*), count(DISTINCT value) FROM indicator_data", &[]).await;
    let row = row.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn only_rows_that_differ_are_touched() {
    let platform = Platform::start().await;
    let results = PostgresResults::new(&pool(&platform.server.url()));
    let mut given = rows(day(2), 1.0);
    let all = given.len() as u64;
    assert_eq!(results.write(&given).await.unwrap(), all);
    let touched = "SELECT count(*) FROM indicator_data WHERE xmin::text::int8 > $1";
    let newest = "SELECT max(xmin::text::int8) FROM indicator_data";
    let before: i64 = platform.client.query_one(newest, &[]).await.unwrap().get(0);
    given[3].values[1].1 = f64::NAN;
    given[7].values[0].1 = 2.0;
    assert_eq!(results.write(&given).await.unwrap(), 2);
    assert_eq!(results.write(&given).await.unwrap(), 0);
    let count: i64 = platform.client.query_one(touched, &[&before]).await.unwrap().get(0);
    assert_eq!(count, 2);
    assert_eq!(standing(&platform).await, (all.cast_signed(), 2));
}

#[tokio::test]
async fn a_cut_anywhere_leaves_all_or_nothing() {
    let platform = Platform::start().await;
    let proxy = FaultProxy::start(platform.server.address()).await;
    let results = PostgresResults::new(&pool(&platform.server.url_at(proxy.addr())));
    let all = i64::try_from(STOCKS * CODES.len()).unwrap();
    assert_eq!(results.write(&rows(day(2), 0.0)).await.unwrap(), all.cast_unsigned());
    let mut value = 0.0;
    for after in (0..10).map(|step| Duration::from_millis(step * 3)) {
        value += 1.0;
        let given = rows(day(2), value);
        let (outcome, ()) = tokio::join!(results.write(&given), async {
            tokio::time::sleep(after).await;
            proxy.cut();
        });
        if let Err(error) = outcome {
            assert!(error.kind() == ErrorKind::Source && error.is_retryable(), "{error}");
        }
        assert_eq!(standing(&platform).await, (all, 1), "after {after:?}: a part of a call");
        soon("the same call again", async || results.write(&given).await.is_ok()).await;
        assert_eq!(results.write(&given).await.unwrap(), 0);
        let row = platform.client.query_one("SELECT max(value) FROM indicator_data", &[]).await.unwrap();
        assert_eq!((row.get::<_, f64>(0), standing(&platform).await), (value, (all, 1)));
    }
}

#[tokio::test]
async fn a_cut_between_the_copy_and_the_commit_leaves_nothing() {
    let platform = Platform::start().await;
    let proxy = FaultProxy::start(platform.server.address()).await;
    let results = PostgresResults::new(&pool(&platform.server.url_at(proxy.addr())));
    let given = rows(day(2), 1.0);
    // The upsert stops at the lock.
    let locker = client(&platform.server).await;
    locker.batch_execute("BEGIN; LOCK TABLE indicator_data IN SHARE MODE").await.unwrap();
    let (outcome, ()) = tokio::join!(results.write(&given), async {
        soon("the upsert is under way", async || {
            let upserting = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO indicator_data%' AND wait_event_type = 'Lock'";
            platform.client.query_one(upserting, &[]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
        proxy.cut();
    });
    let error = outcome.unwrap_err();
    assert!(error.kind() == ErrorKind::Source && error.is_retryable(), "{error}");
    locker.batch_execute("ROLLBACK").await.unwrap();
    soon("its session is gone", async || {
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mystocks'";
        platform.client.query_one(sessions, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    assert_eq!(standing(&platform).await, (0, 0));
    assert_eq!(results.write(&given).await.unwrap(), given.len() as u64);
}

#[tokio::test]
async fn a_lost_answer_to_the_commit_is_repeated_without_harm() {
    let platform = Platform::start().await;
    let proxy = FaultProxy::start(platform.server.address()).await;
    let results = PostgresResults::new(&hasty(&platform.server.url_at(proxy.addr()), 1));
    let given = rows(day(2), 1.0);
    // Requests pass, answers do not: the call stops at its first statement.
    proxy.hold_replies(true);
    let error = results.write(&given).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    proxy.heal();
    assert_eq!(standing(&platform).await, (0, 0));
    // The commit reaches the server, its answer never comes.
    platform
        .run(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON indicator_data DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW WHEN (new.stock_code = '000000' AND new.indicator_code = 'SMA') EXECUTE FUNCTION slow()",
        )
        .await;
    let patient = PostgresResults::new(&pool(&platform.server.url_at(proxy.addr())));
    let (outcome, ()) = tokio::join!(patient.write(&given), async {
        soon("the commit is under way", async || {
            let committing =
                "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'";
            platform.client.query_one(committing, &[]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
        proxy.cut();
    });
    let error = outcome.unwrap_err();
    assert!(error.kind() == ErrorKind::Source && error.is_retryable(), "{error}");
    let all = i64::try_from(given.len()).unwrap();
    soon("it is written", async || standing(&platform).await == (all, 1)).await;
    assert_eq!(patient.write(&given).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_the_same_rows_do_not_block_each_other_for_good() {
    let platform = Platform::start().await;
    let results = PostgresResults::new(&pool(&platform.server.url()));
    let mut writers = JoinSet::new();
    for writer in 0..6_u8 {
        let results = results.clone();
        writers.spawn(async move {
            for round in 0..5 {
                let mut given = rows(day(2), f64::from(writer * 10 + round));
                if writer % 2 == 1 {
                    given.reverse();
                }
                results.write(&given).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    assert_eq!(standing(&platform).await, (i64::try_from(STOCKS * CODES.len()).unwrap(), 1));
}

#[tokio::test]
async fn a_day_is_midnight_in_the_time_zone_of_the_session() {
    let server = platform().config_line("timezone = 'Asia/Shanghai'").start().await;
    let platform = Platform::of(server).await;
    let url = platform.server.url();
    let [here, utc] = [url.clone(), format!("{url}?options=-c%20timezone%3DUTC")]
        .map(|url| PostgresResults::new(&pool(&url)));
    let row = |code: &str| ResultRow {
        symbol: symbol("600519"),
        code: code.into(),
        day: day(2),
        values: vec![(Cow::Borrowed("a"), 1.0)],
    };
    here.write(&[row("SMA")]).await.unwrap();
    utc.write(&[row("EMA")]).await.unwrap();
    let rows = platform
        .client
        .query(
            "SELECT timestamp, created_at > now() - interval '1 hour' FROM indicator_data ORDER BY timestamp",
            &[],
        )
        .await
        .unwrap();
    let times: Vec<String> = rows.iter().map(|row| row.get::<_, jiff::Timestamp>(0).to_string()).collect();
    assert_eq!(times, ["2024-01-01T16:00:00Z", "2024-01-02T00:00:00Z"]);
    assert!(rows.iter().all(|row| row.get(1)));
    let (symbols, codes) = ([symbol("600519")], ["SMA".into(), "EMA".into()]);
    let found = here.recorded(&symbols, &codes, &[day(1), day(2), day(3)]).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [((symbol("600519"), "SMA".into()), day(2))]);
}

#[tokio::test]
async fn a_task_that_another_program_has_spoilt_is_told_by_its_column() {
    let platform = Platform::start().await;
    let results = PostgresResults::new(&pool(&platform.server.url()));
    platform
        .run(
            "INSERT INTO indicator_tasks (task_id, status) VALUES ('bare', 'running'), ('odd', 'sleeping'), ('none', NULL)",
        )
        .await;
    let bare = results.task("bare").await.unwrap().unwrap();
    assert_eq!(
        (bare.progress, bare.task_type.as_str(), bare.created),
        (0.0, "", jiff::Timestamp::UNIX_EPOCH)
    );
    for id in ["odd", "none"] {
        let error = results.task(id).await.unwrap_err();
        assert_eq!((error.kind(), error.subject()), (ErrorKind::Malformed, id));
        assert!(error.to_string().contains("status") && !error.to_string().contains("sleeping"), "{error}");
    }
}

#[tokio::test]
async fn what_the_table_refuses_is_told_without_the_values() {
    let platform = Platform::start().await;
    let results = PostgresResults::new(&pool(&platform.server.url()));
    platform.run("ALTER TABLE indicator_data ADD CONSTRAINT is_small CHECK (value < 5)").await;
    let mut given = rows(day(2), 1.0);
    given[17].values[0].1 = 777.25;
    let error = results.write(&given).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("23514") && text.contains("is_small") && text.contains("indicator_data"), "{text}");
    assert!(!text.contains("777.25"), "{text}");
    assert_eq!(standing(&platform).await, (0, 0), "nothing of the call is written");
    given[17].values[0].1 = 1.0;
    assert_eq!(results.write(&given).await.unwrap(), given.len() as u64);
}
