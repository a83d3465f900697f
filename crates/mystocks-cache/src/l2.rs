//! L2 as a typed cache sees it: entries under its own keys, or JSON under the keys that the Python side shares.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mystocks_keys::{Key, Keyspace};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::envelope::{self, Head, millis};
use crate::error::{Error, ErrorKind};
use crate::key::CacheKey;
use crate::l1::Slot;
use crate::lease::{SEEN, Seen};
use crate::notes::Notes;
use crate::pending::Sealing;
use crate::policy::OLDEST;
use crate::service::{decode_shared, encode_shared};
use crate::store::{Lifetime, Put, Store};

#[derive(Debug, Clone)]
pub(crate) struct L2 {
    /// Called through `as_ref`: on the `Arc` itself a method would be the `Arc`'s own, with one more box a call.
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keyspace: Keyspace,
    pub(crate) cache: String,
    pub(crate) format: Format,
    pub(crate) schema: u16,
    pub(crate) max_entry: usize,
    pub(crate) compress_from: Option<usize>,
}

/// How an entry is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Behind an envelope, under `own:`.
    Own,
    /// As JSON text, under the plain key, as the Python side reads and writes it.
    Shared,
}

impl Format {
    /// Returns of an entry what a later request recognises it by: nothing in JSON tells two values apart but all of it.
    pub(crate) fn sign(self, entry: &Bytes) -> Bytes {
        match self {
            // A slice holds on to the whole entry, so only a copy is kept of one that is going to be replaced.
            Self::Own => Bytes::copy_from_slice(entry.get(..SEEN).unwrap_or(entry)),
            Self::Shared => entry.clone(),
        }
    }

    /// Says by its sign which entry was seen.
    pub(crate) fn seen(self, sign: &[u8]) -> Seen<'_> {
        match self {
            Self::Own => Seen::Head(sign),
            Self::Shared => Seen::Whole(sign),
        }
    }

    /// Says which entry what was loaded may replace: of our own any, because whoever writes one takes the lease away.
    pub(crate) fn replaceable(self, sign: &[u8]) -> Option<Seen<'_>> {
        (self == Self::Shared).then(|| self.seen(sign))
    }
}

/// What one entry of L2 turned out to be.
#[derive(Debug)]
pub(crate) enum Entry<V> {
    Present(Stored<V>),
    Absent,
    Unreadable,
}

/// A value, or the knowledge that there is none, as it stands in L2.
#[derive(Debug)]
pub(crate) struct Stored<V> {
    pub(crate) value: Option<Arc<V>>,
    pub(crate) stamp: u64,
    /// When the two times that follow were counted.
    pub(crate) as_of: Instant,
    /// The same by the store's clock, in microseconds since the Unix epoch.
    pub(crate) read_us: u64,
    /// Zero when it is stale.
    pub(crate) fresh_for: Duration,
    pub(crate) stale_for: Duration,
    pub(crate) took: Duration,
    pub(crate) notes: Notes,
    pub(crate) encoded: usize,
}

/// An entry as it was read, and what a later request recognises it by.
#[derive(Debug)]
pub(crate) struct Sight<V> {
    pub(crate) entry: Entry<V>,
    pub(crate) seen: Bytes,
}

/// A value made ready for L2 but for its times.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    notes: u16,
    uncompressed: usize,
    compressed: bool,
    negative: bool,
}

/// The times of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) ttl: Duration,
    pub(crate) stale: Duration,
    pub(crate) took: Duration,
}

impl L2 {
    /// Spells `key` as it stands in the store.
    pub(crate) fn spell<K: CacheKey>(&self, key: &K) -> Result<Key, Error> {
        let segments = key.segments();
        let spelled = match self.format {
            Format::Own => self.keyspace.own(&self.cache, &segments, key.params().as_ref()),
            Format::Shared => {
                let mut name = segments.join(":");
                if let Some(params) = key.params() {
                    name.push(':');
                    name.push_str(&mystocks_keys::digest8(&params));
                }
                self.keyspace.entry(&name)
            }
        };
        spelled.map_err(|error| {
            let subject = segments.join(":").chars().take(128).collect::<String>();
            Error::new(ErrorKind::InvalidArgument, "spell key", subject).with_source(error)
        })
    }

    pub(crate) async fn get<V: DeserializeOwned>(
        &self,
        key: &Key,
        known: Option<&Slot<V>>,
    ) -> Result<Sight<V>, Error> {
        let store = self.store.as_ref();
        let names = [key.as_str()];
        let (bytes, lives) = match self.format {
            Format::Own => (store.get(&names).await?.pop().flatten(), OLDEST),
            Format::Shared => {
                let both = async { futures::try_join!(store.get(&names), store.touch(key.as_str(), None)) };
                let (values, life) = Box::pin(both).await?;
                (values.into_iter().next().flatten(), left(life))
            }
        };
        Ok(self.sight(key, bytes, known, lives))
    }

