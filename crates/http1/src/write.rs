//! The bytes of response heads and of streamed content (RFC 9112 sections 4, 6 and 7).

use base::text::{push_decimal, push_hex};
use message::{Output, Response, Shared, Status, body::Part, response::Line};

/// A date in the form of a `date` field, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub type Date29 = [u8; 29];

/// How the end of an answer's content is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is never content with this status.
    Bodiless,
    /// By its length.
    Length(u64),
    /// By its last chunk.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// What an answer says of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Nothing: it stays, as HTTP/1.1 has it.
    Implied,
    /// It stays, which an HTTP/1.0 client has to be told.
    KeepAlive,
    /// This is the last answer.
    Close,
}

/// Room for what is not among the prepared fields of a usual head.
const HEAD_BYTES: usize = 192;

/// Appends a response head.
pub(crate) fn head(
    response: &Response,
    date: &Date29,
    framing: Framing,
    persistence: Persistence,
    out: &mut Vec<u8>,
) {
    let prepared = response.prepared.as_deref().map_or(&b""[..], |prepared| {
        let is_revalidated = response.status == Status::NOT_MODIFIED;
        if is_revalidated { prepared.http1_revalidated() } else { prepared.http1() }
    });
    out.reserve(HEAD_BYTES + prepared.len());
    match response.status {
        Status::OK => out.extend_from_slice(b"HTTP/1.1 200 OK\r\nserver: gannet\r\ndate: "),
        Status::NOT_MODIFIED => {
            out.extend_from_slice(b"HTTP/1.1 304 Not Modified\r\nserver: gannet\r\ndate: ");
        }
        status => {
            out.extend_from_slice(b"HTTP/1.1 ");
            push_decimal(out, u64::from(status.0));
            out.push(b' ');
            out.extend_from_slice(status.reason().as_bytes());
            out.extend_from_slice(b"\r\nserver: gannet\r\ndate: ");
        }
    }
    out.extend_from_slice(date);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(prepared);
    if let Some(standing) = response.standing {
        out.extend_from_slice(standing.http1());
    }
    for line in &response.lines {
        line.write_http1(out);
    }
    match framing {
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            push_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Framing::Bodiless | Framing::Close => {}
    }
    out.extend_from_slice(match persistence {
        Persistence::Implied => b"\r\n",
        Persistence::KeepAlive => b"connection: keep-alive\r\n\r\n",
        Persistence::Close => b"connection: close\r\n\r\n",
    });
}

/// Appends `piece` as a chunk. An empty one would be the last, so it is left out.
pub(crate) fn chunk(piece: Vec<u8>, output: &mut Output) {
    if piece.is_empty() {
        return;
    }
    push_hex(output.bytes(), piece.len() as u64);
    output.bytes().extend_from_slice(b"\r\n");
    output.push(Part::Bytes(Shared::from(piece)));
    output.bytes().extend_from_slice(b"\r\n");
}

/// The answer before the answer.
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Appends a head with which the answer is not given yet.
pub(crate) fn early_hints(lines: &[Line], out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 103 Early Hints\r\n");
    lines.iter().for_each(|line| line.write_http1(out));
    out.extend_from_slice(b"\r\n");
}

/// The last chunk, without trailer fields.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
