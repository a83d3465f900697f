//! The sessions in memory.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::id::{Proof, SessionHandle};
use crate::store::{
    Claim, Draft, Found, GRAVE, Load, Record, Revoke, Revoked, Save, Saved, SessionStore, Turn, Turned,
};

/// Keeps sessions in memory, for every task of this process; they end with it.
///
/// Times are tokio's, so tests may pause them. What has ended is removed when it is met, and all of it whenever the number of
/// sessions has doubled.
#[derive(Debug)]
pub struct MemorySessions {
    state: Mutex<State>,
    started: (Instant, SystemTime),
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<SessionHandle, Slot>,
    users: HashMap<String, BTreeSet<SessionHandle>>,
    sweep_at: usize,
}

/// What stands under a handle.
#[derive(Debug)]
enum Slot {
    Live(Box<Kept>),
    /// Revoked, until when nothing can be created here.
    Grave(u64),
}

#[derive(Debug)]
struct Kept {
    record: Record,
    proof: Proof,
    /// The one before, and until when it is good.
    before: Option<(Proof, u64)>,
    saved_by: Option<[u8; 16]>,
}

/// How a claim stands.
enum Standing<'a> {
    Present(&'a mut Kept),
    Before(&'a mut Kept),
}

impl MemorySessions {
    /// Makes a store of which nobody else knows.
    pub fn new() -> Self {
        Self { state: Mutex::default(), started: (Instant::now(), SystemTime::now()) }
    }

    fn state(&self) -> (MutexGuard<'_, State>, u64) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (started, wall) = self.started;
        let wall = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        (state, millis(wall + started.elapsed()))
    }
}

impl Default for MemorySessions {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// Removes what has ended, when there is twice as much as after the last time.
    fn sweep(&mut self, now: u64) {
        const LEAST: usize = 1024;
        if self.sessions.len() < self.sweep_at.max(LEAST) {
            return;
        }
        let ended = |slot: &Slot| match slot {
            Slot::Live(kept) => kept.record.end() <= now,
            Slot::Grave(until) => *until <= now,
        };
        let gone: Vec<_> =
            self.sessions.iter().filter(|(_, slot)| ended(slot)).map(|(handle, _)| handle.clone()).collect();
        for handle in gone {
            self.remove(&handle);
        }
        self.sweep_at = 2 * self.sessions.len();
    }

    /// Removes what stands there, a session or a grave.
    fn remove(&mut self, handle: &SessionHandle) -> Option<Record> {
        let Some(Slot::Live(kept)) = self.sessions.remove(handle) else { return None };
        if let Some(user) = &kept.record.user
            && let Some(handles) = self.users.get_mut(user)
        {
            handles.remove(handle);
            if handles.is_empty() {
                self.users.remove(user);
            }
        }
        Some(kept.record)
    }

    /// Removes a session that is live for good.
    fn bury(&mut self, handle: &SessionHandle, now: u64) -> Option<Record> {
        self.live(handle, now)?;
        let record = self.remove(handle)?;
        self.sessions.insert(handle.clone(), Slot::Grave(now + millis(GRAVE)));
        Some(record)
    }

    fn live(&mut self, handle: &SessionHandle, now: u64) -> Option<&mut Kept> {
        let has_ended =
            matches!(self.sessions.get(handle), Some(Slot::Live(kept)) if kept.record.end() <= now);
        if has_ended {
            self.remove(handle);
        }
        match self.sessions.get_mut(handle) {
            Some(Slot::Live(kept)) => Some(kept),
            _ => None,
        }
    }

    fn claim(&mut self, claim: &Claim<'_>, now: u64) -> Found<Standing<'_>> {
        let Some(kept) = self.live(claim.handle, now) else { return Found::Gone };
        let is_present = kept.proof == *claim.proof;
        let is_before = kept.before.is_some_and(|(proof, until)| proof == *claim.proof && now < until);
        if !is_present && !is_before {
            if claim.revoke_replayed {
                self.bury(claim.handle, now);
            }
            return Found::Replayed { is_revoked: claim.revoke_replayed };
        }
        // Looked up again: what was found first cannot be returned and buried alike.
        match self.sessions.get_mut(claim.handle) {
            Some(Slot::Live(kept)) => {
                Found::Here(if is_present { Standing::Present(kept) } else { Standing::Before(kept) })
            }
            _ => Found::Gone,
        }
    }
}

impl Kept {
    fn touch(&mut self, idle: Duration, now: u64) {
        self.record.seen = now;
        self.record.idle_end = now.saturating_add(millis(idle));
    }

    fn shown(&self, handle: &SessionHandle, most_bytes: Option<usize>) -> Result<Record, Error> {
        let Some(most) = most_bytes else {
            return Ok(Record { data: Vec::new(), ..self.record.clone() });
        };
        fits(handle, self.record.data.len(), most)?;
        Ok(self.record.clone())
    }
}

impl<'a> Standing<'a> {
    fn kept(self) -> &'a mut Kept {
        match self {
            Self::Present(kept) | Self::Before(kept) => kept,
        }
    }
}

#[async_trait]
impl SessionStore for MemorySessions {
    async fn create(&self, draft: &Draft<'_>) -> Result<Record, Error> {
        let (mut state, now) = self.state();
        state.sweep(now);
        if let Some(kept) = state.live(draft.handle, now)
            && kept.proof == *draft.proof
        {
            return kept.shown(draft.handle, None);
        }
        let is_free = match state.sessions.get(draft.handle) {
            None => true,
            Some(Slot::Grave(until)) => *until <= now,
            Some(Slot::Live(_)) => false,
        };
        if !is_free {
            return Err(Error::new(ErrorKind::Gone, "create", draft.handle.as_str()));
        }
        let record = Record {
            user: draft.user.map(str::to_owned),
            data: draft.data.to_vec(),
            version: 1,
            created: now,
            seen: now,
            idle_end: now.saturating_add(millis(draft.idle)),
            absolute_end: now.saturating_add(millis(draft.absolute)),
        };
        let kept = Kept { record, proof: *draft.proof, before: None, saved_by: None };
        let shown = kept.shown(draft.handle, None);
        state.sessions.insert(draft.handle.clone(), Slot::Live(Box::new(kept)));
        if let Some(user) = draft.user {
            state.users.entry(user.to_owned()).or_default().insert(draft.handle.clone());
        }
        shown
    }

    async fn load(&self, claim: &Claim<'_>, load: Load) -> Result<Found<Record>, Error> {
        let (mut state, now) = self.state();
        let kept = match state.claim(claim, now).map(Standing::kept) {
            Found::Here(kept) => kept,
            other => return Ok(other.map(|kept| kept.record.clone())),
        };
        if let Some(touch) = load.touch
            && now.saturating_sub(kept.record.seen) >= millis(touch.after)
        {
            kept.touch(touch.idle, now);
        }
        kept.shown(claim.handle, load.most_bytes).map(Found::Here)
    }

    async fn save(&self, claim: &Claim<'_>, save: &Save<'_>) -> Result<Found<Saved>, Error> {
        let (mut state, now) = self.state();
        Ok(state.claim(claim, now).map(Standing::kept).map(|kept| {
            let record = &mut kept.record;
            if record.version == save.version + 1 && kept.saved_by.as_ref() == Some(save.nonce) {
                return Saved::As(record.version);
            }
            if record.version != save.version {
                return Saved::Conflict(record.version);
            }
            record.version += 1;
            record.data = save.data.to_vec();
            kept.saved_by = Some(*save.nonce);
            kept.touch(save.idle, now);
            Saved::As(save.version + 1)
        }))
    }

    async fn rotate(&self, claim: &Claim<'_>, turn: &Turn<'_>) -> Result<Found<Turned>, Error> {
        let (mut state, now) = self.state();
        if state.live(claim.handle, now).is_some_and(|kept| kept.proof == *turn.proof) {
            return Ok(Found::Here(Turned::Done));
        }
        Ok(state.claim(claim, now).map(|standing| match standing {
            Standing::Present(kept) | Standing::Before(kept) if kept.record.user.as_deref() != turn.user => {
                Turned::OtherUser
            }
            Standing::Before(_) => Turned::Lately,
            Standing::Present(kept) => {
                kept.before = Some((kept.proof, now.saturating_add(millis(turn.grace))));
                kept.proof = *turn.proof;
                kept.touch(turn.idle, now);
                Turned::Done
            }
        }))
    }

    async fn revoke(&self, what: &Revoke<'_>) -> Result<Revoked, Error> {
        let (mut state, now) = self.state();
        match what {
            Revoke::Claimed(claim, most_bytes) => {
                let found = state.claim(claim, now).map(|it| it.kept().shown(claim.handle, *most_bytes));
                let claimed = match found {
                    Found::Here(shown) => Found::Here(shown?),
                    Found::Gone => Found::Gone,
                    Found::Replayed { is_revoked } => Found::Replayed { is_revoked },
                };
                let is_here = matches!(claimed, Found::Here(_));
                if is_here {
                    state.bury(claim.handle, now);
                }
                Ok(Revoked { sessions: is_here.into(), claimed })
            }
            Revoke::Named(handle) => {
                let found = state.live(handle, now).map(|kept| kept.shown(handle, None)).transpose()?;
                state.bury(handle, now);
                let sessions = found.is_some().into();
                Ok(Revoked { sessions, claimed: found.map_or(Found::Gone, Found::Here) })
            }
            Revoke::OfUser(user) => {
                let handles = state.users.get(*user).cloned().unwrap_or_default();
                let mut sessions = 0;
                for handle in &handles {
                    sessions += u64::from(state.bury(handle, now).is_some());
                }
                Ok(Revoked { sessions, claimed: Found::Gone })
            }
        }
    }

    async fn list(&self, user: &str) -> Result<Vec<(SessionHandle, Record)>, Error> {
        let (mut state, now) = self.state();
        let handles = state.users.get(user).cloned().unwrap_or_default();
        let mut listed = Vec::new();
        for handle in handles {
            if let Some(kept) = state.live(&handle, now) {
                let record = kept.shown(&handle, None)?;
                listed.push((handle, record));
            }
        }
        Ok(listed)
    }
}

/// Refuses data of more bytes than the reader takes.
pub(crate) fn fits(handle: &SessionHandle, bytes: usize, most: usize) -> Result<(), Error> {
    if bytes <= most {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Data, "read", handle.as_str())
        .with_detail(format!("it has {bytes} bytes, at most {most} are read (Policy::most_bytes)")))
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;

    #[tokio::test(start_paused = true)]
    async fn what_has_ended_is_swept() {
        let store = MemorySessions::new();
        for turn in 0..40_u64 {
            for _ in 0..250 {
                let id = SessionId::random().unwrap();
                let user = format!("user {turn}");
                let second = Duration::from_secs(1);
                let (handle, proof) = (&id.handle(), &id.proof());
                let draft =
                    Draft { handle, proof, user: Some(&user), data: b"", idle: second, absolute: second };
                store.create(&draft).await.unwrap();
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let (state, _) = store.state();
        assert!(state.sessions.len() <= 1024 + 250, "{} of 10,000 are kept", state.sessions.len());
        assert!(state.users.len() <= 6, "{} users of 40 are kept", state.users.len());
    }
}
