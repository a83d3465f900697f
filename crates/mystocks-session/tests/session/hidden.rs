//! Ids are found neither in Redis nor in logs, and the search would find them.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use mystocks_redis_core::{Call, RedisManager};
use mystocks_session::{Policy, Rotated, SessionId, TowerSessions};
use tower_sessions_core::SessionStore as _;
use tower_sessions_core::session::{Id, Record};
use tracing::field::{Field, Visit};
use tracing::span;

use crate::world::{Desk, World, manager, millis, to};

/// All that any subscriber could write, as text.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {}={value}", field.name()).unwrap();
    }
}

impl tracing::Subscriber for Journal {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut text = self.0.lock().unwrap();
        write!(text, "\n{} {}", span.metadata().target(), span.metadata().name()).unwrap();
        span.record(&mut Line(&mut text));
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = self.0.lock().unwrap();
        write!(text, "\n{} {}", event.metadata().level(), event.metadata().target()).unwrap();
        event.record(&mut Line(&mut text));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Every form in which an id could be found.
fn forms(secret: &[u8], parts: &[&[u8]], text: &str) -> Vec<Vec<u8>> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut forms = vec![text.as_bytes().to_vec(), secret.to_vec(), hex(secret).into_bytes()];
    for part in parts {
        forms.extend([part.to_vec(), hex(part).into_bytes(), hex(part).to_uppercase().into_bytes()]);
        // As `Debug` prints bytes.
        forms.push(format!("{part:?}").into_bytes());
    }
    // Either half of the text by itself, too.
    forms.extend(text.as_bytes().chunks(text.len() / 2).map(<[u8]>::to_vec));
    forms
}

fn forms_of(id: &SessionId) -> Vec<Vec<u8>> {
    let text = id.expose();
    let bytes = decode(&text);
    forms(&bytes, &[&bytes[..16], &bytes[16..]], &text)
}

fn forms_of_tower(id: Id) -> Vec<Vec<u8>> {
    let (le, be) = (id.0.to_le_bytes(), id.0.to_be_bytes());
    let mut forms = forms(&le, &[&be], &id.to_string());
    forms.push(id.0.to_string().into_bytes());
    forms
}

/// base64url, told anew: the crate's own is not to check itself.
fn decode(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let value = |letter: u8| LETTERS.iter().position(|known| *known == letter).unwrap();
    let bits = text.bytes().flat_map(|letter| (0..6).rev().map(move |bit| value(letter) >> bit & 1));
    let bits: Vec<usize> = bits.collect();
    bits.chunks_exact(8)
        .map(|bits| u8::try_from(bits.iter().fold(0, |byte, bit| byte << 1 | bit)).unwrap())
        .collect()
}

fn found<'a>(forms: &'a [Vec<u8>], within: &[u8]) -> Vec<&'a [u8]> {
    let stands = |form: &[u8]| within.windows(form.len()).any(|window| window == form);
    forms.iter().map(Vec::as_slice).filter(|form| stands(form)).collect()
}

/// Everything that stands in Redis: keys, types, values in every form the server gives.
async fn all_of_redis(manager: &RedisManager) -> Vec<u8> {
    let mut all = Vec::new();
    let keys: Vec<Vec<u8>> = manager.query(redis::cmd("KEYS").arg("*"), Call::repeatable()).await.unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        all.extend_from_slice(&key);
        all.push(b'\n');
        let kind: String = manager.query(redis::cmd("TYPE").arg(&key), Call::repeatable()).await.unwrap();
        let mut read = match kind.as_str() {
            "hash" => redis::cmd("HGETALL"),
            "zset" => redis::cmd("ZRANGE"),
            "string" => redis::cmd("GET"),
            other => panic!("nobody writes a {other}"),
        };
        read.arg(&key);
        if kind == "zset" {
            read.arg(0).arg(-1);
        }
        let value: redis::Value = manager.query(&read, Call::repeatable()).await.unwrap();
        flatten(&value, &mut all);
        let dump: Vec<u8> = manager.query(redis::cmd("DUMP").arg(&key), Call::repeatable()).await.unwrap();
        all.extend(dump);
        all.push(b'\n');
    }
    all
}

fn flatten(value: &redis::Value, into: &mut Vec<u8>) {
    match value {
        redis::Value::BulkString(bytes) => into.extend_from_slice(bytes),
        redis::Value::SimpleString(text) => into.extend_from_slice(text.as_bytes()),
        redis::Value::Array(values) | redis::Value::Set(values) => {
            values.iter().for_each(|value| flatten(value, into));
        }
        redis::Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            flatten(key, into);
            flatten(value, into);
        }),
        other => into.extend(format!("{other:?}").into_bytes()),
    }
    into.push(b'\n');
}

