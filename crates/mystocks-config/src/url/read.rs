//! Reading Redis URLs, strictly.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::{UrlParts, UrlPlace};
use crate::Secret;

const FORM: &str = "redis://, rediss:// or redis+unix://, then [user[:password]@]host[:port][/database]";
const DATABASE: &str = "a database number of digits only after the host, such as /1";
const PERCENT: &str =
    "a % to be followed by two hex digits and the result to be UTF-8 (write % itself as %25)";

/// Reads a URL; the error is what was expected, without any part of the text.
pub(super) fn read(url: &str) -> Result<UrlParts, &'static str> {
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

/// Reads `host[:port]`.
pub(super) fn read_address(address: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("a ] after the IPv6 address of the host")?;
        host.parse::<Ipv6Addr>().map_err(|_| "an IPv6 address between [ and ]")?;
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
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
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
