//! The folder of a cluster: made once by `initdb`, then copied, which is ten times quicker.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::binary::Binaries;
use super::spec::PostgresServerBuilder;
use super::user::User;
use crate::binary::targets;

/// Makes `folder/data` a fresh cluster that `user` owns.
pub(super) fn lay_out(binaries: &Binaries, user: Option<User>, folder: &Path) {
    let data = folder.join("data");
    let template = template(binaries);
    if let Some(template) = &template
        && template.is_dir()
    {
        copy(template, &data, user).unwrap_or_else(|error| panic!("copy the cluster: {error}"));
        return;
    }
    let mut initdb = binaries.command("initdb", user, folder);
    initdb.arg("-D").arg(&data).args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--no-locale",
    ]);
    complete(initdb.args(["--no-sync", "--wal-segsize=4"]).stdin(Stdio::null()), "initdb");
    // A test that cannot keep a template only has the next one wait a second longer.
    if let Some(template) = template {
        let _ = keep(&data, &template);
    }
}

/// Sets what needs no running server: who may come in, the password, and the tables.
pub(super) fn prepare(binaries: &Binaries, user: Option<User>, folder: &Path, spec: &PostgresServerBuilder) {
    fs::write(folder.join("data/pg_hba.conf"), spec.access()).expect("pg_hba.conf");
    let commands = spec.commands();
    if commands.is_empty() {
        return;
    }
    let script = folder.join("prepare.sql");
    fs::write(&script, commands).expect("the script");
    let mut single = binaries.command("postgres", user, folder);
    single
        .args(["--single", "-j", "-c", "exit_on_error=on", "-c", "fsync=off", "-D"])
        .arg(folder.join("data"));
    single.arg("postgres").stdin(File::open(&script).expect("the script"));
    complete(&mut single, "preparing the cluster");
}

fn complete(command: &mut Command, what: &str) {
    let ended = command.output().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        ended.status.success(),
        "{what} ended with {}\n{}{}",
        ended.status,
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
}

/// Returns where the template of this PostgreSQL is kept, under the target folder.
fn template(binaries: &Binaries) -> Option<PathBuf> {
    let mut hasher = DefaultHasher::new();
    binaries.version().hash(&mut hasher);
    let target = targets().find(|target| target.is_dir())?;
    Some(target.join(format!("postgres-template/{:016x}", hasher.finish())))
}

/// Copies `data` to `template`: whole, or not at all.
fn keep(data: &Path, template: &Path) -> io::Result<()> {
    let parent = template.parent().unwrap_or(template);
    fs::create_dir_all(parent)?;
    // Of its own: other tests and other processes make the same template at the same time, and the first to be done wins.
    let part = tempfile::Builder::new().prefix("part-").tempdir_in(parent)?;
    let whole = part.path().join("data");
    copy(data, &whole, None)?;
    fs::rename(&whole, template)
}

fn copy(from: &Path, to: &Path, owner: Option<User>) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, owner)?;
        } else {
            fs::copy(entry.path(), &target)?;
            owner.inspect(|owner| owner.own(&target));
        }
    }
    owner.inspect(|owner| owner.own(to));
    Ok(())
}
