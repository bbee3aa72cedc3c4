//! What a protocol room wants written: bytes and references to bodies, in order.

use crate::body::{Body, FileRange, Part, Shared};
use std::{collections::VecDeque, io::IoSlice};

/// Parts up to this many bytes are copied next to their head: one piece is cheaper than two.
const COPY_BYTES_MAX: u64 = 4 * 1024;

/// Bytes that may stand in front of those that wait, written already: fewer are not worth a move.
const WRITTEN_BYTES_MAX: usize = 64 * 1024;

/// Pieces waiting to be written to one peer.
///
/// Heads and small bodies are bytes one after the other; a larger body stands between them as a
/// reference. Whoever writes asks for [`Output::slices`] or [`Output::file`], whichever is in
/// front, and says with [`Output::advance`] how much the peer took.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// How many of `bytes` are written.
    written: usize,
    /// Each part with the length that `bytes` had when it was added: it follows them.
    parts: VecDeque<(usize, Part)>,
    /// Bytes of `parts` that lie in memory.
    part_bytes: usize,
}

/// A piece of what is waiting.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'o> {
    /// Bytes in memory.
    Bytes(&'o [u8]),
    /// A part of a file.
    File(&'o FileRange),
}

impl Output {
    /// Where heads are written to.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Adds all of a body but a stream, which its protocol room has to frame piece by piece.
    pub fn push_body(&mut self, body: Body) {
        match body {
            Body::Empty | Body::Stream(_) => {}
            Body::Bytes(bytes) => self.push(Part::Bytes(bytes)),
            Body::File(file) => self.push(Part::File(file)),
            Body::Parts(parts) => parts.into_iter().for_each(|part| self.push(part)),
        }
    }

    /// Adds one part of a body.
    pub fn push(&mut self, part: Part) {
        match part {
            Part::Bytes(bytes) if bytes.as_slice().len() as u64 <= COPY_BYTES_MAX => {
                self.bytes.extend_from_slice(bytes.as_slice());
            }
            part => {
                if let Part::Bytes(bytes) = &part {
                    self.part_bytes += bytes.as_slice().len();
                }
                if !part.is_empty() {
                    self.parts.push_back((self.bytes.len(), part));
                }
            }
        }
    }

    /// Whether everything is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written == self.bytes.len() && self.parts.is_empty()
    }

    /// Bytes of memory that are waiting to be written, and a token amount for each open file.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        const PART_BYTES: usize = 64;
        self.bytes.len() - self.written + self.part_bytes + self.parts.len() * PART_BYTES
    }

    /// Whether nothing but one run of bytes is waiting; it is [`Output::run`].
    #[must_use]
    pub fn is_run(&self) -> bool {
        self.parts.is_empty()
    }

    /// The bytes in front, up to the first part.
    #[must_use]
    pub fn run(&self) -> &[u8] {
        let end = self.parts.front().map_or(self.bytes.len(), |(before, _)| *before);
        &self.bytes[self.written..end]
    }

    /// The bytes that stand in front in one piece; none where that is a file.
    #[must_use]
    pub fn front(&self) -> &[u8] {
        match self.parts.front() {
            Some((before, Part::Bytes(bytes))) if *before == self.written => bytes.as_slice(),
            _ => self.run(),
        }
    }

    /// Fills `slices` with what is in front up to the first file, and says how many it filled and
    /// whether a file follows them.
    pub fn slices<'o>(&'o self, slices: &mut [IoSlice<'o>]) -> (usize, bool) {
        let mut filled = 0;
        let mut from = self.written;
        let mut push = |bytes: &'o [u8]| {
            if bytes.is_empty() {
                return true;
            }
            let Some(slice) = slices.get_mut(filled) else { return false };
            *slice = IoSlice::new(bytes);
            filled += 1;
            true
        };
        for (before, part) in &self.parts {
            if !push(&self.bytes[from..*before]) {
                return (filled, false);
            }
            from = *before;
            match part {
                Part::File(_) => return (filled, true),
                Part::Bytes(bytes) => {
                    if !push(bytes.as_slice()) {
                        return (filled, false);
                    }
                }
            }
        }
        push(&self.bytes[from..]);
        (filled, false)
    }

    /// All that is waiting, piece by piece; some may be empty.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut from = self.written;
        let last = self.parts.back().map_or(self.written, |(before, _)| *before);
        let pairs = self.parts.iter().flat_map(move |(before, part)| {
            let run = &self.bytes[from..*before];
            from = *before;
            let part = match part {
                Part::Bytes(bytes) => Piece::Bytes(bytes.as_slice()),
                Part::File(file) => Piece::File(file),
            };
            [Piece::Bytes(run), part]
        });
        pairs.chain([Piece::Bytes(&self.bytes[last..])])
    }

    /// Whether several parts are waiting, of which the first is a short piece of a file: to copy
    /// them costs less than to have each sent by itself.
    #[must_use]
    pub fn is_in_pieces(&self) -> bool {
        const SHORT_BYTES_MAX: u64 = 32 * 1024;
        let is_short = |part: &FileRange| {
            !part.file.is_memory && part.range.end - part.range.start <= SHORT_BYTES_MAX
        };
        let front = self.parts.front();
        let is_file = matches!(front, Some((_, Part::File(file))) if is_short(file));
        is_file && self.parts.len() > 1
    }

    /// The file in front, if nothing stands before it.
    #[must_use]
    pub fn file(&self) -> Option<&FileRange> {
        match self.parts.front() {
            Some((before, Part::File(file))) if *before == self.written => Some(file),
            _ => None,
        }
    }

    /// Puts bytes that were read from the file in front in the place of as many of its own.
    pub fn put_fetched(&mut self, bytes: Vec<u8>) {
        let Some((before, Part::File(file))) = self.parts.front_mut() else { return };
        file.range.start = file.range.start.saturating_add(bytes.len() as u64).min(file.range.end);
        let before = *before;
        if file.range.is_empty() {
            self.parts.pop_front();
        }
        self.part_bytes += bytes.len();
        self.parts.push_front((before, Part::Bytes(Shared::from(bytes))));
    }

    /// Bytes that are waiting to be written, those of files among them.
    #[must_use]
    pub fn len(&self) -> u64 {
        let parts: u64 = self.parts.iter().map(|(_, part)| part.len()).sum();
        (self.bytes.len() - self.written) as u64 + parts
    }

    /// Takes `count` bytes off the front: the peer has them.
    pub fn advance(&mut self, count: usize) {
        self.forget_written();
        let mut left = count;
        while let Some((before, part)) = self.parts.front_mut() {
            let inline = left.min(*before - self.written);
            self.written += inline;
            left -= inline;
            if self.written < *before || (left == 0 && !part.is_empty()) {
                return;
            }
            let taken = part.len().min(left as u64);
            if let Part::Bytes(_) = part {
                self.part_bytes -= taken as usize;
            }
            left -= taken as usize;
            if taken < part.len() {
                *part = part.slice(taken..u64::MAX);
                return;
            }
            self.parts.pop_front();
        }
        self.written = (self.written + left).min(self.bytes.len());
        if self.is_empty() {
            self.clear();
        }
    }

    /// Lets go of written bytes once they are more than those that wait: a peer that never has all
    /// of what is added again and again makes nothing grow.
    fn forget_written(&mut self) {
        let written = self.written;
        if written < WRITTEN_BYTES_MAX || written < self.bytes.len() / 2 {
            return;
        }
        self.bytes.drain(..written);
        self.parts.iter_mut().for_each(|(before, _)| *before -= written);
        self.written = 0;
    }

    /// Forgets everything but keeps the room for the next answers.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.written = 0;
        self.parts.clear();
        self.part_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::OpenFile;
    use proptest::prelude::*;
    use std::{fs::File, rc::Rc};

    /// Takes everything out in steps of `step` bytes; files come out as `F`s.
    fn drained(mut output: Output, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while !output.is_empty() {
            if let Some(file) = output.file() {
                let count = step.min((file.range.end - file.range.start) as usize);
                all.extend(std::iter::repeat_n(b'F', count));
                output.advance(count);
                continue;
            }
            let mut slices = [IoSlice::new(&[]); 3];
            let (filled, _) = output.slices(&mut slices);
            let front: Vec<u8> = slices[..filled].iter().flat_map(|s| s.iter().copied()).collect();
            assert!(!front.is_empty());
            let pieces = output.pieces().take_while(|piece| matches!(piece, Piece::Bytes(_)));
            let piece = |piece| match piece {
                Piece::Bytes(bytes) => bytes.to_vec(),
                Piece::File(_) => Vec::new(),
            };
            assert!(pieces.flat_map(piece).collect::<Vec<_>>().starts_with(&front));
            let count = step.min(front.len());
            all.extend_from_slice(&front[..count]);
            output.advance(count);
        }
        assert_eq!(output.memory_bytes(), 0);
        all
    }

    #[test]
    fn a_peer_that_never_has_all_makes_nothing_grow() {
        let mut output = Output::default();
        output.bytes().extend_from_slice(&[0; 100_000]);
        for _ in 0..10_000 {
            output.push(Part::Bytes(Shared::from(vec![1; COPY_BYTES_MAX as usize])));
            output.advance(COPY_BYTES_MAX as usize);
        }
        assert_eq!(output.memory_bytes(), 100_000);
        assert!(output.bytes.capacity() < 512 * 1024, "{} bytes", output.bytes.capacity());
    }

    proptest! {
        #[test]
        fn everything_comes_out_once_and_in_order(
            pieces in prop::collection::vec((0u8..3, 0usize..20_000), 0..8),
            step in 1usize..10_000,
        ) {
            let descriptor = std::sync::Arc::new(File::open("/dev/null").unwrap().into());
            let file = Rc::new(OpenFile::new(descriptor, false, 0));
            let (mut output, mut expect) = (Output::default(), Vec::new());
            for (kind, length) in pieces {
                let letter = b'a' + kind;
                match kind {
                    0 => output.bytes().extend(std::iter::repeat_n(letter, length)),
                    1 => output.push(Part::Bytes(Shared::from(vec![letter; length]))),
                    _ => {
                        let range = 7..7 + length as u64;
                        output.push(Part::File(FileRange { file: Rc::clone(&file), range }));
                    }
                }
                let letter = if kind == 2 { b'F' } else { letter };
                expect.extend(std::iter::repeat_n(letter, length));
            }
            prop_assert_eq!(drained(output, step), expect);
        }
    }
}
