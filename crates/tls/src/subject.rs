//! Whom a certificate is of, in the words that logs have for it: its subject as RFC 4514 writes
//! names, or its fingerprint.

use crate::der::{Facts, OBJECT, SEQUENCE, SET, element};
use aws_lc_rs::digest::{SHA256, digest};
use std::fmt::Write;

/// Bytes of a name at most; what has a longer one, or none, is called by its fingerprint.
pub const NAME_BYTES_MAX: usize = 256;

/// Whom the certificate `der` is of: `CN=alice,O=example`, or `sha256:` and its fingerprint where
/// its subject says nothing, too much or something that is malformed.
#[must_use]
pub fn name(der: &[u8]) -> String {
    let subject = Facts::of(der).and_then(|facts| written(&facts.subject));
    subject.unwrap_or_else(|| {
        let digest = digest(&SHA256, der);
        "sha256:".to_owned() + &hexadecimal(digest.as_ref())
    })
}

/// A name: its parts from the last to the first (RFC 4514 section 2.1).
fn written(name: &[u8]) -> Option<String> {
    let (mut left, _) = element(name, SEQUENCE)?;
    let mut text = String::new();
    while !left.is_empty() {
        let (mut set, rest) = element(left, SET)?;
        left = rest;
        let mut part = String::new();
        while !set.is_empty() {
            let (pair, rest) = element(set, SEQUENCE)?;
            set = rest;
            if !part.is_empty() {
                part.push('+');
            }
            push(&mut part, pair)?;
        }
        let comma = if text.is_empty() { "" } else { "," };
        text = format!("{part}{comma}{text}");
        if text.len() > NAME_BYTES_MAX {
            return None;
        }
    }
    (!text.is_empty()).then_some(text)
}

/// Appends a type and its value (section 2.2).
fn push(out: &mut String, pair: &[u8]) -> Option<()> {
    let (object, value) = element(pair, OBJECT)?;
    let short = SHORT.iter().find(|(known, _)| *known == object).map(|(_, name)| *name);
    let text = short.and_then(|name| Some((name, text(value)?)));
    match text {
        Some((name, text)) => {
            out.push_str(name);
            out.push('=');
            push_escaped(out, &text);
        }
        // Whoever does not know the type, or what kind of value it is, can still read that.
        None => {
            match short {
                Some(name) => out.push_str(name),
                None => push_dotted(out, object)?,
            }
            out.push_str("=#");
            out.push_str(&hexadecimal(value));
        }
    }
    Some(())
}

/// The types that have a short name (section 3), and two that certificates have beside those.
const SHORT: [(&[u8], &str); 11] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
];

const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const VISIBLE_STRING: u8 = 0x1a;
const BMP_STRING: u8 = 0x1e;

