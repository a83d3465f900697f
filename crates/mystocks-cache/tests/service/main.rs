//! The shared cache, on every store: what the Python backend gets right is kept, what it gets wrong does not happen.

// `cfg(test)` holds here anyway; it tells clippy that what these modules unwrap they unwrap in a test.
#[cfg(test)]
mod arrange;
#[cfg(test)]
#[cfg(feature = "redis")]
#[path = "../fixture/mod.rs"]
mod fixture;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod life;
#[cfg(test)]
mod off;
#[cfg(test)]
#[cfg(feature = "redis")]
mod outage;
#[cfg(test)]
mod pattern;
#[cfg(test)]
mod stats;
#[cfg(test)]
mod values;

/// Makes a test per store of each of the functions, which take an `Arc<dyn Store>`.
macro_rules! on_every_store {
    ($($test:ident)*) => {
        mod memory {
            use std::sync::Arc;
            $(#[tokio::test]
            async fn $test() {
                super::$test(Arc::new(mystocks_cache::MemoryStore::new())).await;
            })*
        }

        #[cfg(feature = "redis")]
        mod redis {
            use std::sync::Arc;
            $(#[tokio::test]
            async fn $test() {
                super::$test(Arc::new(crate::fixture::PrivateRedis::start().await)).await;
            })*
        }
    };
}
pub(crate) use on_every_store;
