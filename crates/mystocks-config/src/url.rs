//! Redis URLs: reading them strictly and showing them without their password.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use crate::error::Problem;
use crate::{Endpoint, Error, ErrorKind, RedisSettings, Secret};

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
    Tcp {
        host: String,
        port: Option<u16>,
        tls: bool,
    },
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
        let parts = parse(url).map_err(|expected| {
            Problem::new(ErrorKind::InvalidValue, None, "the given URL", expected)
        })?;
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
            UrlPlace::Tcp { host, port, tls } => Endpoint::Tcp {
                host,
                port: port.unwrap_or(default_port),
                tls,
            },
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

const FORM: &str =
    "redis://, rediss:// or redis+unix://, then [user[:password]@]host[:port][/database]";
const DATABASE: &str = "a database number of digits only after the host, such as /1";
const PERCENT: &str =
    "a % to be followed by two hex digits and the result to be UTF-8 (write % itself as %25)";

fn read(url: &str) -> Result<UrlParts, &'static str> {
    if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("a URL without spaces and control characters (percent-encode them)");
    }
    if url.contains('#') {
        return Err("a URL without # (write it as %23)");
    }
    let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
        Some((authority, path)) => (authority, path),
        None => (rest, ""),
    };
    let (userinfo, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut parts = UrlParts::default();
    match scheme.to_ascii_lowercase().as_str() {
        "redis" => parts.read_tcp(address, path, false)?,
        "rediss" => parts.read_tcp(address, path, true)?,
        "redis+unix" | "unix" => parts.read_unix(address, path)?,
        _ => return Err(FORM),
    }
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    parts.username = non_empty(decode(user)?);
    parts.password = non_empty(decode(password)?).map(Secret::from);
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        parts.read_parameter(pair)?;
    }
    Ok(parts)
}

impl UrlParts {
    fn read_tcp(&mut self, address: &str, path: &str, tls: bool) -> Result<(), &'static str> {
        let (host, port) = read_address(address)?;
        self.place = UrlPlace::Tcp { host, port, tls };
        let number = path.strip_prefix('/').unwrap_or(path);
        if !number.is_empty() {
            self.database = Some(read_database(number).ok_or(DATABASE)?);
        }
        Ok(())
    }

    fn read_unix(&mut self, address: &str, path: &str) -> Result<(), &'static str> {
        let path = decode(path)?;
        if !address.is_empty() || path.len() < 2 || path.contains('\0') {
            return Err("the absolute path of a socket, such as redis+unix:///run/redis.sock?db=1");
        }
        self.place = UrlPlace::Unix(PathBuf::from(path));
        Ok(())
    }

    fn read_parameter(&mut self, pair: &str) -> Result<(), &'static str> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "db" => {
                self.database =
                    Some(read_database(value).ok_or("a database number of digits only after db=")?);
            }
            "username" | "user" => self.username = non_empty(decode(value)?),
            "password" | "pass" => self.password = non_empty(decode(value)?).map(Secret::from),
            _ => return Err("no other parameters after ? than db, username and password"),
        }
        Ok(())
    }
}

fn read_address(address: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, port) = rest
            .split_once(']')
            .ok_or("a ] after the IPv6 address of the host")?;
        host.parse::<Ipv6Addr>()
            .map_err(|_| "an IPv6 address between [ and ]")?;
        (host, port)
    } else {
        let at = address.find(':').unwrap_or(address.len());
        address.split_at_checked(at).unwrap_or((address, ""))
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        None => return Err("nothing but :port after the host"),
        Some(port) => Some(read_port(port).ok_or("a port number from 1 to 65535 after the host")?),
    };
    let host = read_host(host).ok_or("a host name after :// (for example localhost)")?;
    Ok((host, port))
}

/// Reads a host name or address, with or without the brackets of IPv6.
pub(crate) fn read_host(text: &str) -> Option<String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    if bare.parse::<Ipv6Addr>().is_ok() {
        return Some(bare.to_string());
    }
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let fits = !text.is_empty() && text.len() <= 253 && text.chars().all(plain);
    fits.then(|| text.to_string())
}

/// Reads a port: digits only, never 0.
pub(crate) fn read_port(text: &str) -> Option<u16> {
    digits(text)?.parse().ok().filter(|port| *port != 0)
}

/// Reads a database number: digits only.
pub(crate) fn read_database(text: &str) -> Option<u32> {
    digits(text)?.parse().ok()
}

// `parse` alone would take a leading `+`.
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|b| b.is_ascii_digit()).then_some(text)
}

fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Returns the URL with everything masked that could be a password; `None` when that cannot be told.
fn shown(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "redis" | "rediss") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at_checked(end)?;
    let (user, address) = match authority.rsplit_once('@') {
        Some((_, address)) => ("***@", address),
        None => ("", authority),
    };
    // An unescaped `/`, `?` or `#` of a password ends the authority early; the `@` behind it gives that away.
    if after.contains('@') {
        return None;
    }
    let (host, port) = read_address(address).ok()?;
    // Without an `@`, what looks like a port may be the beginning of a password whose host was forgotten.
    let port = match port {
        Some(port) if !user.is_empty() => format!(":{port}"),
        Some(_) => ":***".to_string(),
        None => String::new(),
    };
    let after = if after.is_empty() { "" } else { "/***" };
    let host = bracketed(&host);
    Some(format!("{scheme}://{user}{host}{port}{after}"))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_string()
    }
}

fn decode(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = rest.next().and_then(hex).ok_or(PERCENT)?;
            let low = rest.next().and_then(hex).ok_or(PERCENT)?;
            bytes.push(high * 16 + low);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| PERCENT)
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
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
