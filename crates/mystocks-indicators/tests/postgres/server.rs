//! The private server that these tests stand on.

use std::path::Path;

use mystocks_testkit::PostgresServer;

use crate::rig::{Platform, client, soon};

#[tokio::test]
async fn it_listens_on_loopback_only_and_syncs_nothing() {
    let server = PostgresServer::start().await;
    let client = client(&server).await;
    for (setting, expected) in
        [("listen_addresses", "127.0.0.1"), ("fsync", "off"), ("jit", "off"), ("timezone", "UTC")]
    {
        let row = client.query_one("SELECT current_setting($1)", &[&setting]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), expected, "{setting}");
    }
    let synced = PostgresServer::builder().synced().config_line("work_mem = '7MB'").start().await;
    let client = self::client(&synced).await;
    for (setting, expected) in [("fsync", "on"), ("work_mem", "7MB")] {
        let row = client.query_one("SELECT current_setting($1)", &[&setting]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), expected, "{setting}");
    }
}

#[tokio::test]
async fn kill_and_restart_keep_the_port_and_what_was_committed() {
    let mut platform = Platform::start().await;
    let (port, first) = (platform.server.port(), platform.server.pid().unwrap());
    platform.run("INSERT INTO symbols_info (symbol) VALUES ('600519')").await;
    platform.server.kill().await;
    assert_eq!(platform.server.pid(), None);
    assert!(std::net::TcpStream::connect(platform.server.address()).is_err());
    platform.server.restart().await;
    assert_eq!(platform.server.port(), port);
    assert_ne!(platform.server.pid().unwrap(), first);
    let client = client(&platform.server).await;
    assert_eq!(client.query("SELECT symbol FROM symbols_info", &[]).await.unwrap().len(), 1);
    platform.server.restart().await;
    assert!(platform.server.log().contains("database system is ready to accept connections"));
}

#[tokio::test]
async fn two_servers_know_nothing_of_each_other_and_leave_nothing_behind() {
    let (one, other) = (Platform::start().await, Platform::start().await);
    one.run("INSERT INTO symbols_info (symbol) VALUES ('600519')").await;
    assert!(other.client.query("SELECT symbol FROM symbols_info", &[]).await.unwrap().is_empty());
    let row = one
        .client
        .query_one("SELECT current_setting('data_directory'), pg_backend_pid()", &[])
        .await
        .unwrap();
    let (folder, session): (String, i32) = (row.get(0), row.get(1));
    let postmaster = one.server.pid().unwrap();
    assert!(Path::new(&folder).is_dir());
    drop(one);
    assert!(!Path::new(&folder).exists());
    assert!(!Path::new(&format!("/proc/{postmaster}")).exists());
    soon("its sessions are gone", async || !Path::new(&format!("/proc/{session}")).exists()).await;
    other.run("SELECT 1").await;
}
