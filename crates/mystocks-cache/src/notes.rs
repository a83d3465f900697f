//! What an entry carries beside its value: the tags it has, and the entity tag of what it was made of.
//!
//! One byte with the number of tags; for each tag, and last for the entity tag, one byte with its length and the text in
//! UTF-8. No notes at all stand for no tags and no entity tag.

use crate::error::{Error, ErrorKind};

/// The most tags of one entry.
pub(crate) const TAGS: usize = 32;
/// The longest tag or entity tag, in bytes.
pub(crate) const TEXT: usize = 255;

/// The notes of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Notes {
    pub(crate) tags: Vec<String>,
    pub(crate) etag: Option<String>,
}

impl Notes {
    /// Refuses what has no room.
    pub(crate) fn check(&self, key: &str) -> Result<(), Error> {
        let refuse =
            |detail: String| Err(Error::new(ErrorKind::InvalidArgument, "tag", key).with_detail(detail));
        if self.tags.len() > TAGS {
            return refuse(format!("{} tags where at most {TAGS} are kept", self.tags.len()));
        }
        match self.tags.iter().chain(&self.etag).find(|text| text.is_empty() || text.len() > TEXT) {
            Some(text) => refuse(format!("a tag of {} bytes where 1 to {TEXT} are expected", text.len())),
            None => Ok(()),
        }
    }

    /// Appends the notes, checked before, and returns their length.
    pub(crate) fn write(&self, to: &mut Vec<u8>) -> u16 {
        if self.tags.is_empty() && self.etag.is_none() {
            return 0;
        }
        let before = to.len();
        to.push(u8::try_from(self.tags.len()).unwrap_or(0));
        for text in self.tags.iter().map(String::as_str).chain([self.etag.as_deref().unwrap_or_default()]) {
            to.push(u8::try_from(text.len()).unwrap_or(0));
            to.extend_from_slice(text.as_bytes());
        }
        u16::try_from(to.len() - before).unwrap_or(0)
    }

    /// Reads notes; `None` when they are none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let Some((count, mut rest)) = bytes.split_first() else {
            return Some(Self::default());
        };
        let mut texts = Vec::new();
        for _ in 0..=*count {
            let (length, text) = rest.split_first()?;
            let (text, after) = text.split_at_checked(usize::from(*length))?;
            texts.push(std::str::from_utf8(text).ok()?.to_owned());
            rest = after;
        }
        let etag = texts.pop().filter(|etag| !etag.is_empty());
        rest.is_empty().then_some(Self { tags: texts, etag })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_were_written() {
        for (tags, etag) in [
            (vec![], None),
            (vec!["symbol:600519".to_owned(), "Ü".repeat(127)], None),
            (vec![], Some("\"a\"".to_owned())),
        ] {
            let notes = Notes { tags, etag };
            notes.check("key").unwrap();
            let mut bytes = b"head".to_vec();
            let length = notes.write(&mut bytes);
            assert_eq!(usize::from(length), bytes.len() - 4);
            assert_eq!(Notes::read(&bytes[4..]), Some(notes));
        }
    }

    #[test]
    fn what_is_cut_or_too_long_is_no_note() {
        let mut bytes = Vec::new();
        Notes { tags: vec!["tag".to_owned()], etag: Some("etag".to_owned()) }.write(&mut bytes);
        assert!((1..bytes.len()).all(|end| Notes::read(&bytes[..end]).is_none()));
        bytes.push(0);
        assert_eq!(Notes::read(&bytes), None);
        assert!(Notes { tags: vec!["x".repeat(256)], etag: None }.check("key").is_err());
        assert!(Notes { tags: vec!["x".to_owned(); 33], etag: None }.check("key").is_err());
    }
}
