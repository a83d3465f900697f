//! The bus under faults. `cargo xtask soak bus` runs most of it for longer.
#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(clippy::print_stdout, reason = "faults print their seed")]

mod chaos;
mod gaps;
mod handling;
mod lanes;
mod ledger;

use std::time::Duration;

use mystocks_bus::{Bus, Event, Keyspace, PubSub, Topic};
use mystocks_config::{BusSettings, RedisSettings};
use mystocks_redis_core::RedisManager;
pub(crate) use mystocks_tests::{is_long, seed};
use serde::{Deserialize, Serialize};

/// One of many that are numbered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tick {
    pub(crate) number: u64,
}

impl Tick {
    pub(crate) fn topic() -> Topic<Self> {
        Topic::new("ticks")
    }
}

impl Event for Tick {
    const TYPE: &'static str = "tick";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Self::topic()]
    }
}

pub(crate) async fn bus(url: &str) -> Bus {
    let redis = RedisManager::start(&RedisSettings::from_url(url).unwrap()).await.unwrap();
    Bus::new(PubSub::new(redis), &BusSettings::default(), &Keyspace::default(), "tests")
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
