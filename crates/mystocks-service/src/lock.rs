//! `mystocks lock`: who holds what.

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail, ensure};
use mystocks_lock::LockInfo;
use serde_json::{Value, json};

use crate::cli::{Format, Lock, Release};
use crate::platform::Platform;
use crate::say;

/// Lists, looks up or takes away.
pub(crate) async fn run(arguments: &Lock) -> Result<ExitCode> {
    Platform::with("lock", async |platform| {
        ensure!(
            platform.settings.lock.enabled,
            "look at locks: REDIS_ENABLE_LOCK is off, each process has its own"
        );
        match arguments {
            Lock::List { beginning, format } => list(platform, beginning, *format).await,
            Lock::Info { name, format } => info(platform, name, *format).await,
            Lock::Release(release) => take_away(platform, release).await,
        }
    })
    .await
}

async fn list(platform: &Platform, beginning: &str, format: Format) -> Result<ExitCode> {
    let held = platform.locker()?.list(beginning).await?;
    let machine = json!({ "locks": held.iter().map(machine).collect::<Vec<_>>() });
    say::answer(format.json, &machine, || {
        if held.is_empty() {
            return "no lock is held".to_owned();
        }
        let mut rows =
            vec![["lock", "held by", "for", "left", "fence", "waiting"].map(str::to_owned).to_vec()];
        rows.extend(held.iter().map(|lock| {
            let since = lock.acquired_at.and_then(|at| SystemTime::now().duration_since(at).ok());
            vec![
                lock.resource.clone(),
                holder(lock),
                since.map_or_else(|| "-".to_owned(), seconds),
                lock.ttl.map_or_else(|| "for ever".to_owned(), seconds),
                lock.fence.map_or_else(|| "-".to_owned(), |fence| fence.to_string()),
                lock.waiters.to_string(),
            ]
        }));
        say::table(&rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn info(platform: &Platform, name: &str, format: Format) -> Result<ExitCode> {
    let Some(lock) = platform.locker()?.info(name.to_owned()).await? else { return nobody(name, format) };
    say::answer(format.json, &machine(&lock), || sentence(&lock))?;
    Ok(ExitCode::SUCCESS)
}

async fn take_away(platform: &Platform, release: &Release) -> Result<ExitCode> {
    let (locker, name) = (platform.locker()?, release.name.clone());
    let Some(lock) = locker.info(name.clone()).await? else { return nobody(&name, release.format) };
    if !release.force {
        bail!("release {name}: it is held by {}, who gives it back; --force takes it away", holder(&lock));
    }
    if !release.yes {
        ensure!(io::stdin().is_terminal(), "release {name} by force: nobody can be asked here, say --yes");
        say::note(format_args!("{}. Take it away? [y/N]", sentence(&lock)));
        let mut said = String::new();
        io::stdin().lock().read_line(&mut said)?;
        ensure!(matches!(said.trim(), "y" | "yes"), "release {name} by force: left as it is");
    }
    // What was removed may be another holder's by now: that one is told of.
    let Some(lock) = locker.force_release(name.clone(), "mystocks lock release").await? else {
        return nobody(&name, release.format);
    };
    let mut machine = machine(&lock);
    if let Value::Object(fields) = &mut machine {
        fields.insert("released".to_owned(), json!(true));
    }
    say::answer(release.format.json, &machine, || {
        format!("{name} is free; it was held by {}", holder(&lock))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn nobody(name: &str, format: Format) -> Result<ExitCode> {
    say::answer(format.json, &json!({ "lock": name, "held": false }), || format!("nobody holds {name}"))?;
    Ok(ExitCode::FAILURE)
}

fn machine(lock: &LockInfo) -> Value {
    let owner = lock.owner.as_ref();
    let since = lock.acquired_at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    json!({
        "lock": lock.resource,
        "held": true,
        "owner": owner.map(|owner| json!({ "host": owner.host, "pid": owner.pid, "name": owner.name })),
        "fence": lock.fence,
        "acquired_at": since.map(|since| since.as_secs_f64()),
        "seconds_left": lock.ttl.map(|left| left.as_secs_f64()),
        "waiters": lock.waiters,
    })
}

fn sentence(lock: &LockInfo) -> String {
    let left =
        lock.ttl.map_or_else(|| "for ever".to_owned(), |left| format!("for another {}", seconds(left)));
    let fence = lock.fence.map_or_else(String::new, |fence| format!(", fence {fence}"));
    let waiting = say::count(lock.waiters, "waits", "wait");
    format!("{} is held by {} {left}{fence}; {waiting}", lock.resource, holder(lock))
}

fn holder(lock: &LockInfo) -> String {
    lock.owner.as_ref().map_or_else(|| "somebody who left no name".to_owned(), ToString::to_string)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