/// The text that a value is; `None` where it is something else.
fn text(value: &[u8]) -> Option<String> {
    let tag = *value.first()?;
    let (bytes, rest) = element(value, tag)?;
    if !rest.is_empty() {
        return None;
    }
    match tag {
        UTF8_STRING | NUMERIC_STRING | PRINTABLE_STRING | IA5_STRING | VISIBLE_STRING => {
            Some(str::from_utf8(bytes).ok()?.to_owned())
        }
        BMP_STRING => {
            let (units, rest) = bytes.as_chunks::<2>();
            let units = units.iter().map(|&unit| u16::from_be_bytes(unit));
            let text: Result<String, _> = char::decode_utf16(units).collect();
            text.ok().filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// Appends a value so that it can be told where it ends (section 2.4).
fn push_escaped(out: &mut String, text: &str) {
    for (at, letter) in text.char_indices() {
        let is_last = at + letter.len_utf8() == text.len();
        let is_escaped = match letter {
            ' ' => at == 0 || is_last,
            '#' => at == 0,
            _ => "\"+,;<>\\".contains(letter),
        };
        if letter.is_control() {
            let mut room = [0; 4];
            for byte in letter.encode_utf8(&mut room).bytes() {
                // Writing into memory cannot fail.
                let _ = write!(out, "\\{byte:02X}");
            }
            continue;
        }
        if is_escaped {
            out.push('\\');
        }
        out.push(letter);
    }
}

/// Appends an object identifier: its arcs with dots between.
fn push_dotted(out: &mut String, object: &[u8]) -> Option<()> {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0u64;
    for byte in object {
        arc = arc.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            arcs.push(arc);
            arc = 0;
        }
    }
    // The first two share one (X.690 section 8.19.4).
    let (first, rest) = arcs.split_first()?;
    let top = (first / 40).min(2);
    let _ = write!(out, "{top}.{}", first - top * 40);
    for arc in rest {
        let _ = write!(out, ".{arc}");
    }
    object.last().is_some_and(|byte| byte & 0x80 == 0).then_some(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CN: &[u8] = &[0x55, 4, 3];

    type Pair<'p> = (&'p [u8], u8, &'p [u8]);

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        let long: &[u8] = if length >= 0x80 { &[0x81] } else { &[] };
        [&[tag], long, &[length], content].concat()
    }

    /// A name of these parts, each a type, the kind of its value, and that.
    fn name_of(parts: &[&[Pair<'_>]]) -> Vec<u8> {
        let set = |pairs: &&[Pair<'_>]| {
            let pair = |(object, tag, value): &Pair<'_>| {
                der(SEQUENCE, &[der(OBJECT, object), der(*tag, value)].concat())
            };
            der(SET, &pairs.iter().map(pair).collect::<Vec<_>>().concat())
        };
        der(SEQUENCE, &parts.iter().map(set).collect::<Vec<_>>().concat())
    }

    /// The examples of RFC 4514 section 4, and what lies in wait for a log.
    #[test]
    fn names_are_written_so_that_each_is_another() {
        let (ou, dc) = (&[0x55u8, 4, 11][..], SHORT[9].0);
        let other = &[0x2b, 6, 1, 4, 1, 0x8b, 0x3a, 0][..];
        for (name, expect) in [
            (
                name_of(&[
                    &[(dc, IA5_STRING, b"net")],
                    &[(dc, IA5_STRING, b"example")],
                    &[(SHORT[8].0, UTF8_STRING, b"jsmith")],
                ]),
                Some("UID=jsmith,DC=example,DC=net"),
            ),
            (
                name_of(&[
                    &[(dc, IA5_STRING, b"net")],
                    &[(ou, UTF8_STRING, b"Sales"), (CN, UTF8_STRING, b"J.  Smith")],
                ]),
                Some("OU=Sales+CN=J.  Smith,DC=net"),
            ),
            (
                name_of(&[&[(CN, UTF8_STRING, b"James \"Jim\" Smith, III")]]),
                Some("CN=James \\\"Jim\\\" Smith\\, III"),
            ),
            (name_of(&[&[(CN, UTF8_STRING, b"Before\rAfter")]]), Some("CN=Before\\0DAfter")),
            (name_of(&[&[(other, 4, b"Hi")]]), Some("1.3.6.1.4.1.1466.0=#04024869")),
            (name_of(&[&[(CN, UTF8_STRING, b" # ")]]), Some("CN=\\ #\\ ")),
            (name_of(&[&[(CN, UTF8_STRING, b"#a")]]), Some("CN=\\#a")),
            (name_of(&[&[(CN, BMP_STRING, b"\0L\x01\x0d")]]), Some("CN=L\u{10d}")),
            (name_of(&[&[(CN, BMP_STRING, b"\xd8\0")]]), Some("CN=#1e02d800")),
            (name_of(&[&[(CN, UTF8_STRING, b"\xff")]]), Some("CN=#0c01ff")),
            (name_of(&[&[(CN, UTF8_STRING, b"\xc2\x85")]]), Some("CN=\\C2\\85")),
            (name_of(&[&[(&[0x81], UTF8_STRING, b"a")]]), None),
            (name_of(&[&[(&[], UTF8_STRING, b"a")]]), None),
            (name_of(&[]), None),
            (b"\x30\x02\x31\x00".to_vec(), None),
            (b"\x30\x01\x31".to_vec(), None),
        ] {
            assert_eq!(written(&name).as_deref(), expect, "{name:x?}");
        }
    }

    #[test]
    fn what_says_too_much_has_no_name() {
        let long = [b'x'; 100];
        let part = [(CN, UTF8_STRING, &long[..])];
        assert!(written(&name_of(&[&part[..]; 2])).is_some_and(|name| name.len() == 207));
        let quotes = [b'"'; 126];
        assert_eq!(
            written(&name_of(&[&[(CN, UTF8_STRING, &quotes)]])).map(|name| name.len()),
            Some(255)
        );
        assert_eq!(written(&name_of(&[&[(CN, 4, &quotes)]])), None);
        let nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(name(b""), nothing);
    }
}
