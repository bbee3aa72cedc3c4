//! The fields of a head as they were told, in one run of bytes that can be kept and read again.

use crate::{
    fault::Refusal,
    limits::{BLOCK_HEADS_MAX, CRUMBS_MAX, ENTRY_BYTES},
};
use message::Limits;
use std::mem;

/// Bytes before each field: the lengths of its name and its value.
const LENGTHS_BYTES: usize = 8;

/// Room for the fields of one head; lent for a turn, so that no head asks for memory.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    /// What the fields have counted for that were told, here or not, and how much they may.
    told_bytes: usize,
    bytes_max: usize,
    fields_left: usize,
    /// Why not all fields are here.
    overflow: Option<Refusal>,
    /// How many of them are pieces of a cookie.
    crumbs: usize,
    /// Where crumbs are put together.
    spare: Vec<u8>,
}

/// A field that is being told.
pub(crate) struct Begun<'b> {
    block: &'b mut Block,
    start: usize,
    name_end: usize,
}

impl Block {
    /// Forgets the head before.
    pub(crate) fn clear(&mut self, limits: &Limits) {
        self.bytes.clear();
        (self.told_bytes, self.bytes_max) = (0, limits.head_bytes_max);
        self.fields_left = limits.fields_max.min(Limits::FIELDS_CEILING);
        self.overflow = None;
        self.crumbs = 0;
    }

    /// Adds a field.
    #[inline]
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        if !self.admits(name, value.len()) {
            return;
        }
        push(&mut self.bytes, name, value);
    }

    /// Begins a field whose text is not known yet.
    pub(crate) fn begin(&mut self) -> Begun<'_> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; LENGTHS_BYTES]);
        Begun { block: self, start, name_end: 0 }
    }

    /// Why not all fields are here, if they are not.
    pub(crate) fn overflow(&self) -> Option<Refusal> {
        self.overflow
    }

    /// Whether what was told is so much that nobody can want an answer to it.
    pub(crate) fn is_beyond_measure(&self) -> bool {
        self.told_bytes > BLOCK_HEADS_MAX * self.bytes_max
    }

    /// The fields, once they all are here: what [`records`] reads. The crumbs of a cookie are put
    /// together (RFC 9113 section 8.2.3), unless one is malformed by itself, or stands before a
    /// pseudo-field: then so is the head, and whoever reads it has to see that.
    pub(crate) fn finish(&mut self) {
        let mut has_crumb = false;
        let is_sound = |(name, value): (&[u8], &[u8])| {
            has_crumb |= name == b"cookie";
            match name {
                b"cookie" => value == value.trim_ascii(),
                _ => !(has_crumb && name.starts_with(b":")),
            }
        };
        if self.crumbs < 2 || !records(&self.bytes).all(is_sound) {
            return;
        }
        let bytes = mem::take(&mut self.bytes);
        let mut joined = mem::take(&mut self.spare);
        let mut cookie: Vec<u8> = Vec::new();
        for (name, value) in records(&bytes) {
            if name == b"cookie" {
                if !cookie.is_empty() {
                    cookie.extend_from_slice(b"; ");
                }
                cookie.extend_from_slice(value);
            } else {
                push(&mut joined, name, value);
            }
        }
        push(&mut joined, b"cookie", &cookie);
        self.bytes = joined;
        self.spare = bytes;
        self.spare.clear();
    }

    /// The fields as one run of bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether one more field is within the limits; nothing is taken beyond them.
    fn admits(&mut self, name: &[u8], value_bytes: usize) -> bool {
        self.told_bytes += name.len() + value_bytes + ENTRY_BYTES;
        let is_crumb = name == b"cookie";
        // There are few pseudo-fields, and they are no fields; all crumbs are one.
        let is_field = !(name.starts_with(b":") || is_crumb && self.crumbs > 0);
        match self.fields_left.checked_sub(usize::from(is_field)) {
            _ if self.overflow.is_some() => return false,
            _ if self.told_bytes > self.bytes_max => self.overflow = Some(Refusal::HeadTooLong),
            _ if is_crumb && self.crumbs == CRUMBS_MAX => {
                self.overflow = Some(Refusal::TooManyCrumbs);
            }
            Some(left) => self.fields_left = left,
            None => self.overflow = Some(Refusal::TooManyFields),
        }
        self.crumbs += usize::from(is_crumb);
        self.overflow.is_none()
    }
}

fn push(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(&(name.len() as u32).to_ne_bytes());
    out.extend_from_slice(&(value.len() as u32).to_ne_bytes());
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

impl Begun<'_> {
    /// Where its text is appended to, name first.
    pub(crate) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.block.bytes
    }

    /// The name is complete.
    pub(crate) fn end_name(&mut self) {
        self.name_end = self.block.bytes.len();
    }

    /// Name and value.
    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        let text = self.start + LENGTHS_BYTES;
        self.block.bytes[text..].split_at(self.name_end - text)
    }

    /// The field is complete.
    pub(crate) fn end(self) {
        let Self { block, start, name_end } = self;
        let text = start + LENGTHS_BYTES;
        let value_bytes = block.bytes.len() - name_end;
        let bytes = mem::take(&mut block.bytes);
        let is_admitted = block.admits(&bytes[text..name_end], value_bytes);
        block.bytes = bytes;
        if !is_admitted {
            return block.bytes.truncate(start);
        }
        let name_bytes = ((name_end - text) as u32).to_ne_bytes();
        block.bytes[start..start + 4].copy_from_slice(&name_bytes);
        block.bytes[start + 4..text].copy_from_slice(&(value_bytes as u32).to_ne_bytes());
    }
}

/// The names and values in such a run of bytes.
pub(crate) fn records(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (name_bytes, rest) = bytes.split_first_chunk()?;
        let (value_bytes, rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(u32::from_ne_bytes(*name_bytes) as usize)?;
        let (value, rest) = rest.split_at_checked(u32::from_ne_bytes(*value_bytes) as usize)?;
        bytes = rest;
        Some((name, value))
    })
}
