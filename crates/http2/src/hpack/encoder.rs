//! From an answer's fields to a field block (RFC 7541 section 6).
//!
//! No field is added to the client's table: fields that are prepared once are copied as they are
//! into every answer of every connection, which costs less than looking up what a client knows.

use super::{huffman, table::STANDING};
use base::text::push_decimal;
use message::{Status, response::Line};

/// Appends that no table is filled, which is said once, before the first field: the table then is
/// smaller than any that the peer may allow later (section 4.2).
pub(crate) fn no_table(out: &mut Vec<u8>) {
    out.push(0x20);
}

/// Appends the status.
pub(crate) fn status(status: Status, out: &mut Vec<u8>) {
    let number = match status.0 {
        200 => 8,
        204 => 9,
        206 => 10,
        304 => 11,
        400 => 12,
        404 => 13,
        500 => 14,
        code => {
            out.extend_from_slice(&[8, 3]);
            return push_decimal(out, u64::from(code));
        }
    };
    out.push(0x80 | number);
}

/// Appends who answers, and when.
pub(crate) fn date(date: &[u8; 29], out: &mut Vec<u8>) {
    let mut line = *b"\x0f\x27\x06gannet\x0f\x12\x1dThu, 01 Jan 1970 00:00:00 GMT";
    line[12..].copy_from_slice(date);
    out.extend_from_slice(&line);
}

/// Appends the length of the content.
pub(crate) fn content_length(length: u64, out: &mut Vec<u8>) {
    let at = out.len() + 2;
    out.extend_from_slice(b"\x0f\x0d\0");
    push_decimal(out, length);
    out[at] = (out.len() - at - 1) as u8;
}

/// Appends these fields, none of which goes into a table.
pub(crate) fn lines(lines: &[Line], out: &mut Vec<u8>) {
    for Line { name, value } in lines {
        match STANDING.iter().position(|(standing, _)| *standing == name) {
            Some(at) => integer(0, 4, at + 1, out),
            None => {
                out.push(0);
                text(name.as_bytes(), out);
            }
        }
        text(value, out);
    }
}

/// Appends a number, whose first byte has `kind` above its `prefix` bits.
fn integer(kind: u8, prefix: u32, value: usize, out: &mut Vec<u8>) {
    let full = (1_usize << prefix) - 1;
    if value < full {
        return out.push(kind | value as u8);
    }
    out.push(kind | full as u8);
    let mut rest = value - full;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends a string, coded where that is shorter.
fn text(text: &[u8], out: &mut Vec<u8>) {
    let coded_bytes = huffman::coded_bytes(text);
    if coded_bytes < text.len() {
        integer(0x80, 7, coded_bytes, out);
        huffman::encode(text, out);
    } else {
        integer(0, 7, text.len(), out);
        out.extend_from_slice(text);
    }
}
