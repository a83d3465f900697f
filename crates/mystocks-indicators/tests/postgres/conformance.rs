//! PostgreSQL against the conformance suites of the seams.

use mystocks_indicators::postgres::{PostgresBars, PostgresResults};
use mystocks_indicators::{bar_source_conformance, content_version_conformance, results_conformance};

use crate::rig::Platform;

mod bars {
    use super::*;

    bar_source_conformance!(Platform::start().await);
}

mod bars_by_time_alone {
    use super::*;

    bar_source_conformance!(Platform::start().await.read_by(PostgresBars::of_view));
}

mod bars_by_content {
    use super::*;

    bar_source_conformance!(Platform::start().await.read_by(PostgresBars::with_content_versions));
    content_version_conformance!(Platform::start().await.read_by(PostgresBars::with_content_versions));
}

mod results {
    use super::*;

    /// What the matrix below runs.
    const _: fn(&mystocks_indicators::postgres::PostgresPool) -> PostgresResults = PostgresResults::new;
    results_conformance!(Platform::start().await);
}
