//! Reading what a server tells of itself.

/// Returns the number after `label`, which begins a line of an answer to `INFO`; 0 where no line does.
///
/// ```
/// let info = "# Commandstats\r\ncmdstat_get:calls=3,usec=7\r\n";
/// assert_eq!(mystocks_testkit::number_in(info, "cmdstat_get:calls="), 3);
/// assert_eq!(mystocks_testkit::number_in(info, "cmdstat_set:calls="), 0);
/// ```
pub fn number_in(info: &str, label: &str) -> u64 {
    let rest = info.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default();
    let digits = rest.find(|other: char| !other.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
    digits.parse().unwrap_or_default()
}
