//! The examples of the crates: programs that run, and print what stands beside them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::read;
use crate::say::note;
use crate::workspace::{cargo, list, text};

/// Runs the examples of the packages `chosen` (of all, if there are none) and returns how many there are.
///
/// # Errors
/// One that fails, that prints something else than the text file beside it, or that has none.
pub(crate) fn run(metadata: &Value, chosen: &[String]) -> Result<u64> {
    let mut ran = 0;
    for package in list(metadata, "packages") {
        let package_name = text(package, "name");
        if !chosen.is_empty() && !chosen.iter().any(|name| name == package_name) {
            continue;
        }
        let is_example = |target: &&Value| list(target, "kind").iter().any(|kind| kind == "example");
        for target in list(package, "targets").iter().filter(is_example) {
            let name = text(target, "name");
            let expected = Path::new(text(target, "src_path")).with_extension("txt");
            let expected = fs::read_to_string(&expected).with_context(|| {
                format!("the example {name} needs what it prints, in {}", expected.display())
            })?;
            let features: Vec<&str> =
                list(target, "required-features").iter().filter_map(Value::as_str).collect();
            let mut example = cargo();
            example.args(["run", "--quiet", "--package", package_name, "--example", name]);
            let printed = read(example.args(["--features", &features.join(",")]))?;
            ensure!(printed == expected, "the example {name} printed:\n{printed}instead of:\n{expected}");
            note(format_args!("example {name}: as it should be"));
            ran += 1;
        }
    }
    Ok(ran)
}
