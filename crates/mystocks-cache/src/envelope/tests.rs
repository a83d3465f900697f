//! The envelope, byte by byte.

use super::*;

const KEY: &str = "mystocks:own:bars:600519";

fn head() -> Head {
    Head {
        schema: 3,
        stamp: 1_700_000_000_000_000,
        expires_ms: 1_700_000_002_000,
        stale_until_ms: 1_700_000_003_000,
        took_ms: 250,
        notes: 0,
        uncompressed: 4,
        ..Head::default()
    }
}

fn sealed(head: &Head, rest: &[u8]) -> Vec<u8> {
    let mut entry = vec![0; LENGTH];
    entry.extend_from_slice(rest);
    seal(&mut entry, KEY, head);
    entry
}

#[test]
fn what_was_sealed_opens_as_it_was() {
    let with_notes = Head { notes: 5, compressed: true, ..head() };
    let entry = sealed(&with_notes, b"notespayload");
    let opened = open(&entry, KEY, 3).unwrap();
    assert_eq!(opened, Opened { head: with_notes, notes: b"notes", payload: b"payload" });
    let negative = Head { negative: true, ..head() };
    assert_eq!(open(&sealed(&negative, b""), KEY, 3).unwrap().head, negative);
}

#[test]
fn the_example_in_the_document_is_real() {
    let entry = sealed(&head(), &[0x93, 1, 2, 3]);
    let rows: Vec<String> = entry
        .chunks(16)
        .map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "))
        .collect();
    let example = format!("```text\n{}\n```", rows.join("\n"));
    let document = include_str!("../../../../docs/wire-format.md");
    assert!(document.contains(&example), "docs/wire-format.md lacks\n{example}");
}

#[test]
fn another_keys_entry_is_never_read() {
    assert_eq!(open(&sealed(&head(), b"payload"), "mystocks:own:bars:000001", 3), Err(Unreadable::Damaged));
}

#[test]
fn every_cut_and_every_flipped_bit_is_unreadable() {
    let entry = sealed(&Head { notes: 3, ..head() }, b"abca payload of some length");
    for end in 0..entry.len() {
        assert!(open(&entry[..end], KEY, 3).is_err(), "cut at {end}");
    }
    for bit in 0..entry.len() * 8 {
        let mut flipped = entry.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&flipped, KEY, 3).is_err(), "bit {bit}");
    }
}

#[test]
fn another_version_or_another_schema_is_unknown_not_damaged() {
    for version in [0, 1, 3, 255] {
        let mut other = sealed(&head(), b"payload");
        other[1] = version;
        assert_eq!(open(&other, KEY, 3), Err(Unreadable::Unknown));
    }
    assert_eq!(open(&sealed(&head(), b"payload"), KEY, 4), Err(Unreadable::Unknown));
}
