//! Bars and names from PostgreSQL.

use mystocks_testkit::{PLATFORM_TABLES, PostgresServer, RedisServer};
use mystocks_tests::spawn;
use serde_json::json;
use tokio_postgres::NoTls;

use crate::service::Service;

#[tokio::test]
async fn bars_and_names_come_from_the_tables_of_the_platform_and_a_revision_is_seen_at_once() {
    let postgres = PostgresServer::builder().sql(PLATFORM_TABLES).start().await;
    let (client, connection) = tokio_postgres::connect(&postgres.url(), NoTls).await.unwrap();
    let _connection = spawn(async move { drop(connection.await) });
    let fill = "INSERT INTO daily_kline (symbol, trade_date, open, high, low, close, volume, adj_factor, created_at, updated_at)
         SELECT '600519.SH', date '2024-01-01' + d, 10 + d, 11 + d, 9 + d, 10.5 + d, 1000 + d, 1, now(), now()
         FROM generate_series(0, 9) d;
         INSERT INTO symbols_info (symbol, name) VALUES ('600519.SH', '贵州茅台')";
    client.batch_execute(fill).await.unwrap();
    let redis = RedisServer::start().await;
    let start = async |trust: &str| {
        Service::of(|command| {
            command.env("DATABASE_URL", postgres.url()).env("REDIS_URL", redis.url());
            command.args(["--trust-versions", trust]);
        })
        .await
    };
    for trust in ["0", "600"] {
        client
            .batch_execute(
                "UPDATE daily_kline SET close = 10.5 + volume - 1000, updated_at = clock_timestamp()",
            )
            .await
            .unwrap();
        let service = start(trust).await;
        let asked = json!({"symbol": "600519.SH", "start_date": "2024-01-06", "end_date": "2024-01-07",
            "indicators": [{"abbreviation": "SMA", "parameters": {"timeperiod": 2}}]});
        let values = |data: &serde_json::Value| data["indicators"][0]["outputs"][0]["values"].clone();
        for cached in [false, true] {
            let data = service.calculate(&asked).await;
            assert_eq!(
                (&data["symbol_name"], &data["cached"]),
                (&json!("贵州茅台"), &json!(cached)),
                "{data}"
            );
            assert_eq!(data["ohlcv"]["dates"], json!(["2024-01-06", "2024-01-07"]));
            assert_eq!((&data["ohlcv"]["close"], values(&data)), (&json!([15.5, 16.5]), json!([15.0, 16.0])));
        }
        client
            .batch_execute("UPDATE daily_kline SET close = close + 0.25, updated_at = clock_timestamp()")
            .await
            .unwrap();
        let data = service.calculate(&asked).await;
        if trust == "0" {
            assert_eq!(
                (&data["ohlcv"]["close"], values(&data)),
                (&json!([15.75, 16.75]), json!([15.25, 16.25]))
            );
        } else {
            // Bars and values are of one version, whichever that is.
            assert_eq!((&data["ohlcv"]["close"], values(&data)), (&json!([15.5, 16.5]), json!([15.0, 16.0])));
        }
        if trust != "0" {
            // Who has results of the version that is trusted, and no bars of it, goes over to the present one.
            let other = start(trust).await;
            let data = other.calculate(&asked).await;
            assert_eq!(
                (&data["ohlcv"]["close"], values(&data)),
                (&json!([15.75, 16.75]), json!([15.25, 16.25]))
            );
        }
        assert_eq!(service.get("/health/ready").await.status, 200);
    }
}
