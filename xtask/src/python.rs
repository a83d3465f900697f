//! Which Python the commands use, and the virtual environment of the Python peer.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};

use crate::process::{located, on_path, run};
use crate::say::note;
use crate::workspace::root;

/// Returns the absolute path of `$PYTHON`, else of python3 on PATH.
pub(crate) fn interpreter() -> Result<PathBuf> {
    chosen(env::var_os("PYTHON").filter(|given| !given.is_empty()).as_deref())
}

fn chosen(given: Option<&OsStr>) -> Result<PathBuf> {
    let Some(given) = given.map(Path::new) else {
        return on_path("python3").context("there is no python3 on PATH and no $PYTHON");
    };
    located(given).with_context(|| format!("PYTHON={}: no such program", given.display()))
}

/// Makes the virtual environment `name` under target/ for a Python peer, unless it is there with these requirements.
pub(crate) fn environment(name: &str, requirements: &str) -> Result<PathBuf> {
    let home = root().join("target").join(name);
    let python = home.join("bin/python");
    let requirements = root().join("tests/peers/python").join(requirements);
    let wanted = fs::read(&requirements).context("failed to read the requirements of the Python peer")?;
    // Written last: an environment without it is half made.
    let mark = home.join("made-of.txt");
    if fs::read(&mark).is_ok_and(|made_of| made_of == wanted) && python.exists() {
        return Ok(python);
    }
    note(format_args!("making the virtual environment target/{name}"));
    if home.exists() {
        fs::remove_dir_all(&home).context("failed to remove the old virtual environment")?;
    }
    run(Command::new(interpreter()?).args(["-m", "venv"]).arg(&home))
        .context("no virtual environment could be made")?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements);
    run(&mut install).context("the requirements of the Python peer could not be installed")?;
    fs::write(&mark, wanted).context("failed to mark the virtual environment as made")?;
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_interpreter_comes_before_python3() {
        assert_eq!(chosen(Some(OsStr::new("sh"))).unwrap(), on_path("sh").unwrap());
        assert_eq!(chosen(Some(OsStr::new("/bin/sh"))).unwrap(), Path::new("/bin/sh"));
        let error = chosen(Some(OsStr::new("no-such-python"))).unwrap_err().to_string();
        assert_eq!(error, "PYTHON=no-such-python: no such program");
    }
}
