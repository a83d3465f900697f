//! Results of indicators and interfaces under the keys that Python gives them.

use std::time::Duration;

use mystocks_keys::Json;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{field, instrument};

use super::{CacheService, invalid_key};
use crate::error::Error;

/// How long an interface's answer lives when the caller names no other time.
const API_TTL: Duration = Duration::from_secs(300);

impl CacheService {
    /// Writes the result of an indicator for `ttl`, or for the configured time; one request.
    ///
    /// The key holds stock and indicator by name and `params` as 8 hex digits that Python computes alike: `20`, `20.0`
    /// and `"20"` are three different parameters. It knows nothing of the bars behind the result.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    #[instrument(
        name = "cache.cache_indicator_result",
        level = "debug",
        skip_all,
        fields(tier = "l2", namespace = "indicator")
    )]
    pub async fn cache_indicator_result<T>(
        &self,
        stock: &str,
        indicator: &str,
        params: &Json,
        result: &T,
        ttl: Option<Duration>,
    ) -> Result<(), Error>
    where
        T: Serialize + ?Sized,
    {
        let key = self
            .keyspace
            .indicator(stock, indicator, params)
            .map_err(|invalid| invalid_key("cache indicator result", stock, invalid))?;
        self.write_one(&key, result, ttl.unwrap_or(self.ttl)).await
    }

    /// Reads the result of an indicator; one request.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[instrument(name = "cache.get_cached_indicator_result", level = "debug", skip_all, fields(tier = "l2", namespace = "indicator", outcome = field::Empty))]
    pub async fn get_cached_indicator_result<T: DeserializeOwned>(
        &self,
        stock: &str,
        indicator: &str,
        params: &Json,
    ) -> Result<Option<T>, Error> {
        let key = self
            .keyspace
            .indicator(stock, indicator, params)
            .map_err(|invalid| invalid_key("get cached indicator result", stock, invalid))?;
        self.read_one(&key).await
    }

    /// Writes what `endpoint` answered to `params` for `ttl`, or for 300 seconds; one request.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    #[instrument(
        name = "cache.cache_api_response",
        level = "debug",
        skip_all,
        fields(tier = "l2", namespace = "api")
    )]
    pub async fn cache_api_response<T>(
        &self,
        endpoint: &str,
        params: &Json,
        response: &T,
        ttl: Option<Duration>,
    ) -> Result<(), Error>
    where
        T: Serialize + ?Sized,
    {
        let key = self
            .keyspace
            .api(endpoint, params)
            .map_err(|invalid| invalid_key("cache api response", endpoint, invalid))?;
        self.write_one(&key, response, ttl.unwrap_or(API_TTL)).await
    }

    /// Reads what `endpoint` answered to `params`; one request.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[instrument(name = "cache.get_cached_api_response", level = "debug", skip_all, fields(tier = "l2", namespace = "api", outcome = field::Empty))]
    pub async fn get_cached_api_response<T: DeserializeOwned>(
        &self,
        endpoint: &str,
        params: &Json,
    ) -> Result<Option<T>, Error> {
        let key = self
            .keyspace
            .api(endpoint, params)
            .map_err(|invalid| invalid_key("get cached api response", endpoint, invalid))?;
        self.read_one(&key).await
    }
}