    /// Reads all of `keys` with one request.
    pub(crate) async fn get_many<V: DeserializeOwned>(&self, keys: &[&Key]) -> Result<Vec<Sight<V>>, Error> {
        let names: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        let store = self.store.as_ref();
        let lives = match self.format {
            Format::Own => vec![OLDEST; names.len()],
            Format::Shared => {
                let lives = names.iter().map(|name| store.touch(name, None));
                futures::future::try_join_all(lives).await?.into_iter().map(left).collect()
            }
        };
        let values = store.get(&names).await?.into_iter().zip(lives);
        Ok(keys.iter().zip(values).map(|(key, (value, lives))| self.sight(key, value, None, lives)).collect())
    }

    /// Makes what it can of the bytes found under `key`; `known` spares decoding what L1 holds already.
    pub(crate) fn sight<V: DeserializeOwned>(
        &self,
        key: &Key,
        bytes: Option<Bytes>,
        known: Option<&Slot<V>>,
        lives: Duration,
    ) -> Sight<V> {
        let bytes = bytes.filter(|_| self.format == Format::Own || !lives.is_zero());
        // Without a life it came or went between the two questions: who takes the lease will be told if it is there.
        let Some(bytes) = bytes else {
            return Sight { entry: Entry::Absent, seen: Bytes::new() };
        };
        let entry = match self.format {
            Format::Own => self.read(key, &bytes, known),
            Format::Shared => self.read_shared(key, &bytes, lives),
        };
        let seen = match &entry {
            Entry::Present(stored) if !stored.fresh_for.is_zero() => bytes,
            _ => self.format.sign(&bytes),
        };
        Sight { entry, seen }
    }

    fn read<V: DeserializeOwned>(&self, key: &Key, bytes: &[u8], known: Option<&Slot<V>>) -> Entry<V> {
        if bytes.len() > self.max_entry.saturating_add(envelope::LENGTH + usize::from(u16::MAX)) {
            return Entry::Unreadable;
        }
        let Ok(opened) = envelope::open(bytes, key.as_str(), self.schema) else {
            return Entry::Unreadable;
        };
        let Head { stamp, expires_ms, stale_until_ms, .. } = opened.head;
        // Both clocks together, and before what takes its time.
        let (as_of, now_ms, born_ms) = (Instant::now(), self.store.as_ref().now_ms(), stamp / 1000);
        // No later than the times that were meant, should the store's clock have been set back.
        let until =
            |end: u64| Duration::from_millis(end.saturating_sub(now_ms).min(end.saturating_sub(born_ms)));
        let (fresh_for, stale_for) = (until(expires_ms), until(stale_until_ms.max(expires_ms)));
        if stale_for.is_zero() || now_ms.saturating_sub(born_ms) > millis(OLDEST) {
            return Entry::Absent;
        }
        let Some(notes) = Notes::read(opened.notes) else {
            return Entry::Unreadable;
        };
        let value = match known {
            Some(slot) if slot.stamp == stamp && slot.value.is_none() == opened.head.negative => {
                slot.value.clone()
            }
            _ if opened.head.negative => None,
            _ => match self.decode(&opened) {
                Some(value) => Some(Arc::new(value)),
                None => return Entry::Unreadable,
            },
        };
        let took = Duration::from_millis(opened.head.took_ms.into());
        let encoded = bytes.len() + key.as_str().len();
        Entry::Present(Stored {
            value,
            stamp,
            as_of,
            read_us: now_ms.saturating_mul(1000),
            fresh_for,
            stale_for,
            took,
            notes,
            encoded,
        })
    }

    fn decode<V: DeserializeOwned>(&self, opened: &envelope::Opened<'_>) -> Option<V> {
        let uncompressed = usize::try_from(opened.head.uncompressed).ok()?;
        if uncompressed > self.max_entry {
            return None;
        }
        if !opened.head.compressed {
            return rmp_serde::from_slice(opened.payload).ok();
        }
        let payload = lz4_flex::block::decompress(opened.payload, uncompressed).ok()?;
        rmp_serde::from_slice(&payload).ok()
    }

    fn read_shared<V: DeserializeOwned>(&self, key: &Key, bytes: &[u8], lives: Duration) -> Entry<V> {
        let (as_of, read_us) = (Instant::now(), self.store.as_ref().now_ms().saturating_mul(1000));
        match decode_shared(bytes, self.max_entry) {
            Ok(value) => Entry::Present(Stored {
                value: Some(Arc::new(value)),
                // Nobody stamped it: it is taken for as old as this reading.
                stamp: read_us,
                as_of,
                read_us,
                fresh_for: lives,
                stale_for: lives,
                took: Duration::ZERO,
                notes: Notes::default(),
                encoded: bytes.len() + key.as_str().len(),
            }),
            Err(_) => Entry::Unreadable,
        }
    }

