//! Redis URLs: reading them strictly and showing them without their password.

mod read;

use std::path::PathBuf;

use crate::error::Problem;
use crate::{Endpoint, Error, ErrorKind, RedisSettings, Secret};

use read::{read, read_address};
pub(crate) use read::{read_database, read_host, read_port};

/// What a URL spells out; the rest comes from elsewhere.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct UrlParts {
    pub(crate) place: UrlPlace,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: Option<u32>,
}

/// The server a URL names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UrlPlace {
    Tcp { host: String, port: Option<u16>, tls: bool },
    Unix(PathBuf),
}

impl Default for UrlPlace {
    fn default() -> Self {
        Self::Unix(PathBuf::new())
    }
}

impl RedisSettings {
    /// Reads a URL; what it leaves out (port, database, user, password) has its default.
    ///
    /// Forms: `redis://[user[:password]@]host[:port][/database]`, the same with `rediss://` for TLS, and
    /// `redis+unix://[user[:password]@]/path[?db=database]` (also `unix://`). User, password and path are percent-encoded;
    /// `db`, `username` and `password` may stand in the query. A URL without a database means database 1, as
    /// everywhere on this platform.
    ///
    /// ```
    /// use mystocks_config::RedisSettings;
    ///
    /// let redis = RedisSettings::from_url("rediss://app:s%40fe@cache.internal:6380/2")?;
    /// assert_eq!(redis.database, 2);
    /// assert_eq!(redis.display_url(), "rediss://app:***@cache.internal:6380/2");
    /// # Ok::<(), mystocks_config::Error>(())
    /// ```
    ///
    /// # Errors
    /// The text is not such a URL; the message says which part is wrong and shows no password.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let parts = parse(url)
            .map_err(|expected| Problem::new(ErrorKind::InvalidValue, None, "the given URL", expected))?;
        let mut settings = Self::default();
        parts.apply(&mut settings);
        Ok(settings)
    }

    /// Returns the URL of these settings with the password as `***`.
    pub fn display_url(&self) -> String {
        let mut user = encode(self.username.as_deref().unwrap_or_default());
        if self.password.is_some() {
            user.push_str(":***");
        }
        if !user.is_empty() {
            user.push('@');
        }
        let database = self.database;
        match &self.endpoint {
            Endpoint::Unix { path } => {
                let path = path.to_string_lossy();
                let path = path.split('/').map(encode).collect::<Vec<_>>().join("/");
                format!("redis+unix://{user}{path}?db={database}")
            }
            Endpoint::Tcp { host, port, tls } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                let host = bracketed(host);
                format!("{scheme}://{user}{host}:{port}/{database}")
            }
        }
    }
}

impl UrlParts {
    /// Writes what the URL spells out over `settings`.
    pub(crate) fn apply(self, settings: &mut RedisSettings) {
        let default_port = match &settings.endpoint {
            Endpoint::Tcp { port, .. } => *port,
            Endpoint::Unix { .. } => 6379,
        };
        settings.endpoint = match self.place {
            UrlPlace::Tcp { host, port, tls } => {
                Endpoint::Tcp { host, port: port.unwrap_or(default_port), tls }
            }
            UrlPlace::Unix(path) => Endpoint::Unix { path },
        };
        settings.username = self.username.or(settings.username.take());
        settings.password = self.password.or(settings.password.take());
        settings.database = self.database.unwrap_or(settings.database);
    }
}

/// Reads a URL; the error is what was expected, without any part of the text that could be a password.
pub(crate) fn parse(url: &str) -> Result<UrlParts, String> {
    let about = |expected: &str| match shown(url) {
        Some(shown) => format!("{expected} (in {shown})"),
        None => expected.to_string(),
    };
    read(url).map_err(about)
}

/// Returns the URL with everything masked that could be a password; `None` when not even its scheme is certain.
fn shown(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "redis" | "rediss") {
        return None;
    }
    // An unescaped `@`, `/`, `?` or `#` in a password moves every border behind it: with user info no part is certain.
    if rest.contains('@') {
        return Some(format!("{scheme}://***"));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (address, after) = rest.split_at_checked(end)?;
    let (host, port) = read_address(address).ok()?;
    // What looks like a port may be the beginning of a password whose host was forgotten.
    let port = port.map(|_| ":***").unwrap_or_default();
    let after = if after.is_empty() { "" } else { "/***" };
    let host = bracketed(&host);
    Some(format!("{scheme}://{host}{port}{after}"))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_string() }
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
