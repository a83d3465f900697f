//! Where settings come from, and in which order.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::assemble::assemble;
use crate::error::Problem;
use crate::file::File;
use crate::layer::Layer;
use crate::merged::Merged;
use crate::shown::{self, ShownSetting};
use crate::{Error, Settings, dotenv, toml};

/// Reads settings: defaults < `mystocks.toml` < `.env` < environment.
///
/// Reads no file and no variable that it was not told of, and never the process environment by itself.
#[derive(Clone, Default)]
pub struct Loader {
    toml: Option<File>,
    dotenv: Option<File>,
    environment: Vec<(OsString, OsString)>,
}

impl Loader {
    /// Makes a loader that knows the defaults only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a loader of the usual files of a folder, `mystocks.toml` and `.env`; each may be missing.
    pub fn in_folder(folder: impl AsRef<Path>) -> Self {
        let optional = |name: &str| File { path: folder.as_ref().join(name), may_be_missing: true };
        Self {
            toml: Some(optional("mystocks.toml")),
            dotenv: Some(optional(".env")),
            environment: Vec::new(),
        }
    }

    /// Names the TOML file; it is an error when it is missing.
    #[must_use]
    pub fn toml_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.toml = Some(named(path));
        self
    }

    /// Names the `.env` file; it is an error when it is missing.
    #[must_use]
    pub fn dotenv_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.dotenv = Some(named(path));
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
        let mut problems = Vec::new();
        let settings = assemble(&self.merge(&mut problems), &mut problems);
        Error::from_problems(problems).map_or(Ok(settings), Err)
    }

    /// Reads every source and returns each setting with the place it stands at, for people to read: no secret is in it.
    ///
    /// ```
    /// use mystocks_config::Loader;
    ///
    /// let shown = Loader::new().environment([("REDIS_PASSWORD", "sesame")]).show()?;
    /// let password = shown.iter().find(|setting| setting.key.name == "REDIS_PASSWORD").ok_or("a key")?;
    /// assert_eq!((&*password.value, &*password.source), ("***", "the environment"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn show(&self) -> Result<Vec<ShownSetting>, Error> {
        let mut problems = Vec::new();
        let merged = self.merge(&mut problems);
        // It finds every mistake, those of `${NAME}` too.
        let _ = assemble(&merged, &mut problems);
        if let Some(error) = Error::from_problems(problems) {
            return Err(error);
        }
        let mut problems = Vec::new();
        let all = shown::all(&merged, &mut problems);
        Error::from_problems(problems).map_or(Ok(all), Err)
    }

    fn merge(&self, problems: &mut Vec<Problem>) -> Merged {
        Merged::new([
            Layer::of_defaults(),
            read(self.toml.as_ref(), toml::read, problems),
            read(self.dotenv.as_ref(), dotenv::read, problems),
            Layer::of_environment(&self.environment, problems),
        ])
    }
}

type ReadText = fn(&File, &str, &mut Vec<Problem>) -> Layer;

fn read(file: Option<&File>, read_text: ReadText, problems: &mut Vec<Problem>) -> Layer {
    let text = file.and_then(|file| match file.read() {
        Ok(text) => text.map(|text| (file, text)),
        Err(problem) => {
            problems.push(problem);
            None
        }
    });
    match text {
        Some((file, text)) => read_text(file, &text, problems),
        None => Layer::new("no file"),
    }
}

fn named(path: impl Into<PathBuf>) -> File {
    File { path: path.into(), may_be_missing: false }
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
