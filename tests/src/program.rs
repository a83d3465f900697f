//! The program `mystocks`, as a person runs it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Returns the program that `cargo xtask test` has built, or builds it: `CARGO_BIN_EXE_…` is for a package's own tests only.
///
/// # Panics
/// When it does not build.
pub fn mystocks() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(named) = std::env::var_os("MYSTOCKS_BIN") {
            return named.into();
        }
        let this = std::env::current_exe().expect("a test has a file");
        // It lies in TARGET/PROFILE/deps.
        let target = this.ancestors().nth(3).expect("tests lie in a target folder");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = std::process::Command::new(cargo);
        build.args(["build", "--quiet", "--package", "mystocks-service", "--target-dir"]).arg(target);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(build.status().expect("cargo runs").success(), "mystocks-service does not build");
        target.join("debug").join(format!("mystocks{}", std::env::consts::EXE_SUFFIX))
    })
}
