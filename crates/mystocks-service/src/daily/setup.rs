//! The parts of the daily job, put together from the settings.

use anyhow::Result;
use mystocks_cache::Policy;
use mystocks_indicators::postgres::{PostgresBars, PostgresResults};
use mystocks_indicators::{DailyJob, IndicatorService, Reading};

use crate::cli;
use crate::platform::Platform;

/// So many bytes of results a process keeps: it writes them for others and reads none itself.
const L1: u64 = 1 << 20;
/// For what the store is asked to write at once, a quarter of a second may be short.
const WRITE: std::time::Duration = std::time::Duration::from_secs(5);

pub(super) struct Setup {
    pub(super) job: DailyJob,
    service: IndicatorService,
    platform: Platform,
}

impl Setup {
    pub(super) async fn open(arguments: &cli::Daily) -> Result<Self> {
        let platform = Platform::open("daily").await?;
        let pool = platform.database(&arguments.database)?;
        let bars = PostgresBars::new(pool).with_adjustment(arguments.adjustment.into());
        let ttl = platform.settings.cache.ttl;
        let policy = Policy { ttl, l1_capacity: L1, l2_timeout: WRITE, ..Policy::default() };
        let builder = IndicatorService::builder(bars).hub(platform.hub()?);
        let service = builder.policy(policy).reading(Reading::Results).build()?;
        let results = PostgresResults::new(pool);
        let job = DailyJob::new(&service, results, platform.locker()?, platform.log())
            .bus(platform.bus())
            .chunk(arguments.chunk())
            .plan(arguments.plan()?);
        Ok(Self { job, service, platform })
    }

    /// Ends every task, those first that others depend on.
    pub(super) async fn close(self) {
        self.service.shutdown().await;
        self.platform.close().await;
    }
}
