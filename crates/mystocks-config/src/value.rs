//! The types of single values. Each reader returns what was expected when the text is something else.

use std::time::Duration;

use crate::url;

const TIME: &str =
    "a time of at least 1 ms and at most 36500d, such as 30 (seconds), 500ms, 30s, 5m, 1h or 1d";
const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);

/// Reads a time: a number with at most three decimals, and a unit.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at_checked(at.unwrap_or(text.len())).unwrap_or((text, ""));
    let unit: u64 = match unit.trim_start() {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(TIME.to_string()),
    };
    millis(number, unit)
        .map(Duration::from_millis)
        .filter(|time| !time.is_zero() && *time <= LONGEST)
        .ok_or_else(|| TIME.to_string())
}

// Exact: a binary fraction would turn 0.3 s into 299 ms.
fn millis(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let thousandths: u64 = format!("{fraction:0<3}").parse().ok()?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    let part = thousandths.checked_mul(unit)?;
    (part % 1000 == 0).then_some(whole).and_then(|whole| whole.checked_add(part / 1000))
}

/// Reads a switch.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("true or false (also 1, 0, yes, no, on, off)".to_string()),
    }
}

/// Reads a host.
pub(crate) fn host(text: &str) -> Result<String, String> {
    url::read_host(text).ok_or_else(|| "a host name or an IP address".to_string())
}

/// Reads a port.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    url::read_port(text).ok_or_else(|| {
        let hint = if text.starts_with("tcp://") {
            " (Kubernetes sets this variable for a service called redis: switch enableServiceLinks off)"
        } else {
            ""
        };
        format!("a port number from 1 to 65535{hint}")
    })
}

/// Reads a database number.
pub(crate) fn database(text: &str) -> Result<u32, String> {
    url::read_database(text).ok_or_else(|| "a database number such as 0 or 1".to_string())
}

/// Reads a number of connections.
pub(crate) fn connections(text: &str) -> Result<usize, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number
        .filter(|number| (1..=10_000).contains(number))
        .ok_or_else(|| "a whole number from 1 to 10000".to_string())
}

/// Reads the beginning of key or channel names.
pub(crate) fn prefix(text: &str) -> Result<String, String> {
    let special = |c: char| c.is_control() || c.is_whitespace() || "{}*?[]\\".contains(c);
    let mut parts = text.strip_suffix(':').unwrap_or(text).split(':');
    if text.len() > 128 || text.contains(special) || parts.any(str::is_empty) {
        let expected = "1 to 128 bytes without spaces, control characters and { } * ? [ ] \\, something \
                        before every colon";
        return Err(expected.to_string());
    }
    Ok(text.to_string())
}
