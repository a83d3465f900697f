//! The sessions in Redis.

mod entry;
mod reading;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ::redis::cmd;
use async_trait::async_trait;
use mystocks_keys::{InvalidKey, Key, Keyspace};
use mystocks_redis_core::{Call, ErrorKind as Cause, Lane, RedisManager, Script, ScriptRun};

use crate::error::{Error, ErrorKind};
use crate::id::{SessionHandle, user_digest};
use crate::memory::millis;
use crate::redis::entry::Entry;
use crate::store::{
    Claim, Draft, Found, GRAVE, Load, Record, Revoke, Revoked, Save, Saved, SessionStore, Turn, Turned,
};

macro_rules! script {
    ($($file:literal)*) => {
        Script::new(concat!(include_str!("redis/session.lua"), $(include_str!($file)),*))
    };
}

static CREATE: Script = script!("redis/create.lua");
static LOAD: Script = script!("redis/load.lua");
static SAVE: Script = script!("redis/save.lua");
static ROTATE: Script = script!("redis/rotate.lua");
static CLAIM: Script = script!("redis/claim.lua");
static REVOKE: Script = script!("redis/revoke.lua");
static INSPECT: Script = script!("redis/inspect.lua");
static ENTER: Script = script!("redis/enter.lua");
static FORGET: Script = script!("redis/forget.lua");

/// How long after its entry in the list of its user a session can be written: well before a grave of then is closed.
const LATE: Duration = Duration::from_secs(30);
/// How many sessions of one user are looked at in one round trip.
const PAGE: usize = 256;
/// What is asked of a user's sessions, for errors: no user is named in them.
const OF_USER: &str = "the sessions of a user";

/// Keeps sessions in Redis, for every process that uses the same server and database.
///
/// A session is one key, and the list of a user's sessions another; each step is one script on one of them. Times are the server's.
#[derive(Debug, Clone)]
pub struct RedisSessions {
    manager: RedisManager,
    keyspace: Keyspace,
}

impl RedisSessions {
    /// Makes a store on the connections of `manager`.
    pub fn new(manager: RedisManager, keyspace: &Keyspace) -> Self {
        Self { manager, keyspace: keyspace.clone() }
    }

    fn key(&self, operation: &'static str, handle: &SessionHandle) -> Result<Key, Error> {
        self.keyspace.session(handle.as_str()).map_err(|cause| unnamed(operation, handle.as_str(), cause))
    }

    fn user_key(&self, operation: &'static str, user: &str) -> Result<Key, Error> {
        self.keyspace.session_user(&user_digest(user)).map_err(|cause| unnamed(operation, OF_USER, cause))
    }

    /// Enters a session in the list of its user, and returns the server's time then.
    async fn enter(&self, user: &str, handle: &SessionHandle, absolute: Duration) -> Result<String, Error> {
        let key = self.user_key("create", user)?;
        let args = [handle.as_str().as_bytes(), &text(millis(absolute))[..]];
        let answer = self.manager.script(&ENTER, &[key.as_str()], &args, Call::repeatable()).await;
        answer.map_err(|cause| error("create", handle.as_str(), cause))
    }

    /// Writes a session, `entered` in the list of its user.
    async fn write(&self, draft: &Draft<'_>, entered: Option<(&str, &str)>) -> Result<Record, Error> {
        let key = self.key("create", draft.handle)?;
        let (idle, absolute, late) =
            (text(millis(draft.idle)), text(millis(draft.absolute)), text(millis(LATE)));
        let mut args: Vec<&[u8]> = vec![draft.proof.as_bytes(), draft.data, &idle, &absolute];
        if let Some((user, at)) = entered {
            args.extend([at.as_bytes(), &late, user.as_bytes()]);
        }
        let answer = self.manager.script(&CREATE, &[key.as_str()], &args, call(draft.data.len())).await;
        let answer = answer.map_err(|cause| error("create", draft.handle.as_str(), cause))?;
        reading::inspected(draft.handle, answer)?.ok_or_else(|| {
            Error::new(ErrorKind::Gone, "create", draft.handle.as_str())
                .with_detail("it was revoked, or it took too long to be written; create another")
        })
    }

    /// Returns one page of the list of a user, from the place `from` on.
    async fn page(&self, operation: &'static str, key: &Key, from: usize) -> Result<Vec<Entry>, Error> {
        let mut range = cmd("ZRANGE");
        range.arg(key.as_str()).arg(from).arg(from + PAGE - 1);
        let members: Result<Vec<Vec<u8>>, _> = self.manager.query(&range, Call::repeatable()).await;
        let members = members.map_err(|cause| error(operation, OF_USER, cause))?;
        Ok(members.into_iter().map(Entry::read).collect())
    }

