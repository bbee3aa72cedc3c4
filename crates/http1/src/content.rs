//! The content of a request, by either framing (RFC 9112 section 6).

use crate::{
    chunked::{Chunk, Chunked},
    refusal::Refusal,
};
use message::{Length, Limits};

/// What is left of a request's content.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    /// So many bytes.
    Sized(u64),
    /// Chunks.
    Chunked(Chunked),
}

impl Content {
    /// All of it, of which nothing has been read.
    pub(crate) fn of(length: Length) -> Self {
        match length {
            Length::Known(length) => Self::Sized(length),
            Length::Unknown => Self::Chunked(Chunked::default()),
        }
    }

    /// Reads on in `input`, as [`Chunked::decode`] does.
    pub(crate) fn decode<'b>(
        &mut self,
        input: &'b [u8],
        limits: &Limits,
    ) -> (usize, Result<Chunk<'b>, Refusal>) {
        let left = match self {
            Self::Chunked(chunked) => return chunked.decode(input, limits),
            Self::Sized(0) => return (0, Ok(Chunk::End)),
            Self::Sized(_) if input.is_empty() => return (0, Ok(Chunk::Incomplete)),
            Self::Sized(left) => left,
        };
        let count = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= count as u64;
        (count, Ok(Chunk::Content(&input[..count])))
    }

    /// How many bytes are certainly still to come.
    pub(crate) fn bytes_min(&self) -> u64 {
        match self {
            Self::Sized(left) => *left,
            Self::Chunked(_) => 0,
        }
    }
}
