//! Records, the frames of FastCGI (specification, section 3.3 and appendix A).

/// The one version there is.
pub(crate) const VERSION: u8 = 1;

/// The id of the one request of a connection.
pub(crate) const REQUEST_ID: u16 = 1;

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

/// Appends the records that begin a request with these variables, in the form that
/// [`crate::Variables`] gives them. The application closes the connection behind its answer.
pub fn begin(variables: &[u8], out: &mut Vec<u8>) {
    const RESPONDER: [u8; 8] = [0, 1, 0, 0, 0, 0, 0, 0];
    push(kind::BEGIN_REQUEST, &RESPONDER, out);
    stream(kind::PARAMS, variables, out);
    push(kind::PARAMS, b"", out);
}

/// Appends `piece` of the request's content; an empty one is its end.
pub fn stdin(piece: &[u8], out: &mut Vec<u8>) {
    match piece.is_empty() {
        true => push(kind::STDIN, b"", out),
        false => stream(kind::STDIN, piece, out),
    }
}

fn stream(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    bytes.chunks(CONTENT_BYTES_MAX).for_each(|content| push(kind, content, out));
}

fn push(kind: u8, content: &[u8], out: &mut Vec<u8>) {
    let [length_high, length_low] = (content.len() as u16).to_be_bytes();
    let [id_high, id_low] = REQUEST_ID.to_be_bytes();
    let padding_bytes = content.len().wrapping_neg() % 8;
    out.reserve(HEADER_BYTES + content.len() + padding_bytes);
    out.extend([VERSION, kind, id_high, id_low, length_high, length_low, padding_bytes as u8, 0]);
    out.extend_from_slice(content);
    out.resize(out.len() + padding_bytes, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kinds and the content lengths of the records in `bytes`, all of which are whole.
    fn records(mut bytes: &[u8]) -> Vec<(u8, usize)> {
        let mut found = Vec::new();
        while let Some((header, rest)) = bytes.split_first_chunk() {
            let header = Header::parse(*header);
            assert_eq!((header.version, header.id), (VERSION, REQUEST_ID));
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
        let mut out = Vec::new();
        begin(&[7; 70_000], &mut out);
        stdin(&[8; 65_529], &mut out);
        stdin(b"", &mut out);
        let sizes = [(1, 8), (4, 65_528), (4, 4_472), (4, 0), (5, 65_528), (5, 1), (5, 0)];
        assert_eq!(records(&out), sizes);
    }
}
