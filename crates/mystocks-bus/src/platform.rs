//! The platform's events, published in one call each.

use mystocks_keys::Json;

use crate::bus::Bus;
use crate::error::Error;
use crate::event::{ConfigReloaded, IndicatorCalculated, PriceUpdate, TaskStatus, TaskUpdated};

/// Each returns how many listeners it had, and fails as [`Bus::publish`] does.
impl Bus {
    /// Tells on `indicator:calculated` that an indicator of a stock was computed; `params` is an object.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    pub async fn publish_indicator_calculated(
        &self,
        stock_code: &str,
        indicator_code: &str,
        params: Json,
        success: bool,
    ) -> Result<u64, Error> {
        self.publish(&IndicatorCalculated::new(stock_code, indicator_code, params, success)).await
    }

    /// Tells on `price:update` the price of a stock and its change, in yuan and percent.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    pub async fn publish_price_update(
        &self,
        stock_code: &str,
        price: f64,
        change: f64,
        change_pct: f64,
    ) -> Result<u64, Error> {
        self.publish(&PriceUpdate::new(stock_code, price, change, change_pct)).await
    }

    /// Tells on `task:updated` how a task stands and how far it is, in percent; `result` is an object.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    pub async fn publish_task_updated(
        &self,
        task_id: &str,
        status: TaskStatus,
        progress: f64,
        result: Option<Json>,
    ) -> Result<u64, Error> {
        self.publish(&TaskUpdated::new(task_id, status, progress, result)).await
    }

    /// Tells on `config:reloaded` that a configuration was read anew.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    pub async fn publish_config_reloaded(&self, config_type: &str) -> Result<u64, Error> {
        self.publish(&ConfigReloaded::new(config_type)).await
    }
}