#[tokio::test]
async fn no_id_is_in_redis_or_in_a_log_and_the_search_would_find_it() {
    let journal = Journal::default();
    let _logging = tracing::subscriber::set_default(journal.clone());
    let mut world = World::redis().await;
    let manager = manager(world.server.as_ref().unwrap()).await;
    let (here, there) = world.sessions(&Policy { grace: millis(1), ..Policy::default() });
    let mut ids = Vec::new();
    let mut shown = String::new();
    for turn in 0..20 {
        let (visitor, _) = here.create(None, Desk::default()).await.unwrap();
        let ann = to(there.rotate(&visitor, Some("ann")).await.unwrap());
        let next = to(here.rotate(&ann, Some("ann")).await.unwrap());
        let mut session = there.load(&next).await.unwrap().unwrap();
        session.data.count = turn;
        there.save(&mut session).await.unwrap();
        here.touch(&next).await.unwrap();
        // Debug of everything that a program might log.
        write!(shown, "{session:?} {next:?} {:?} {:?}", next.proof(), Rotated::To(next.clone())).unwrap();
        tokio::time::sleep(millis(3)).await;
        match turn % 4 {
            0 => assert!(here.revoke(&next).await.unwrap()),
            1 => assert!(there.load(&ann).await.unwrap().is_none(), "replayed"),
            2 => {
                let error = here.save(&mut there.load(&visitor).await.unwrap().unwrap_or(session)).await;
                write!(shown, "{error:?}").unwrap();
            }
            _ => {}
        }
        ids.extend([visitor, ann, next]);
    }
    here.list("ann").await.unwrap();
    let tower = TowerSessions::new(Arc::clone(&world.here), Policy::default()).unwrap();
    let mut of_tower = Vec::new();
    for _ in 0..5 {
        let expiry_date = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
        let mut record = Record { id: Id::default(), data: [].into(), expiry_date };
        tower.create(&mut record).await.unwrap();
        tower.save(&record).await.unwrap();
        tower.load(&record.id).await.unwrap().unwrap();
        of_tower.push(record.id);
    }
    write!(shown, "{here:?} {tower:?}").unwrap();
    let standing = all_of_redis(&manager).await;
    let handle = ids[2].handle();
    assert!(
        standing.windows(32).any(|window| window == handle.as_str().as_bytes()),
        "handles are looked for"
    );

    // Errors while Redis is away, too.
    world.server.as_mut().unwrap().kill().await;
    for id in ids.iter().take(3) {
        let error = here.load(id).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
        write!(shown, "{error} {error:?}").unwrap();
        let error = here.rotate(id, Some("ann")).await.unwrap_err();
        write!(shown, "{error} {error:?}").unwrap();
    }
    let id = of_tower[0];
    write!(shown, "{} ", tower.load(&id).await.unwrap_err()).unwrap();

    let log = journal.0.lock().unwrap().clone();
    for part in ["session.rotate", "redis.script", "WARN mystocks_session::audit", handle.as_str()] {
        assert!(log.contains(part), "{part} is not in the log");
    }
    let forms: Vec<_> = ids.iter().map(forms_of).chain(of_tower.into_iter().map(forms_of_tower)).collect();
    assert_eq!(forms.len(), 65);
    for forms in &forms {
        for (place, text) in
            [("redis", &standing[..]), ("the log", log.as_bytes()), ("Debug", shown.as_bytes())]
        {
            assert_eq!(found(forms, text), [] as [&[u8]; 0], "in {place}");
        }
    }
}

#[tokio::test]
async fn the_search_finds_what_is_planted() {
    let world = World::redis().await;
    let manager = manager(world.server.as_ref().unwrap()).await;
    let (here, _) = world.sessions(&Policy::default());
    let (id, _) = here.create(None, Desk::default()).await.unwrap();
    assert!(found(&forms_of(&id), &all_of_redis(&manager).await).is_empty());
    let text = id.expose();
    let bytes = decode(&text);
    assert_eq!(bytes.len(), 48);
    let hex: String = bytes[16..].iter().map(|byte| format!("{byte:02x}")).collect();
    let planted: [(&str, &[u8]); 4] =
        [("SET", text.as_bytes()), ("SET", &bytes[..16]), ("HSET", &bytes[16..]), ("HSET", hex.as_bytes())];
    for (n, (command, secret)) in planted.into_iter().enumerate() {
        let key = format!("planted {n}");
        let mut write = redis::cmd(command);
        write.arg(&key);
        if command == "HSET" {
            write.arg("field");
        }
        write.arg([&b"before "[..], secret, b" after"].concat());
        manager.query::<()>(&write, Call::once()).await.unwrap();
        assert!(!found(&forms_of(&id), &all_of_redis(&manager).await).is_empty(), "planted {n}");
        manager.query::<u64>(redis::cmd("DEL").arg(&key), Call::once()).await.unwrap();
        assert!(found(&forms_of(&id), &all_of_redis(&manager).await).is_empty());
    }
    // In a key, and in a log.
    manager.query::<()>(redis::cmd("SET").arg(&bytes[..16]).arg(1), Call::once()).await.unwrap();
    assert!(!found(&forms_of(&id), &all_of_redis(&manager).await).is_empty());
    let journal = Journal::default();
    let logging = tracing::subscriber::set_default(journal.clone());
    tracing::trace!(cookie = id.expose(), "planted");
    tracing::trace!(bytes = ?&bytes[16..], "planted");
    drop(logging);
    assert!(found(&forms_of(&id), journal.0.lock().unwrap().as_bytes()).len() >= 2);
}