    /// Runs a script on the session of each entry.
    async fn each(
        &self,
        operation: &'static str,
        script: &Script,
        entries: &[Entry],
        args: &[&[u8]],
    ) -> Result<Vec<Option<Record>>, Error> {
        let mut keys = Vec::with_capacity(entries.len());
        for handle in entries.iter().filter_map(Entry::handle) {
            keys.push(self.key(operation, handle)?);
        }
        let keys: Vec<[&str; 1]> = keys.iter().map(|key| [key.as_str()]).collect();
        let runs: Vec<_> = keys.iter().map(|keys| ScriptRun { keys, args }).collect();
        let answers = self.manager.scripts(script, &runs, Call::repeatable()).await;
        let answers = answers.map_err(|cause| error(operation, OF_USER, cause))?;
        let mut answers = answers.into_iter();
        let read = |entry: &Entry| match entry.handle() {
            Some(handle) => reading::inspected(handle, answers.next().unwrap_or_default()),
            // What is not of ours names no session, and is removed.
            None => Ok(None),
        };
        entries.iter().map(read).collect()
    }

    /// Removes entries from the list of a user.
    async fn remove(&self, key: &Key, entries: &[Entry]) -> Result<(), mystocks_redis_core::Error> {
        let mut remove = cmd("ZREM");
        remove.arg(key.as_str()).arg(entries.iter().map(Entry::member).collect::<Vec<_>>());
        self.manager.query::<u64>(&remove, Call::repeatable()).await.map(drop)
    }

    /// Removes those entries from the list of a user that no session can be written for any more.
    async fn forget(&self, key: &Key, entries: &[Entry]) -> Result<(), mystocks_redis_core::Error> {
        let age = text(millis(GRAVE));
        let mut args = vec![&age[..]];
        args.extend(entries.iter().map(Entry::member));
        self.manager.script::<u64>(&FORGET, &[key.as_str()], &args, Call::repeatable()).await.map(drop)
    }

    /// Takes a revoked session from the list of its user. It does no harm there, so it is no error when that fails.
    async fn strike(&self, handle: &SessionHandle, record: &Record) {
        let Some(key) = record.user.as_deref().and_then(|user| self.user_key("revoke", user).ok()) else {
            return;
        };
        if let Err(error) = self.remove(&key, &[Entry::of(handle, record.created)]).await {
            tracing::debug!(%handle, %error, "a revoked session stays in its user's list until that is read");
        }
    }

    async fn run_revoke(
        &self,
        script: &Script,
        handle: &SessionHandle,
        args: &[&[u8]],
    ) -> Result<reading::Answer, Error> {
        let key = self.key("revoke", handle)?;
        let answer = self.manager.script(script, &[key.as_str()], args, Call::repeatable()).await;
        answer.map_err(|cause| error("revoke", handle.as_str(), cause))
    }

    async fn revoke_of(&self, user: &str) -> Result<u64, Error> {
        let key = self.user_key("revoke", user)?;
        let mut sessions = 0;
        loop {
            let entries = self.page("revoke", &key, 0).await?;
            if entries.is_empty() {
                return Ok(sessions);
            }
            let revoked = self.each("revoke", &REVOKE, &entries, &[b"1"]).await?;
            sessions += revoked.iter().flatten().map(|_| 1).sum::<u64>();
            // An entry of a session that is about to be created may go, too: its grave is there.
            self.remove(&key, &entries).await.map_err(|cause| error("revoke", OF_USER, cause))?;
        }
    }
}

#[async_trait]
impl SessionStore for RedisSessions {
    async fn create(&self, draft: &Draft<'_>) -> Result<Record, Error> {
        let Some(user) = draft.user else { return self.write(draft, None).await };
        let at = self.enter(user, draft.handle, draft.absolute).await?;
        self.write(draft, Some((user, &at))).await
    }

    async fn load(&self, claim: &Claim<'_>, load: Load) -> Result<Found<Record>, Error> {
        let key = self.key("load", claim.handle)?;
        let most = load.most_bytes.map(|most| text(most as u64)).unwrap_or_default();
        let idle = load.touch.map(|touch| text(millis(touch.idle))).unwrap_or_default();
        let after = load.touch.map(|touch| text(millis(touch.after))).unwrap_or_default();
        let args = [claim.proof.as_bytes(), flag(claim.revoke_replayed), &most[..], &idle, &after];
        let answer = self.manager.script(&LOAD, &[key.as_str()], &args, Call::repeatable()).await;
        let answer = answer.map_err(|cause| error("load", claim.handle.as_str(), cause))?;
        reading::record("load", claim.handle, load.most_bytes, answer)
    }

