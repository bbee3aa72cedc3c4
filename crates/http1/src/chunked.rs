//! The chunked coding and its trailer section (RFC 9112 section 7), byte by byte but for the data.

use crate::refusal::Refusal;
use message::{Limits, name::is_token_byte};

/// Where a decoder stands in a message. It keeps no bytes, so cuts do not matter to it.
///
/// ```text
///   Size ─► (Extension ◄─► Quoted ◄─► Escaped) ─► SizeEnd ─► Data ─► DataCr ─► DataLf ─► Size
///                                                    │ size 0
///                                                    ▼
///                                            LineStart ─► Name ─► Value ─► LineEnd ─► LineStart
///                                                    └─► LastLf ─► Done
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Chunked {
    /// What is left of the chunk whose size has been read.
    size: u64,
    /// Bytes of extensions so far; in the trailer section, bytes of it.
    overhead_bytes: u32,
    /// Digits of the size so far.
    digits: u8,
    step: Step,
}

/// What a decoder found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'b> {
    /// More bytes are needed.
    Incomplete,
    /// Content.
    Content(&'b [u8]),
    /// The message is over.
    End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Step {
    #[default]
    Size,
    Extension,
    Quoted,
    Escaped,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    LineStart,
    Name,
    Value,
    LineEnd,
    LastLf,
    Done,
}

impl Chunked {
    /// Reads on in `input`: how many bytes of it are used up, and what they mean. After an error
    /// there is nothing more to be read.
    pub fn decode<'b>(
        &mut self,
        input: &'b [u8],
        limits: &Limits,
    ) -> (usize, Result<Chunk<'b>, Refusal>) {
        let mut used = 0;
        while self.step != Step::Done {
            let rest = &input[used..];
            let Some(&byte) = rest.first() else { return (used, Ok(Chunk::Incomplete)) };
            if self.step == Step::Data {
                let count = rest.len().min(usize::try_from(self.size).unwrap_or(usize::MAX));
                self.size -= count as u64;
                if self.size == 0 {
                    self.step = Step::DataCr;
                }
                return (used + count, Ok(Chunk::Content(&rest[..count])));
            }
            match self.next(byte, limits) {
                Ok(step) => self.step = step,
                Err(refusal) => return (used, Err(refusal)),
            }
            used += 1;
        }
        (used, Ok(Chunk::End))
    }

    fn next(&mut self, byte: u8, limits: &Limits) -> Result<Step, Refusal> {
        Ok(match (self.step, byte) {
            (Step::Size, b'\r') if self.digits > 0 => Step::SizeEnd,
            (Step::Size, b';') if self.digits > 0 => Step::Extension,
            (Step::Size, _) => self.take_digit(byte)?,
            (Step::SizeEnd, b'\n') => self.take_size(),
            (Step::SizeEnd, _) => return Err(Refusal::LineEnd),

            (Step::Extension, b'\r') => Step::SizeEnd,
            (Step::Extension | Step::Quoted | Step::Escaped, _) => {
                self.count(limits.chunk_extension_bytes_max, Refusal::ChunkExtensionsTooLong)?;
                extension(self.step, byte).ok_or(Refusal::ChunkExtension)?
            }

            (Step::DataCr, b'\r') => Step::DataLf,
            (Step::DataLf, b'\n') => Step::Size,
            (Step::DataCr | Step::DataLf, _) => return Err(Refusal::ChunkEnd),

            (Step::LineStart, b'\r') => Step::LastLf,
            (Step::LastLf, b'\n') => Step::Done,
            (Step::Data | Step::Done, _) => self.step,
            (Step::LineStart | Step::Name | Step::Value | Step::LineEnd | Step::LastLf, _) => {
                self.count(limits.trailer_bytes_max, Refusal::TrailersTooLong)?;
                trailer(self.step, byte).ok_or(Refusal::Trailer)?
            }
        })
    }

    fn take_digit(&mut self, byte: u8) -> Result<Step, Refusal> {
        let digit = char::from(byte).to_digit(16).filter(|_| self.digits < 16);
        self.size = self.size << 4 | u64::from(digit.ok_or(Refusal::ChunkSize)?);
        self.digits += 1;
        Ok(Step::Size)
    }

    fn take_size(&mut self) -> Step {
        self.digits = 0;
        if self.size > 0 {
            return Step::Data;
        }
        self.overhead_bytes = 0;
        Step::LineStart
    }

    fn count(&mut self, bytes_max: usize, refusal: Refusal) -> Result<(), Refusal> {
        self.overhead_bytes = self.overhead_bytes.saturating_add(1);
        if self.overhead_bytes as usize > bytes_max { Err(refusal) } else { Ok(()) }
    }
}

/// The step after `byte` of an extension; what it says is nobody's business here.
fn extension(step: Step, byte: u8) -> Option<Step> {
    let is_text = matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    match (step, byte) {
        (Step::Escaped, _) if is_text => Some(Step::Quoted),
        (Step::Quoted, b'\\') => Some(Step::Escaped),
        (Step::Quoted, b'"') => Some(Step::Extension),
        (Step::Quoted, _) if is_text => Some(Step::Quoted),
        (Step::Extension, b'"') => Some(Step::Quoted),
        (Step::Extension, b';' | b'=' | b' ' | b'\t') => Some(Step::Extension),
        (Step::Extension, _) if is_token_byte(byte) => Some(Step::Extension),
        _ => None,
    }
}

/// The step after `byte` of the trailer section. Its fields are held to the rules of the head and
/// dropped: merged into the head they could change what has been checked (RFC 9110 section 6.5).
fn trailer(step: Step, byte: u8) -> Option<Step> {
    match (step, byte) {
        (Step::Name, b':') => Some(Step::Value),
        (Step::LineStart | Step::Name, _) if is_token_byte(byte) => Some(Step::Name),
        (Step::Value, b'\r') => Some(Step::LineEnd),
        (Step::Value, b'\t' | b' '..=b'~' | 0x80..) => Some(Step::Value),
        (Step::LineEnd, b'\n') => Some(Step::LineStart),
        _ => None,
    }
}
