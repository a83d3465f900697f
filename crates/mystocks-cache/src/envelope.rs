//! What stands before a value of our own in L2: whose it is, how old, and how to read it.
//!
//! | offset | field |
//! |---|---|
//! | 0 | `0xC1`: never the first byte of JSON, UTF-8 or MessagePack |
//! | 1 | envelope version, 2 |
//! | 2 | codec: 0 none, 1 MessagePack |
//! | 3 | compression: 0 none, 1 LZ4 block |
//! | 4 | kind: 0 a value, 1 "there is no such thing" |
//! | 5 | 0 |
//! | 6 | schema, u16 |
//! | 8 | stamp, u64: microseconds since the Unix epoch on the store's clock, when its load began |
//! | 16 | expires, u64: milliseconds since the Unix epoch on the store's clock |
//! | 24 | stale until, u64: the same; from `expires` to here it is served only in want of a better one |
//! | 32 | how long the load took, u32: milliseconds |
//! | 36 | length of the notes, u16 |
//! | 38 | 0, u16 |
//! | 40 | length of the payload as it stands here, u32 |
//! | 44 | length of the payload uncompressed, u32 |
//! | 48 | CRC-32 (IEEE) of the key, the bytes 0 to 47, the notes and the payload, u32 |
//! | 52 | notes: tags and the entity tag, see `notes.rs`; then the payload |
//!
//! Numbers are little-endian. The key goes into the checksum so that an entry that got under another key, by whatever
//! accident, is a miss and never another stock's numbers.

use std::time::Duration;

/// The first byte of every entry of our own.
pub const MAGIC: u8 = 0xC1;
/// The length in bytes of what stands before the notes.
pub(crate) const LENGTH: usize = 52;
const VERSION: u8 = 2;
const CODEC_NONE: u8 = 0;
const CODEC_MESSAGE_PACK: u8 = 1;
const CHECKED: usize = 48;

/// What an entry says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Head {
    pub(crate) schema: u16,
    pub(crate) negative: bool,
    pub(crate) compressed: bool,
    pub(crate) stamp: u64,
    pub(crate) expires_ms: u64,
    pub(crate) stale_until_ms: u64,
    pub(crate) took_ms: u32,
    pub(crate) notes: u16,
    pub(crate) uncompressed: u32,
}

/// An entry taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened<'a> {
    pub(crate) head: Head,
    pub(crate) notes: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// Why an entry cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Not an entry of ours, cut short, damaged, or another key's.
    Damaged,
    /// An envelope version, codec, compression or schema that this build does not know.
    Unknown,
}

/// Writes `head` into the first [`LENGTH`] bytes of `entry`, which its notes and its payload follow already.
pub(crate) fn seal(entry: &mut [u8], key: &str, head: &Head) {
    let Some((place, rest)) = entry.split_at_mut_checked(LENGTH) else {
        return;
    };
    let payload = rest.len().saturating_sub(usize::from(head.notes));
    place[0] = MAGIC;
    place[1] = VERSION;
    place[2] = if head.negative { CODEC_NONE } else { CODEC_MESSAGE_PACK };
    place[3] = u8::from(head.compressed);
    place[4] = u8::from(head.negative);
    place[5] = 0;
    place[6..8].copy_from_slice(&head.schema.to_le_bytes());
    place[8..16].copy_from_slice(&head.stamp.to_le_bytes());
    place[16..24].copy_from_slice(&head.expires_ms.to_le_bytes());
    place[24..32].copy_from_slice(&head.stale_until_ms.to_le_bytes());
    place[32..36].copy_from_slice(&head.took_ms.to_le_bytes());
    place[36..38].copy_from_slice(&head.notes.to_le_bytes());
    place[38..40].fill(0);
    place[40..44].copy_from_slice(&u32::try_from(payload).unwrap_or(u32::MAX).to_le_bytes());
    place[44..48].copy_from_slice(&head.uncompressed.to_le_bytes());
    let sum = checksum(key, &place[..CHECKED], rest);
    place[CHECKED..].copy_from_slice(&sum.to_le_bytes());
}

/// Returns the stamp of an entry of ours, and until when it may be served at all, without looking any closer.
pub(crate) fn times(entry: &[u8]) -> Option<(u64, u64)> {
    let long = |at: usize| {
        let bytes = entry.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let ours = entry.len() >= LENGTH && entry.starts_with(&[MAGIC, VERSION]);
    ours.then(|| Some((long(8)?, long(16)?.max(long(24)?)))).flatten()
}

/// Takes an entry found under `key` apart.
pub(crate) fn open<'a>(entry: &'a [u8], key: &str, schema: u16) -> Result<Opened<'a>, Unreadable> {
    let Some((place, rest)) = entry.split_first_chunk::<LENGTH>() else {
        return Err(Unreadable::Damaged);
    };
    let (numbers, _) = place.as_chunks::<4>();
    let word = |at: usize| numbers.get(at / 4).map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    let [magic, version, codec, compression] = word(0).to_le_bytes();
    let [kind, _, schema_low, schema_high] = word(4).to_le_bytes();
    let [notes_low, notes_high, ..] = word(36).to_le_bytes();
    if magic != MAGIC {
        return Err(Unreadable::Damaged);
    }
    let found = u16::from_le_bytes([schema_low, schema_high]);
    if version != VERSION || compression > 1 || found != schema {
        return Err(Unreadable::Unknown);
    }
    let negative = match (codec, kind) {
        (CODEC_MESSAGE_PACK, 0) => false,
        (CODEC_NONE, 1) => true,
        _ => return Err(Unreadable::Unknown),
    };
    let head = Head {
        schema,
        negative,
        compressed: compression == 1,
        stamp: long(8),
        expires_ms: long(16),
        stale_until_ms: long(24),
        took_ms: word(32),
        notes: u16::from_le_bytes([notes_low, notes_high]),
        uncompressed: word(44),
    };
    let (notes, payload) = rest.split_at_checked(usize::from(head.notes)).ok_or(Unreadable::Damaged)?;
    let whole = usize::try_from(word(40)) == Ok(payload.len());
    if !whole || word(CHECKED) != checksum(key, &place[..CHECKED], rest) {
        return Err(Unreadable::Damaged);
    }
    Ok(Opened { head, notes, payload })
}

fn checksum(key: &str, head: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(head);
    hasher.update(rest);
    hasher.finalize()
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
