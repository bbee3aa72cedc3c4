//! Values as bytes and back, for what one process tells another: numbers little-endian, everything
//! else behind its length. What was cut short or has an unknown tag is nothing at all.

use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

/// Appends values to bytes.
#[derive(Debug, Default)]
pub struct Packer(Vec<u8>);

impl Packer {
    /// Appends a tag.
    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Appends a number.
    pub fn number(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends bytes with their length.
    pub fn bytes(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// All that was appended.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes values from the front of bytes, in the order they were appended.
#[derive(Clone, Copy, Debug)]
pub struct Unpacker<'b>(&'b [u8]);

impl<'b> Unpacker<'b> {
    /// The values in `bytes`.
    #[must_use]
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// The next value, a tag.
    pub fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// The next value, a number.
    pub fn number(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    /// The next value, a number of that size.
    pub fn count<N: TryFrom<u64>>(&mut self) -> Option<N> {
        self.number()?.try_into().ok()
    }

    /// The next value, a number that is 0 or 1.
    pub fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// The next value, bytes.
    pub fn bytes(&mut self) -> Option<&'b [u8]> {
        let length = self.count()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    /// The next value, a text.
    pub fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    /// The next value, a path.
    pub fn path(&mut self) -> Option<PathBuf> {
        Some(self.os_text()?.into())
    }

    /// The next value, a text as the operating system has them.
    pub fn os_text(&mut self) -> Option<OsString> {
        Some(OsString::from_vec(self.bytes()?.to_vec()))
    }

    /// The next values, as many as the number before them says, each taken by `one`.
    pub fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count: usize = self.count()?;
        // Whoever lies about the count gets no memory for it.
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(one(self)?);
        }
        Some(list)
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked_and_nothing_shorter() {
        let mut packer = Packer::default();
        packer.byte(1);
        packer.number(u64::MAX);
        packer.bytes(b"");
        packer.bytes("ä".as_bytes());
        packer.number(2);
        packer.number(7);
        packer.number(8);
        let bytes = packer.finish();
        let unpack = |bytes| {
            let mut unpacker = Unpacker::new(bytes);
            let values = (
                unpacker.flag()?,
                unpacker.number()?,
                unpacker.bytes()?,
                unpacker.text()?,
                unpacker.list(Unpacker::count::<u8>)?,
            );
            Some((values, unpacker.is_empty()))
        };
        let expect = (true, u64::MAX, &b""[..], "ä".to_owned(), vec![7, 8]);
        assert_eq!(unpack(&bytes), Some((expect, true)));
        for end in 0..bytes.len() {
            assert_eq!(unpack(&bytes[..end]), None, "{end}");
        }
    }

    #[test]
    fn lies_about_lengths_and_tags_are_nothing() {
        let huge = [0xff; 12];
        assert_eq!(Unpacker::new(&huge).bytes(), None);
        assert_eq!(Unpacker::new(&huge).list(Unpacker::byte), None);
        assert_eq!(Unpacker::new(&huge).count::<u32>(), None);
        assert_eq!(Unpacker::new(&[2]).flag(), None);
        let mut packer = Packer::default();
        packer.bytes(b"\xff");
        assert_eq!(Unpacker::new(&packer.finish()).text(), None);
    }
}
