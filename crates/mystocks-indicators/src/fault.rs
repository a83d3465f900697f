//! Why a load under one version gave no series.

use std::fmt;

use crate::error::{Error, ErrorKind};
use crate::version::SeriesVersion;

/// Why a load under one version gave no series.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The bars have this other version by now.
    Changed(SeriesVersion),
    /// It cannot be done.
    Failed(Error),
}

impl From<mystocks_cache::Error> for Fault {
    fn from(error: mystocks_cache::Error) -> Self {
        match error.load_error::<Self>() {
            Some(fault) => fault.clone(),
            None => Self::Failed(
                Error::new(ErrorKind::Cache, "read the indicator", error.subject().to_owned())
                    .with_source(error),
            ),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(version) => write!(f, "the bars changed to version {version}"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}
