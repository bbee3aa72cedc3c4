//! The chunked coding: decoded as a slow decoder would, wherever the bytes are cut.

use crate::limits;
use http1::{Chunk, Chunked, Refusal};
use message::Limits;

/// Pieces of chunked content, and what they are broken with.
pub const TOKENS: &[&str] = &[
    "0\r\n\r\n",
    "0\r\n",
    "5\r\nhello\r\n",
    "a\r\n",
    "FFFFFFFFFFFFFFFF",
    "7fffffffffffffff",
    "0x",
    "+",
    "-",
    "_",
    " ",
    ";",
    ";e=v",
    ";e=\"q;\\\"\"",
    "\"",
    "\\",
    "\r\n",
    "\r",
    "\n",
    "\0",
    "\u{ff}",
    ":",
    "t: x\r\n",
    "Content-Length: 5\r\n",
];

/// How a decoder ended: content, bytes used, and why.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    content: Vec<u8>,
    used: usize,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Complete,
    Incomplete,
    Refused(Refusal),
}

/// Decodes `data`, which is chunked content and whatever may follow it.
pub fn run(data: &[u8]) {
    for limits in [limits::usual(), limits::tight()] {
        let whole = decoded([data], limits);
        assert_eq!(whole, decoded(data.chunks(1), limits), "single bytes change something");
        let (left, right) = data.split_at(data.len() / 2);
        assert_eq!(whole, decoded([left, right], limits), "a cut changes something");
        compare(&whole, slowly(data));
        check_again(&whole.content, limits);
    }
}

fn decoded<'p>(pieces: impl IntoIterator<Item = &'p [u8]>, limits: &Limits) -> Outcome {
    let mut chunked = Chunked::default();
    let mut outcome = Outcome { content: Vec::new(), used: 0, end: End::Incomplete };
    for piece in pieces {
        let mut rest = piece;
        loop {
            let (used, chunk) = chunked.decode(rest, limits);
            outcome.used += used;
            rest = &rest[used..];
            match chunk {
                Ok(Chunk::Content(content)) => {
                    assert!(!content.is_empty());
                    outcome.content.extend_from_slice(content);
                }
                Ok(Chunk::Incomplete) => {
                    assert!(rest.is_empty(), "bytes were left out");
                    break;
                }
                Ok(Chunk::End) => {
                    assert_eq!(chunked.decode(b"0", limits), (0, Ok(Chunk::End)));
                    return Outcome { end: End::Complete, ..outcome };
                }
                Err(refusal) => return Outcome { end: End::Refused(refusal), ..outcome },
            }
        }
    }
    outcome
}

/// The content of complete chunks and their length, read line by line without any limit.
fn slowly(data: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut content, mut rest) = (Vec::new(), data);
    loop {
        let (line, after) = line(rest)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at(digits);
        let size = usize::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        if digits.len() > 16 || !is_extension(extension) {
            return None;
        }
        rest = after;
        if size == 0 {
            break;
        }
        content.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    loop {
        let (line, after) = line(rest)?;
        rest = after;
        if line.is_empty() {
            return Some((content, data.len() - rest.len()));
        }
        let name = line.iter().position(|&byte| byte == b':')?;
        let is_sound = |byte: &u8| byte.is_ascii_graphic() && !b"\"(),/;<=>?@[\\]{}".contains(byte);
        if name == 0 || !line[..name].iter().all(is_sound) || !line[name..].iter().all(is_text) {
            return None;
        }
    }
}

/// The first line, which CR LF ends, without its end.
fn line(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.windows(2).position(|bytes| bytes == b"\r\n")?;
    Some((&data[..end], &data[end + 2..]))
}

/// Whether it may follow a size: nothing, or what begins with a semicolon, its quotes closed.
fn is_extension(extension: &[u8]) -> bool {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for &byte in extension {
        let was_escaped = std::mem::take(&mut is_escaped);
        match byte {
            _ if was_escaped => {}
            b'"' => is_quoted = !is_quoted,
            b'\\' if is_quoted => is_escaped = true,
            _ if !is_quoted && b"(),/:<>?@[\\]{}".contains(&byte) => return false,
            _ if !is_quoted && byte > 0x7e => return false,
            _ => {}
        }
    }
    let begins = matches!(extension, [] | [b';', ..]);
    begins && !is_quoted && !is_escaped && extension.iter().all(is_text)
}

fn is_text(byte: &u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Complete means the same to both; only limits may make a refusal of it.
fn compare(outcome: &Outcome, slow: Option<(Vec<u8>, usize)>) {
    let Outcome { content, used, end } = outcome;
    match (end, slow) {
        (End::Complete, slow) => assert_eq!(slow, Some((content.clone(), *used))),
        (End::Refused(Refusal::ChunkExtensionsTooLong | Refusal::TrailersTooLong), _) => {}
        (_, None) => {}
        (end, slow) => panic!("{end:?}, but {slow:?}"),
    }
}

/// Content that is chunked again decodes to itself.
fn check_again(content: &[u8], limits: &Limits) {
    let mut again = Vec::new();
    for piece in content.chunks(7) {
        again.extend_from_slice(format!("{:X}\r\n", piece.len()).as_bytes());
        again.extend_from_slice(piece);
        again.extend_from_slice(b"\r\n");
    }
    again.extend_from_slice(b"0\r\n\r\n");
    let outcome = decoded([&again[..], b"next"], limits);
    assert_eq!(outcome.end, End::Complete);
    assert_eq!((&outcome.content[..], outcome.used), (content, again.len()));
}
