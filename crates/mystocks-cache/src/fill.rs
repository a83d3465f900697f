//! Values that follow from their keys alone, written for all processes without leases.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::inner::Inner;
use crate::key::CacheKey;
use crate::l2::Times;
use crate::lease::{Held, Seen, Take, Want};
use crate::load::token;
use crate::load_ctx::Wishes;
use crate::store::Put;

/// The lease under which a stamp is drawn is given back at once; it ends by itself when that fails.
const LEASE: Duration = Duration::from_secs(2);

impl<K, V> Inner<K, V>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(crate) async fn fill(&self, entries: &[(K, V)]) -> Result<u64, Error> {
        let Some(l2) = &self.l2 else { return Ok(0) };
        let mut ready = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let named = self.named(key)?;
            // One that cannot be encoded, or is too large, is not held up for.
            match self.encode(&named, Some(value), &Wishes::default()) {
                Ok(encoded) => ready.extend(named.key.map(|key| (key, encoded))),
                Err(error) => tracing::debug!(cache = self.name, %error, "a value is not written"),
            }
        }
        let Some((first, _)) = ready.first() else { return Ok(0) };
        let written = async {
            // Before any value: what is cleared after this is older than what ends it.
            let Some(stamp) = self.stamp(first.as_str()).await? else { return Ok(0) };
            let sealed: Vec<_> = ready
                .iter()
                .map(|(key, encoded)| {
                    let times = Times {
                        ttl: self.policy.draw_ttl(false, None),
                        stale: self.policy.stale_if_error,
                        took: Duration::ZERO,
                    };
                    (key, l2.seal(key, encoded.clone(), stamp, times))
                })
                .collect();
            let puts = sealed.iter().map(|(key, (value, ttl))| Put {
                key: key.as_str(),
                value: value.clone(),
                ttl: *ttl,
            });
            let puts: Vec<Put<'_>> = puts.collect();
            l2.put_all(&puts).await.map(|()| puts.len() as u64)
        };
        match self.shared.write(self.policy.l2_timeout, written).await {
            Ok(count) => Ok(count),
            Err(away) => {
                self.note(&away);
                Ok(0)
            }
        }
    }

    /// Draws a stamp of the clock that orders loads and marks; `None` when somebody is just loading `key`.
    async fn stamp(&self, key: &str) -> Result<Option<u64>, Error> {
        let Some(leases) = &self.shared.leases else { return Ok(Some(self.shared.now_us())) };
        let token = token();
        // By force: who is loading the key makes the same value, and loses nothing but the write.
        let want = [Want { key, token: &token, seen: Seen::NOTHING, by_force: true }];
        let taken = leases.take(&want, LEASE).await?.pop();
        leases.release(&[Held { key, token: &token }]).await?;
        Ok(match taken {
            Some(Take::Taken { stamp }) => Some(stamp),
            _ => None,
        })
    }
}
