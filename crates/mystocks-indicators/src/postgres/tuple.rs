//! The binary form of COPY: tuples of fields, each with its length.

use bytes::{BufMut, Bytes, BytesMut};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const HEADER: usize = SIGNATURE.len() + 8;

/// Takes fields off the front of what the server sent.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Begins at `message`, after the header when it has it.
    pub(super) fn of(message: &'a [u8]) -> Self {
        if message.starts_with(SIGNATURE) {
            return Self(message.get(HEADER..).unwrap_or_default());
        }
        Self(message)
    }

    /// Begins the next tuple: `None` at the end of the message or of all; an error when it has not `count` fields.
    pub(super) fn tuple(&mut self, count: u16) -> Result<Option<()>, ()> {
        if self.0.is_empty() {
            return Ok(None);
        }
        match u16::from_be_bytes(self.take::<2>().ok_or(())?) {
            u16::MAX => Ok(None),
            fields if fields == count => Ok(Some(())),
            _ => Err(()),
        }
    }

    /// Takes a field as it is; `Some(None)` is NULL, `None` no field.
    pub(super) fn raw(&mut self) -> Option<Option<&'a [u8]>> {
        let length = i32::from_be_bytes(self.take::<4>()?);
        if length == -1 {
            return Some(None);
        }
        let (field, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(Some(field))
    }

    /// Leaves out so many fields; `None` when there are fewer.
    pub(super) fn skip(&mut self, count: u16) -> Option<()> {
        (0..count).try_for_each(|_| self.raw().map(drop))
    }

    /// Takes a field of exactly `N` bytes.
    pub(super) fn fixed<const N: usize>(&mut self) -> Option<Option<[u8; N]>> {
        match self.raw()? {
            Some(field) => Some(Some(field.try_into().ok()?)),
            None => Some(None),
        }
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
}

/// Puts tuples together for the server.
#[derive(Debug)]
pub(super) struct Tuples(BytesMut);

impl Tuples {
    pub(super) fn new() -> Self {
        let mut bytes = BytesMut::with_capacity(64 * 1024);
        bytes.put_slice(SIGNATURE);
        bytes.put_u64(0);
        Self(bytes)
    }

    pub(super) fn tuple(&mut self, fields: u16) {
        self.0.put_u16(fields);
    }

    /// Adds a field; `None` is NULL.
    pub(super) fn field(&mut self, field: Option<&[u8]>) {
        match field.map(|field| (field, i32::try_from(field.len()))) {
            Some((field, Ok(length))) => {
                self.0.put_i32(length);
                self.0.put_slice(field);
            }
            _ => self.0.put_i32(-1),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes what there is so far.
    pub(super) fn take(&mut self) -> Bytes {
        self.0.split().freeze()
    }

    /// Takes the rest, and the mark of the end.
    pub(super) fn finish(mut self) -> Bytes {
        self.0.put_i16(-1);
        self.0.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_together_is_taken_apart() {
        let mut tuples = Tuples::new();
        tuples.tuple(3);
        tuples.field(Some(b"600519"));
        tuples.field(None);
        tuples.field(Some(&7_i64.to_be_bytes()));
        let bytes = tuples.finish();
        let mut fields = Fields::of(&bytes);
        assert_eq!(fields.tuple(3), Ok(Some(())));
        assert_eq!(fields.raw(), Some(Some(&b"600519"[..])));
        assert_eq!(fields.raw(), Some(None));
        assert_eq!(fields.fixed(), Some(Some(7_i64.to_be_bytes())));
        assert_eq!(fields.tuple(3), Ok(None));
    }

    #[test]
    fn what_is_cut_off_or_other_is_refused() {
        let mut tuples = Tuples::new();
        tuples.tuple(1);
        tuples.field(Some(b"600519"));
        let bytes = tuples.finish();
        assert_eq!(Fields::of(&bytes).tuple(2), Err(()));
        assert_eq!(Fields(&[0]).tuple(1), Err(()));
        for end in HEADER + 2..HEADER + 12 {
            let mut fields = Fields::of(&bytes[..end]);
            assert_eq!(fields.tuple(1), Ok(Some(())), "{end}");
            assert_eq!(fields.raw(), None, "{end}");
        }
        let mut fields = Fields::of(&bytes);
        assert_eq!((fields.tuple(1), fields.fixed::<4>()), (Ok(Some(())), None));
        assert_eq!(Fields(&[0xff, 0xff, 0xff, 0xfe]).raw(), None);
    }
}