    /// Encodes a value, or the knowledge that there is none, behind room for the envelope.
    pub(crate) fn encode<V: Serialize>(
        &self,
        key: &str,
        value: Option<&V>,
        notes: &Notes,
    ) -> Result<Encoded, Error> {
        encode(key, value, notes, self.format, self.max_entry, self.compress_from)
    }

    /// Returns the bytes of an entry whose load began at `stamp`, and how long the store is to keep them.
    pub(crate) fn seal(
        &self,
        key: &Key,
        mut encoded: Encoded,
        stamp: u64,
        times: Times,
    ) -> (Bytes, Duration) {
        let Times { ttl, stale, took } = times;
        if self.format == Format::Shared {
            return (Bytes::from(encoded.bytes), ttl);
        }
        let stale = if encoded.negative { Duration::ZERO } else { stale };
        let expires_ms = self.store.as_ref().now_ms().saturating_add(millis(ttl));
        let head = Head {
            schema: self.schema,
            negative: encoded.negative,
            compressed: encoded.compressed,
            stamp,
            expires_ms,
            stale_until_ms: expires_ms.saturating_add(millis(stale)),
            took_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
            notes: encoded.notes,
            uncompressed: u32::try_from(encoded.uncompressed).unwrap_or(u32::MAX),
        };
        envelope::seal(&mut encoded.bytes, key.as_str(), &head);
        (Bytes::from(encoded.bytes), ttl.saturating_add(stale))
    }

    /// Returns what says in place of an entry that it was invalidated at `stamp`, if the format can say so.
    pub(crate) fn grave(&self, key: &Key) -> Option<Sealing> {
        if self.format == Format::Shared {
            return None;
        }
        let (schema, key) = (self.schema, key.clone());
        Some(Arc::new(move |stamp| {
            // Over before it began, whatever the reader's clock says.
            let head = Head { schema, negative: true, stamp, ..Head::default() };
            let mut bytes = vec![0; envelope::LENGTH];
            envelope::seal(&mut bytes, key.as_str(), &head);
            Bytes::from(bytes)
        }))
    }

    /// Returns whether such an entry stands in L2: JSON has no word for "there is no such thing" that the Python side knows.
    pub(crate) fn holds(&self, encoded: &Encoded) -> bool {
        self.format == Format::Own || !encoded.negative
    }

    pub(crate) async fn put_all(&self, puts: &[Put<'_>]) -> Result<(), Error> {
        self.store.as_ref().put(puts).await
    }

    pub(crate) async fn put(&self, key: &Key, bytes: Bytes, ttl: Duration) -> Result<(), Error> {
        self.store.as_ref().put(&[Put { key: key.as_str(), value: bytes, ttl }]).await
    }
}

impl Encoded {
    /// Returns the size by which L1 counts it.
    pub(crate) fn len(&self) -> usize {
        self.uncompressed.saturating_add(usize::from(self.notes) + envelope::LENGTH)
    }
}

/// Encodes for `format`; above `max_entry` it is [`ErrorKind::TooLarge`].
pub(crate) fn encode<V: Serialize>(
    key: &str,
    value: Option<&V>,
    notes: &Notes,
    format: Format,
    max_entry: usize,
    compress_from: Option<usize>,
) -> Result<Encoded, Error> {
    let negative = value.is_none();
    if format == Format::Shared {
        let bytes = value.map(|value| encode_shared(key, value, max_entry)).transpose()?;
        let bytes = Vec::from(bytes.unwrap_or_default());
        let uncompressed = bytes.len();
        return Ok(Encoded { bytes, notes: 0, uncompressed, compressed: false, negative });
    }
    notes.check(key)?;
    let mut bytes = vec![0; envelope::LENGTH];
    let notes = notes.write(&mut bytes);
    let payload_at = bytes.len();
    if let Some(value) = value {
        value
            .serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map())
            .map_err(|cause| Error::new(ErrorKind::Codec, "encode", key).with_source(cause))?;
    }
    let uncompressed = bytes.len() - payload_at;
    if uncompressed > max_entry {
        let detail = format!("{uncompressed} bytes where at most {max_entry} are kept");
        return Err(Error::new(ErrorKind::TooLarge, "encode", key).with_detail(detail));
    }
    let mut compressed = false;
    if compress_from.is_some_and(|from| uncompressed >= from.max(1)) {
        let smaller = lz4_flex::block::compress(bytes.get(payload_at..).unwrap_or_default());
        if smaller.len() < uncompressed - uncompressed / 8 {
            bytes.truncate(payload_at);
            bytes.extend_from_slice(&smaller);
            compressed = true;
        }
    }
    Ok(Encoded { bytes, notes, uncompressed, compressed, negative })
}

/// Returns how long a shared entry may be kept by the time it has left.
fn left(life: Lifetime) -> Duration {
    match life {
        Lifetime::Absent => Duration::ZERO,
        Lifetime::Unlimited => OLDEST,
        Lifetime::Expires(left) => left.min(OLDEST),
    }
}
