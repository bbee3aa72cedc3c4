//! Records, the frames of FastCGI (specification, section 3.3 and appendix A).

use std::mem;

/// The one version there is.
pub(crate) const VERSION: u8 = 1;

/// The id of the first request of a connection. Each one that follows has another, so that nobody
/// takes what is still sent for the one before for an answer.
pub const FIRST_ID: u16 = 1;

/// Bytes in front of a record's content.
pub(crate) const HEADER_BYTES: usize = 8;

/// The most content of one record that is a multiple of eight, so that none needs padding but the
/// last.
const CONTENT_BYTES_MAX: usize = 65_528;

/// What a record is for.
pub(crate) mod kind {
    pub(crate) const BEGIN_REQUEST: u8 = 1;
    pub(crate) const END_REQUEST: u8 = 3;
    pub(crate) const PARAMS: u8 = 4;
    pub(crate) const STDIN: u8 = 5;
    pub(crate) const STDOUT: u8 = 6;
    pub(crate) const STDERR: u8 = 7;
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u8,
    pub(crate) kind: u8,
    pub(crate) id: u16,
    pub(crate) content_bytes: u16,
    pub(crate) padding_bytes: u8,
}

impl Header {
    pub(crate) fn parse(bytes: [u8; HEADER_BYTES]) -> Self {
        let [version, kind, id_high, id_low, length_high, length_low, padding_bytes, _] = bytes;
        let id = u16::from_be_bytes([id_high, id_low]);
        let content_bytes = u16::from_be_bytes([length_high, length_low]);
        Self { version, kind, id, content_bytes, padding_bytes }
    }
}

/// Bytes in front of the variables of a request: the record that begins it, and the header of the
/// one that they stand in.
pub(crate) const BEGIN_BYTES: usize = 3 * HEADER_BYTES;

/// The records that begin a request with the variables that stand behind [`BEGIN_BYTES`] of room.
/// The application closes the connection behind its answer, unless that `is_kept` for another
/// request.
pub(crate) fn begin(id: u16, is_kept: bool, mut bytes: Vec<u8>) -> Vec<u8> {
    let responder = [0, 1, u8::from(is_kept), 0, 0, 0, 0, 0];
    let begin = [header((kind::BEGIN_REQUEST, id), responder.len()), responder].concat();
    let variables_bytes = bytes.len() - BEGIN_BYTES;
    if variables_bytes <= CONTENT_BYTES_MAX {
        let header = header((kind::PARAMS, id), variables_bytes);
        bytes[..begin.len()].copy_from_slice(&begin);
        bytes[begin.len()..BEGIN_BYTES].copy_from_slice(&header);
        pad(variables_bytes, &mut bytes);
    } else {
        let variables = mem::replace(&mut bytes, begin);
        stream((kind::PARAMS, id), &variables[BEGIN_BYTES..], &mut bytes);
    }
    push((kind::PARAMS, id), b"", &mut bytes);
    bytes
}

/// Appends `piece` of the request's content; an empty one is its end.
pub fn stdin(id: u16, piece: &[u8], out: &mut Vec<u8>) {
    match piece.is_empty() {
        true => push((kind::STDIN, id), b"", out),
        false => stream((kind::STDIN, id), piece, out),
    }
}

fn stream(of: (u8, u16), bytes: &[u8], out: &mut Vec<u8>) {
    bytes.chunks(CONTENT_BYTES_MAX).for_each(|content| push(of, content, out));
}

fn push(of: (u8, u16), content: &[u8], out: &mut Vec<u8>) {
    out.reserve(HEADER_BYTES + content.len() + padding_bytes(content.len()));
    out.extend(header(of, content.len()));
    out.extend_from_slice(content);
    pad(content.len(), out);
}

fn header((kind, id): (u8, u16), content_bytes: usize) -> [u8; HEADER_BYTES] {
    let [length_high, length_low] = (content_bytes as u16).to_be_bytes();
    let [id_high, id_low] = id.to_be_bytes();
    let padding_bytes = padding_bytes(content_bytes) as u8;
    [VERSION, kind, id_high, id_low, length_high, length_low, padding_bytes, 0]
}

/// Appends what has the next record begin at a multiple of eight.
fn pad(content_bytes: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + padding_bytes(content_bytes), 0);
}

const fn padding_bytes(content_bytes: usize) -> usize {
    content_bytes.wrapping_neg() % HEADER_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds and the content lengths of the records in `bytes`, all of which are whole.
    fn records(mut bytes: &[u8]) -> Vec<(u8, usize)> {
        let mut found = Vec::new();
        while let Some((header, rest)) = bytes.split_first_chunk() {
            let header = Header::parse(*header);
            assert_eq!((header.version, header.id), (VERSION, 0x102));
            let content = usize::from(header.content_bytes);
            let all = content + usize::from(header.padding_bytes);
            assert_eq!(all % 8, 0);
            found.push((header.kind, content));
            bytes = &rest[all..];
        }
        assert!(bytes.is_empty());
        found
    }

    #[test]
    fn a_request_is_whole_records_each_stream_ended_by_an_empty_one() {
        let mut out = begin(0x102, true, vec![7; BEGIN_BYTES + 70_000]);
        stdin(0x102, &[8; 65_529], &mut out);
        stdin(0x102, b"", &mut out);
        assert_eq!(out[HEADER_BYTES..][..3], [0, 1, 1]);
        let sizes = [(1, 8), (4, 65_528), (4, 4_472), (4, 0), (5, 65_528), (5, 1), (5, 0)];
        assert_eq!(records(&out), sizes);
        let short = begin(0x102, false, vec![7; BEGIN_BYTES + 11]);
        assert_eq!((records(&short), short[10]), (vec![(1, 8), (4, 11), (4, 0)], 0));
        assert_eq!(
            short[BEGIN_BYTES..][..16],
            *b"\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\0\0\0\0\0"
        );
    }
}
