//! Genuine entries of every kind, and what is made of them.

use std::convert::Infallible;
use std::sync::Arc;

use mystocks_cache::{Cache, Keyspace, LoadCtx, Loaded, MemoryStore, Policy, Store, packed};
use serde::{Deserialize, Serialize};

/// What the reader reads; a rolling deploy has another beside it.
pub(crate) const SCHEMA: u16 = 2;
const HEAD: usize = 52;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Series {
    name: String,
    #[serde(with = "packed::float64")]
    values: Vec<f64>,
    days: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Compressed,
    Noted,
    Absent,
    OtherSchema,
    Earlier,
    Later,
    Shared,
}

/// An entry as it was written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// What it is read as, if it is read at all.
    pub(crate) value: Option<Series>,
}

pub(crate) fn cache(store: &Arc<MemoryStore>, policy: Policy, shared: bool) -> Cache<String, Series> {
    let builder = Cache::builder("bars", &Keyspace::default()).policy(policy).store(Arc::clone(store));
    if shared { builder.shared_format() } else { builder }.build().unwrap()
}

/// Writes one entry of every kind and takes it from the store.
pub(crate) async fn corpus(store: &Arc<MemoryStore>) -> Vec<Entry> {
    let mut corpus = Vec::new();
    for kind in [
        Kind::Plain,
        Kind::Compressed,
        Kind::Noted,
        Kind::Absent,
        Kind::OtherSchema,
        Kind::Earlier,
        Kind::Later,
        Kind::Shared,
    ] {
        let length = if kind == Kind::Compressed { 500 } else { 5 };
        let series = Series {
            name: "SMA(timeperiod=20)".to_owned(),
            values: (0..length).map(|at| f64::from(at / 50)).collect(),
            days: vec![20_240_102, 20_240_103],
        };
        let policy = Policy {
            schema: if kind == Kind::OtherSchema { SCHEMA + 1 } else { SCHEMA },
            compress_from: (kind == Kind::Compressed).then_some(64),
            negative_ttl: Policy::default().ttl,
            ..Policy::default()
        };
        let cache = cache(store, policy, kind == Kind::Shared);
        let written = series.clone();
        let load = move |cx: LoadCtx<Series>| async move {
            if kind == Kind::Noted {
                cx.tag("symbol:600519");
                cx.set_etag("\"a\"");
            }
            Ok::<_, Infallible>(if kind == Kind::Absent { Loaded::Absent } else { Loaded::Value(written) })
        };
        let name = format!("{kind:?}").leak();
        cache.get_or_load(&name.to_owned(), load).await.unwrap();
        let key: &str = match kind {
            Kind::Shared => format!("mystocks:{name}").leak(),
            _ => format!("mystocks:own:bars:{name}").leak(),
        };
        let mut bytes = store.get(&[key]).await.unwrap().remove(0).unwrap().to_vec();
        match kind {
            Kind::Earlier => bytes[1] = 1,
            Kind::Later => bytes[1] = 3,
            _ => {}
        }
        let unread = matches!(kind, Kind::Absent | Kind::OtherSchema | Kind::Earlier | Kind::Later);
        let mut entry = Entry { kind, name, key, bytes, value: (!unread).then_some(series) };
        if matches!(kind, Kind::Earlier | Kind::Later) {
            seal(entry.key, &mut entry.bytes);
        }
        corpus.push(entry);
    }
    assert!(corpus[1].bytes[3] == 1 && corpus[0].bytes[3] == 0, "one is compressed");
    corpus
}

impl Entry {
    /// Returns what became of the entry, and whether its checksum was made to fit.
    pub(crate) fn mutated(&self, random: &mut fastrand::Rng, corpus: &[Self]) -> (Vec<u8>, bool) {
        let mut bytes = self.bytes.clone();
        let mut noise = vec![0; random.usize(0..96)];
        random.fill(&mut noise);
        match random.u8(0..16) {
            0 => bytes = noise,
            1..3 => bytes.truncate(random.usize(0..bytes.len())),
            3 => bytes.extend(noise),
            4 => {
                bytes.truncate(random.usize(0..bytes.len()));
                bytes.extend(noise);
            }
            // Another key's entry, whole or behind the head of this one.
            5..7 => {
                let other = &corpus[random.usize(..corpus.len())].bytes;
                let at = if random.bool() { 0 } else { random.usize(..bytes.len().min(other.len())) };
                bytes.truncate(at);
                bytes.extend_from_slice(&other[at..]);
            }
            // Lengths that claim what is not there: notes, payload, uncompressed.
            7..10 if bytes.len() >= HEAD => {
                let at = [36, 40, 44][random.usize(..3)];
                let claims = [0, 1, 0x7fff, 0xffff, 0x0001_0000, 0x7fff_ffff, u32::MAX, random.u32(..)];
                let claim = claims[random.usize(..claims.len())].to_le_bytes();
                let width = if at == 36 { 2 } else { 4 };
                bytes[at..at + width].copy_from_slice(&claim[..width]);
            }
            10..12 if bytes.len() > HEAD => {
                // MessagePack and JSON that claim to be long or deep.
                let at = random.usize(HEAD..bytes.len());
                let claims: [&[u8]; 6] = [
                    &[0xdb, 0xff, 0xff, 0xff, 0xff],
                    &[0xc6, 0xff, 0xff, 0xff, 0xff],
                    &[0xdd, 0xff, 0xff, 0xff, 0xff],
                    &[0xdf, 0xff, 0xff, 0xff, 0xff],
                    &[0x91; 2_000],
                    &[b'['; 2_000],
                ];
                let claim = claims[random.usize(..claims.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(claim);
            }
            12 => {}
            _ => {
                for _ in 0..random.usize(1..4) {
                    let at = random.usize(0..bytes.len());
                    bytes[at] = random.u8(..);
                }
            }
        }
        // Who writes a checksum on purpose gets past it: what is behind must hold all the same.
        let resealed =
            self.kind != Kind::Shared && bytes.len() >= HEAD && random.u8(..3) == 0 && bytes != self.bytes;
        if resealed {
            seal(self.key, &mut bytes);
        }
        (bytes, resealed)
    }
}

fn seal(key: &str, bytes: &mut [u8]) {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key.as_bytes());
    hasher.update(&bytes[..HEAD - 4]);
    hasher.update(&bytes[HEAD..]);
    bytes[HEAD - 4..HEAD].copy_from_slice(&hasher.finalize().to_le_bytes());
}
