//! What stands before a value of our own in L2: 32 bytes that say whose it is and how to read it.
//!
//! | offset | field |
//! |---|---|
//! | 0 | `0xC1`: never the first byte of JSON, UTF-8 or MessagePack |
//! | 1 | envelope version, 1 |
//! | 2 | codec: 0 none, 1 MessagePack |
//! | 3 | compression: 0 none |
//! | 4 | kind: 0 a value, 1 "there is no such thing" |
//! | 5 | 0 |
//! | 6 | schema, u16 |
//! | 8 | born, u64: milliseconds since the Unix epoch on the store's clock |
//! | 16 | expires, u64: the same |
//! | 24 | length of the payload, u32 |
//! | 28 | CRC-32 (IEEE) of the key, the bytes 0 to 27 and the payload, u32 |
//!
//! Numbers are little-endian. The key goes into the checksum so that an entry that got under another key, by whatever
//! accident, is a miss and never another stock's numbers.

use std::time::Duration;

/// The first byte of every entry of our own.
pub const MAGIC: u8 = 0xC1;
/// The envelope's length in bytes.
pub(crate) const LENGTH: usize = 32;
const VERSION: u8 = 1;
const CODEC_NONE: u8 = 0;
const CODEC_MESSAGE_PACK: u8 = 1;
const UNCOMPRESSED: u8 = 0;

/// An entry as it was read: its times and its payload, `None` for "there is no such thing".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened<'a> {
    pub(crate) age: Duration,
    pub(crate) expires_in: Duration,
    pub(crate) payload: Option<&'a [u8]>,
}

/// Why an entry is a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Not an entry of ours, cut short, damaged, or another key's.
    Damaged,
    /// An envelope version, codec, compression or schema that this build does not know.
    Unknown,
    /// Past its time.
    Expired,
}

/// Puts the envelope into the first [`LENGTH`] bytes of `entry`, whose payload follows them already.
pub(crate) fn seal(entry: &mut [u8], key: &str, schema: u16, born_ms: u64, ttl: Duration, negative: bool) {
    let Some((head, payload)) = entry.split_at_mut_checked(LENGTH) else {
        return;
    };
    let expires_ms = born_ms.saturating_add(millis(ttl));
    head[0] = MAGIC;
    head[1] = VERSION;
    head[2] = if negative { CODEC_NONE } else { CODEC_MESSAGE_PACK };
    head[3] = UNCOMPRESSED;
    head[4] = u8::from(negative);
    head[5] = 0;
    head[6..8].copy_from_slice(&schema.to_le_bytes());
    head[8..16].copy_from_slice(&born_ms.to_le_bytes());
    head[16..24].copy_from_slice(&expires_ms.to_le_bytes());
    head[24..28].copy_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    let sum = checksum(key, &head[..28], payload);
    head[28..].copy_from_slice(&sum.to_le_bytes());
}

/// Reads an entry found under `key` at the store's time `now_ms`.
pub(crate) fn open<'a>(
    entry: &'a [u8],
    key: &str,
    schema: u16,
    now_ms: u64,
) -> Result<Opened<'a>, Unreadable> {
    let Some((head, payload)) = entry.split_first_chunk::<LENGTH>() else {
        return Err(Unreadable::Damaged);
    };
    let [MAGIC, version, codec, compression, kind, _, s0, s1, times @ .., l0, l1, l2, l3, c0, c1, c2, c3] =
        head
    else {
        return Err(Unreadable::Damaged);
    };
    if *version != VERSION || *compression != UNCOMPRESSED || u16::from_le_bytes([*s0, *s1]) != schema {
        return Err(Unreadable::Unknown);
    }
    let negative = match (*codec, *kind) {
        (CODEC_MESSAGE_PACK, 0) => false,
        (CODEC_NONE, 1) => true,
        _ => return Err(Unreadable::Unknown),
    };
    let long = usize::try_from(u32::from_le_bytes([*l0, *l1, *l2, *l3]));
    if long != Ok(payload.len())
        || u32::from_le_bytes([*c0, *c1, *c2, *c3]) != checksum(key, &head[..28], payload)
    {
        return Err(Unreadable::Damaged);
    }
    let ([born, expires], []) = times.as_chunks::<8>() else {
        return Err(Unreadable::Damaged);
    };
    let (born_ms, expires_ms) = (u64::from_le_bytes(*born), u64::from_le_bytes(*expires));
    if expires_ms <= now_ms {
        return Err(Unreadable::Expired);
    }
    Ok(Opened {
        age: Duration::from_millis(now_ms.saturating_sub(born_ms)),
        // Never longer than the entry's whole life, should the store's clock have been set back.
        expires_in: Duration::from_millis((expires_ms - now_ms).min(expires_ms.saturating_sub(born_ms))),
        payload: (!negative).then_some(payload),
    })
}

fn checksum(key: &str, head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "mystocks:own:bars:600519";

    fn sealed(payload: &[u8], negative: bool) -> Vec<u8> {
        let mut entry = vec![0; LENGTH];
        entry.extend_from_slice(payload);
        seal(&mut entry, KEY, 3, 1_000, Duration::from_secs(2), negative);
        entry
    }

    #[test]
    fn what_was_sealed_opens_with_its_times() {
        let entry = sealed(b"payload", false);
        let opened = open(&entry, KEY, 3, 1_600).unwrap();
        assert_eq!(opened.payload, Some(&b"payload"[..]));
        assert_eq!(
            (opened.age, opened.expires_in),
            (Duration::from_millis(600), Duration::from_millis(1400))
        );
        assert_eq!(open(&sealed(b"", true), KEY, 3, 1_000).unwrap().payload, None);
        assert_eq!(open(&entry, KEY, 3, 3_000), Err(Unreadable::Expired));
    }

    #[test]
    fn the_example_in_the_document_is_real() {
        let mut entry = vec![0; LENGTH];
        entry.extend_from_slice(&[0x93, 1, 2, 3]);
        seal(&mut entry, KEY, 3, 1_700_000_000_000, Duration::from_secs(2), false);
        let rows: Vec<String> = entry
            .chunks(16)
            .map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "))
            .collect();
        let example = format!("```text\n{}\n```", rows.join("\n"));
        let document = include_str!("../../../docs/wire-format.md");
        assert!(document.contains(&example), "docs/wire-format.md lacks\n{example}");
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_entry_live_longer() {
        let entry = sealed(b"payload", false);
        let opened = open(&entry, KEY, 3, 10).unwrap();
        assert_eq!((opened.age, opened.expires_in), (Duration::ZERO, Duration::from_secs(2)));
    }

    #[test]
    fn another_keys_entry_is_never_read() {
        assert_eq!(
            open(&sealed(b"payload", false), "mystocks:own:bars:000001", 3, 1_600),
            Err(Unreadable::Damaged)
        );
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_a_miss() {
        let entry = sealed(b"a payload of some length", false);
        for end in 0..entry.len() {
            assert!(open(&entry[..end], KEY, 3, 1_600).is_err(), "cut at {end}");
        }
        for bit in 0..entry.len() * 8 {
            let mut flipped = entry.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&flipped, KEY, 3, 1_600).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_later_version_or_another_schema_is_unknown_not_an_error() {
        let mut later = sealed(b"payload", false);
        later[1] = 2;
        assert_eq!(open(&later, KEY, 3, 1_600), Err(Unreadable::Unknown));
        assert_eq!(open(&sealed(b"payload", false), KEY, 4, 1_600), Err(Unreadable::Unknown));
    }
}
