//! The one manager of the process, for those who want one.

use std::sync::OnceLock;

use crate::{Error, ErrorKind, RedisManager};

static GLOBAL: OnceLock<RedisManager> = OnceLock::new();

const SUBJECT: &str = "the manager of the process";

impl RedisManager {
    /// Makes this the manager that [`RedisManager::global`] returns, for good.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is one already.
    pub fn install_global(self) -> Result<(), Error> {
        GLOBAL.set(self).map_err(|_| {
            Error::new(ErrorKind::Config, "install", SUBJECT)
                .with_detail("one is installed already: install it once, in main")
        })
    }

    /// Returns the manager of the process.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when none was installed.
    pub fn global() -> Result<Self, Error> {
        GLOBAL.get().cloned().ok_or_else(|| {
            Error::new(ErrorKind::Config, "get", SUBJECT)
                .with_detail("none is installed: call RedisManager::start(..).await?.install_global()? first")
        })
    }
}
