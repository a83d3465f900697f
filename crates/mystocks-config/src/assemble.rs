//! From merged texts to typed settings.

use crate::error::Problem;
use crate::keys::{KEYS, KeyInfo, URL_OF_PARTS};
use crate::merged::{Merged, Raw};
use crate::{Endpoint, ErrorKind, RedisSettings, Secret, Settings, url, value};

/// Reads every key; what cannot be read is a problem and stays at its default.
pub(crate) fn assemble(merged: &Merged, problems: &mut Vec<Problem>) -> Settings {
    let mut reader = Reader { merged, problems };
    let mut settings = Settings { redis: reader.redis(), ..Settings::default() };
    let s = &mut settings;
    reader.put("REDIS_CACHE_TTL", value::time, &mut s.cache.ttl);
    reader.put("REDIS_CACHE_PREFIX", value::prefix, &mut s.cache.prefix);
    reader.put("REDIS_ENABLE_CACHE", value::switch, &mut s.cache.enabled);
    reader.put("REDIS_PUBSUB_CHANNEL_PREFIX", value::prefix, &mut s.bus.channel_prefix);
    reader.put("REDIS_ENABLE_PUBSUB", value::switch, &mut s.bus.enabled);
    reader.put("REDIS_LOCK_PREFIX", value::prefix, &mut s.lock.prefix);
    reader.put("REDIS_LOCK_DEFAULT_TIMEOUT", value::time, &mut s.lock.default_timeout);
    reader.put("REDIS_ENABLE_LOCK", value::switch, &mut s.lock.enabled);
    reader.put("REDIS_SESSION_PREFIX", value::prefix, &mut s.session.prefix);
    reader.put("REDIS_SESSION_TTL", value::time, &mut s.session.ttl);
    s.other_programs.celery_broker_url = reader.optional("CELERY_BROKER_URL", secret);
    s.other_programs.celery_result_backend = reader.optional("CELERY_RESULT_BACKEND", secret);
    reader.put("REDIS_FIXATION_INTERVAL_SECONDS", value::time, &mut s.fixation.interval);
    settings
}

struct Reader<'a> {
    merged: &'a Merged,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn redis(&mut self) -> RedisSettings {
        let mut redis = RedisSettings::default();
        let (mut host, mut port) = ("localhost".to_string(), 6379);
        self.put("REDIS_HOST", value::host, &mut host);
        self.put("REDIS_PORT", value::port, &mut port);
        let tls = false;
        redis.endpoint = Endpoint::Tcp { host, port, tls };
        redis.password = self.optional("REDIS_PASSWORD", secret);
        self.put("REDIS_DB", value::database, &mut redis.database);
        if let Some(parts) = self.optional("REDIS_URL", url::parse) {
            parts.apply(&mut redis);
        }
        if let Some(database) = self.optional("REDIS_APP_CACHE_DB", value::database) {
            redis.database = database;
        }
        self.put("REDIS_MAX_CONNECTIONS", value::connections, &mut redis.max_connections);
        self.put("REDIS_SOCKET_TIMEOUT", value::time, &mut redis.socket_timeout);
        self.put("REDIS_SOCKET_CONNECT_TIMEOUT", value::time, &mut redis.connect_timeout);
        self.put("REDIS_DECODE_RESPONSES", value::switch, &mut redis.decode_responses);
        redis
    }

    fn put<T>(&mut self, name: &str, read: fn(&str) -> Result<T, String>, place: &mut T) {
        if let Some((raw, text)) = self.text(name)
            && let Some(value) = self.value(raw, &text, read)
        {
            *place = value;
        }
    }

    fn optional<T>(&mut self, name: &str, read: fn(&str) -> Result<T, String>) -> Option<T> {
        let (raw, text) = self.text(name)?;
        // An empty value takes back what a lower source gave.
        (!text.is_empty()).then(|| self.value(raw, &text, read))?
    }

    fn value<T>(&mut self, raw: Raw<'_>, text: &str, read: fn(&str) -> Result<T, String>) -> Option<T> {
        read(text)
            .map_err(|expected| {
                let kind = ErrorKind::InvalidValue;
                self.problems.push(self.merged.problem(kind, raw, expected));
            })
            .ok()
    }
}

impl<'a> Reader<'a> {
    fn text(&mut self, name: &str) -> Option<(Raw<'a>, String)> {
        let key: &'static KeyInfo = KEYS.iter().find(|key| key.name == name)?;
        let raw = self.merged.raw(key)?;
        // Spelled out with nothing but the parts, the URL says what the parts say; they also allow IPv6.
        if name == "REDIS_URL" && raw.text == URL_OF_PARTS {
            return None;
        }
        let filled = self.merged.filled(raw);
        filled.map_err(|problem| self.problems.push(problem)).ok().map(|text| (raw, text))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of every other reader")]
fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::from(text))
}
