//! Messages of Protocol Buffers: fields, each with its number and its kind.

use std::slice;

/// The kinds of fields that there are here.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const BYTES: u64 = 2;
const FOUR_BYTES: u64 = 5;

/// Appends a number, which most often takes few bytes.
pub(crate) fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3 | VARINT);
    varint(out, value);
}

/// Appends a number that always takes eight bytes.
pub(crate) fn fixed64(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3 | EIGHT_BYTES);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a number that always takes four bytes.
pub(crate) fn fixed32(out: &mut Vec<u8>, field: u64, value: u32) {
    varint(out, field << 3 | FOUR_BYTES);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends bytes, or a text.
pub(crate) fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | BYTES);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Appends a message with what `fill` appends.
pub(crate) fn message(out: &mut Vec<u8>, field: u64, fill: impl FnOnce(&mut Vec<u8>)) {
    varint(out, field << 3 | BYTES);
    let start = out.len();
    fill(out);
    let mut length = Vec::new();
    varint(&mut length, (out.len() - start) as u64);
    out.splice(start..start, length);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// The fields of a message, as far as they are whole and of kinds that there are.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'b>(slice::Iter<'b, u8>);

impl<'b> Fields<'b> {
    pub(crate) fn of(bytes: &'b [u8]) -> Self {
        Self(bytes.iter())
    }

    /// Bytes that are not read yet.
    pub(crate) fn left(&self) -> usize {
        self.0.len()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.0.next()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, count: u64) -> Option<&'b [u8]> {
        let count = usize::try_from(count).ok()?;
        let (taken, rest) = self.0.as_slice().split_at_checked(count)?;
        self.0 = rest.iter();
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Value<'b>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            VARINT => Value::Number(self.varint()?),
            EIGHT_BYTES => Value::Bytes(self.take(8)?),
            BYTES => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            FOUR_BYTES => Value::Bytes(self.take(4)?),
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = (u64, Value<'b>);

    fn next(&mut self) -> Option<Self::Item> {
        let before = self.0.clone();
        let field = self.field();
        if field.is_none() {
            self.0 = before;
        }
        field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_that_is_cut_off() {
        let mut out = Vec::new();
        number(&mut out, 1, 300);
        // The example of the encoding's own description.
        assert_eq!(out, [0x08, 0xac, 0x02]);
        fixed64(&mut out, 2, u64::MAX);
        fixed32(&mut out, 16, 7);
        message(&mut out, 3, |out| bytes(out, 4, &[b'x'; 200]));
        number(&mut out, 5, u64::MAX);
        let all: Vec<_> = Fields::of(&out).collect();
        let inner = [&[0x22, 0xc8, 0x01][..], &[b'x'; 200]].concat();
        let expect = [
            (1, Value::Number(300)),
            (2, Value::Bytes(&[0xff; 8])),
            (16, Value::Bytes(&[7, 0, 0, 0])),
            (3, Value::Bytes(&inner)),
            (5, Value::Number(u64::MAX)),
        ];
        assert_eq!(all, expect);
        for end in 0..out.len() {
            let mut fields = Fields::of(&out[..end]);
            assert!(fields.by_ref().count() < all.len());
            assert!(fields.left() <= 206, "it stands behind the last whole field");
        }
    }

    #[test]
    fn no_length_leads_behind_the_end() {
        for bytes in [&b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..], b"\x0b", b"\x0a\x02x"] {
            assert_eq!(Fields::of(bytes).next(), None, "{}", bytes.escape_ascii());
        }
    }
}