    async fn save(&self, claim: &Claim<'_>, save: &Save<'_>) -> Result<Found<Saved>, Error> {
        let key = self.key("save", claim.handle)?;
        let (version, idle) = (text(save.version), text(millis(save.idle)));
        let args =
            [claim.proof.as_bytes(), flag(claim.revoke_replayed), &version[..], save.nonce, save.data, &idle];
        let answer = self.manager.script(&SAVE, &[key.as_str()], &args, call(save.data.len())).await;
        let answer: (u8, u8, u64) = answer.map_err(|cause| error("save", claim.handle.as_str(), cause))?;
        let (status, is_saved, version) = answer;
        let found = reading::found("save", claim.handle, status)?;
        Ok(found.map(|_| if is_saved == 1 { Saved::As(version) } else { Saved::Conflict(version) }))
    }

    async fn rotate(&self, claim: &Claim<'_>, turn: &Turn<'_>) -> Result<Found<Turned>, Error> {
        let key = self.key("rotate", claim.handle)?;
        let (grace, idle) = (text(millis(turn.grace)), text(millis(turn.idle)));
        let mut args: Vec<&[u8]> =
            vec![claim.proof.as_bytes(), flag(claim.revoke_replayed), turn.proof.as_bytes(), &grace, &idle];
        args.extend(turn.user.map(str::as_bytes));
        let answer = self.manager.script(&ROTATE, &[key.as_str()], &args, Call::repeatable()).await;
        let (status, done): (u8, u8) =
            answer.map_err(|cause| error("rotate", claim.handle.as_str(), cause))?;
        let found = reading::found("rotate", claim.handle, status)?;
        Ok(found.map(|_| match done {
            1 => Turned::Done,
            2 => Turned::OtherUser,
            _ => Turned::Lately,
        }))
    }

    async fn revoke(&self, what: &Revoke<'_>) -> Result<Revoked, Error> {
        let (handle, claimed, sessions) = match what {
            Revoke::OfUser(user) => {
                let sessions = self.revoke_of(user).await?;
                return Ok(Revoked { sessions, claimed: Found::Gone });
            }
            Revoke::Named(handle) => {
                let answer = self.run_revoke(&REVOKE, handle, &[b"0"]).await?;
                let record = reading::inspected(handle, answer)?;
                let sessions = record.is_some().into();
                (handle, record.map_or(Found::Gone, Found::Here), sessions)
            }
            Revoke::Claimed(claim, most_bytes) => {
                let most = most_bytes.map(|most| text(most as u64)).unwrap_or_default();
                let args = [claim.proof.as_bytes(), flag(claim.revoke_replayed), &most[..]];
                let answer = self.run_revoke(&CLAIM, claim.handle, &args).await?;
                let claimed = reading::record("revoke", claim.handle, *most_bytes, answer)?;
                let sessions = matches!(claimed, Found::Here(_)).into();
                (&claim.handle, claimed, sessions)
            }
        };
        if let Found::Here(record) = &claimed {
            self.strike(handle, record).await;
        }
        Ok(Revoked { sessions, claimed })
    }

    async fn list(&self, user: &str) -> Result<Vec<(SessionHandle, Record)>, Error> {
        let key = self.user_key("list", user)?;
        let mut listed = Vec::new();
        let mut gone = Vec::new();
        for from in (0..).step_by(PAGE) {
            let entries = self.page("list", &key, from).await?;
            let is_last = entries.len() < PAGE;
            let records = self.each("list", &INSPECT, &entries, &[]).await?;
            for (entry, record) in entries.into_iter().zip(records) {
                match (entry.handle(), record) {
                    (Some(handle), Some(record)) => listed.push((handle.clone(), record)),
                    _ => gone.push(entry),
                }
            }
            if is_last {
                break;
            }
        }
        for gone in gone.chunks(PAGE) {
            // What is about to be created stays, and so does what cannot be removed now.
            if let Err(error) = self.forget(&key, gone).await {
                tracing::debug!(%error, "sessions that are gone stay in their user's list");
                break;
            }
        }
        // One whose entry was sent twice stands there twice.
        listed.sort_by(|(a, _), (b, _)| a.cmp(b));
        listed.dedup_by(|(a, _), (b, _)| a == b);
        Ok(listed)
    }
}

fn call(bytes: usize) -> Call {
    Call::repeatable().on(Lane::for_size(bytes))
}

fn flag(is_set: bool) -> &'static [u8] {
    if is_set { b"1" } else { b"0" }
}

fn text(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn unnamed(operation: &'static str, subject: &str, cause: InvalidKey) -> Error {
    Error::new(ErrorKind::InvalidArgument, operation, subject).with_source(cause)
}

/// Makes an error of ours out of one of the connections.
fn error(operation: &'static str, subject: &str, cause: mystocks_redis_core::Error) -> Error {
    let kind = match cause.kind() {
        Cause::Timeout => ErrorKind::Unknown,
        Cause::Unavailable | Cause::Exhausted | Cause::Closed => ErrorKind::Unavailable,
        _ => ErrorKind::Backend,
    };
    Error::new(kind, operation, subject).with_source(cause)
}
