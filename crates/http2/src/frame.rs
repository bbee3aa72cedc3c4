//! Frames: nine bytes that say what the bytes behind them are (RFC 9113 sections 4 and 6).

use crate::fault::{Code, Fault};

/// Bytes of a frame before its payload.
pub(crate) const HEAD_BYTES: usize = 9;

/// What a client says first (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
/// RFC 9218 section 7.1.
pub(crate) const PRIORITY_UPDATE: u8 = 16;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITIZED: u8 = 32;

/// The highest number that a stream, and the widest that a window, can have.
pub(crate) const MAX_31_BITS: u32 = u32::MAX >> 1;

/// One frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'b> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: &'b [u8],
}

/// The length of the payload of the frame that `input` begins with.
pub(crate) fn payload_bytes(input: &[u8]) -> Option<usize> {
    match *input {
        [high, middle, low, ..] => Some(u32::from_be_bytes([0, high, middle, low]) as usize),
        _ => None,
    }
}

impl<'b> Frame<'b> {
    /// The frame that `input` begins with, if all of it is there.
    #[inline]
    pub(crate) fn parse(input: &'b [u8]) -> Option<Self> {
        let begun = Self::begun(input)?;
        Some(Self { payload: begun.payload.get(..payload_bytes(input)?)?, ..begun })
    }

    /// The frame that `input` begins with, as far as it has come, once it is known what it is.
    #[inline]
    pub(crate) fn begun(input: &'b [u8]) -> Option<Self> {
        let (head, payload) = input.split_first_chunk::<HEAD_BYTES>()?;
        let [_, _, _, kind, flags, stream @ ..] = *head;
        let stream = u32::from_be_bytes(stream) & MAX_31_BITS;
        Some(Self { kind, flags, stream, payload })
    }

    /// Whether a flag is set.
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The payload without its padding.
    pub(crate) fn unpadded(&self) -> Result<&'b [u8], Fault> {
        if !self.has(PADDED) {
            return Ok(self.payload);
        }
        let (&padding, rest) =
            self.payload.split_first().ok_or(Fault::size("a padded frame is empty"))?;
        let bytes = rest.len().checked_sub(usize::from(padding));
        let bytes = bytes.ok_or(Fault::protocol("a frame is all padding and more"))?;
        Ok(&rest[..bytes])
    }

    /// The field block of a HEADERS frame, and the stream that it depends on where it says so.
    pub(crate) fn block(&self) -> Result<(&'b [u8], Option<u32>), Fault> {
        let payload = self.unpadded()?;
        if !self.has(PRIORITIZED) {
            return Ok((payload, None));
        }
        let short = Fault::size("a HEADERS frame is too short for its priority");
        let (priority, block) = payload.split_first_chunk::<5>().ok_or(short)?;
        Ok((block, Some(number(priority) & MAX_31_BITS)))
    }
}

/// The number in the first four bytes; zero where there are fewer.
pub(crate) fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// The nine bytes of a frame; its payload follows.
#[inline]
pub(crate) fn head(kind: u8, flags: u8, stream: u32, payload_bytes: usize) -> [u8; HEAD_BYTES] {
    let [_, high, middle, low] = (payload_bytes as u32).to_be_bytes();
    let [a, b, c, d] = stream.to_be_bytes();
    [high, middle, low, kind, flags, a, b, c, d]
}

/// Appends a whole frame.
pub(crate) fn push(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&head(kind, flags, stream, payload.len()));
    out.extend_from_slice(payload);
}

/// Appends what gives a stream up.
pub(crate) fn push_reset(out: &mut Vec<u8>, stream: u32, code: Code) {
    push(out, RST_STREAM, 0, stream, &(code as u32).to_be_bytes());
}

/// Appends that streams beyond `last` are not looked at.
pub(crate) fn push_goaway(out: &mut Vec<u8>, last: u32, code: Code) {
    let mut payload = [0; 8];
    payload[..4].copy_from_slice(&last.to_be_bytes());
    payload[4..].copy_from_slice(&(code as u32).to_be_bytes());
    push(out, GOAWAY, 0, 0, &payload);
}

/// Appends that so much more may be sent; on stream 0, on all streams together.
pub(crate) fn push_window(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    push(out, WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut out = Vec::new();
        push(&mut out, HEADERS, END_HEADERS | END_STREAM, 0x7fff_fffe, &[7; 300]);
        for cut in 0..out.len() {
            assert!(Frame::parse(&out[..cut]).is_none());
        }
        let frame = Frame::parse(&out).unwrap();
        assert_eq!((frame.kind, frame.flags, frame.stream), (HEADERS, 5, 0x7fff_fffe));
        assert_eq!(frame.payload, [7; 300]);
    }

    #[test]
    fn padding_is_no_content() {
        let frame = |payload| Frame { kind: DATA, flags: PADDED, stream: 1, payload };
        assert_eq!(frame(&[2, b'a', 0, 0]).unpadded(), Ok(&b"a"[..]));
        assert_eq!(frame(&[0]).unpadded(), Ok(&b""[..]));
        assert_eq!(frame(&[]).unpadded().unwrap_err().code, Code::FrameSizeError);
        assert_eq!(frame(&[2, 0]).unpadded().unwrap_err().code, Code::ProtocolError);
    }
}
