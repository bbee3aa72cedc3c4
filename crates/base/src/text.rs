//! Writing numbers and quoted text, without a formatter in between.

use std::{fmt::Write, io, net::IpAddr};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `number` in decimal.
pub fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends an address. IPv4, the common case, goes without the formatter.
pub fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                push_decimal(out, u64::from(octet));
            }
        }
        // Writing into memory cannot fail.
        IpAddr::V6(address) => drop(io::Write::write_fmt(out, format_args!("{address}"))),
    }
}

/// `text` as one word of a shell.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%=,".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Appends `number` in lowercase hexadecimal without leading zeros.
pub fn push_hex(out: &mut Vec<u8>, number: u64) {
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        out.push(HEX[(number >> (digit * 4)) as usize & 15]);
    }
}

/// Appends `text` as the inside of a JSON string (RFC 8259 section 7). Quotes, controls and all
/// that is not ASCII are escaped, so that nothing in a log line can act on a terminal; a byte that
/// is no UTF-8 becomes one of U+0080 to U+00FF.
pub fn push_json(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x20..=0x7e => out.push(byte),
            0x80.. => {
                let run = rest.iter().position(u8::is_ascii).unwrap_or(rest.len());
                push_json_beyond_ascii(out, &rest[..run]);
                rest = &rest[run..];
                continue;
            }
            _ => push_json_unit(out, u16::from(byte)),
        }
        rest = &rest[1..];
    }
}

#[cold]
fn push_json_beyond_ascii(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        chunk.valid().encode_utf16().for_each(|unit| push_json_unit(out, unit));
        chunk.invalid().iter().for_each(|&byte| push_json_unit(out, u16::from(byte)));
    }
}

/// Appends the escape of one unit of UTF-16, of which JSON's escapes are made.
fn push_json_unit(out: &mut Vec<u8>, unit: u16) {
    out.extend_from_slice(b"\\u");
    for place in [12, 8, 4, 0] {
        out.push(HEX[usize::from(unit >> place & 15)]);
    }
}

/// Appends `text` for a terminal: printable ASCII as it is, every other byte as `\xHH`.
pub fn push_printable(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            0x20..=0x7e => out.push(byte),
            _ => {
                out.extend_from_slice(b"\\x");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
    }
}

/// `text` for a person at a terminal: characters that would act on it, or turn what follows around,
/// are shown as pictures of themselves, or as U+FFFD where there is none.
#[must_use]
pub fn visible(text: &str) -> String {
    let picture = |character: char| match character {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' => '\u{fffd}',
        '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ => character,
    };
    text.chars().map(picture).collect()
}

/// Appends `text` as web servers write it into a line of a log that is no JSON: printable ASCII as
/// it is but for `"` and `\`, which become `\xHH` as every other byte does; the blank, too, unless
/// `is_quoted`. Nothing at all is a hyphen.
pub fn push_quoted(out: &mut Vec<u8>, text: &[u8], is_quoted: bool) {
    const UPPER: &[u8; 16] = b"0123456789ABCDEF";
    if text.is_empty() {
        out.push(b'-');
    }
    for &byte in text {
        match byte {
            b'!' | b'#'..=b'[' | b']'..=b'~' => out.push(byte),
            b' ' if is_quoted => out.push(byte),
            _ => {
                let digits = [UPPER[usize::from(byte >> 4)], UPPER[usize::from(byte & 15)]];
                out.extend_from_slice(&[b'\\', b'x', digits[0], digits[1]]);
            }
        }
    }
}

/// Appends a size in bytes with three digits at most, rounded down; `space` goes before its unit.
pub fn push_size(text: &mut String, bytes: u64, space: char) {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut whole, mut tenths) = (bytes, 0);
    let mut unit = 0;
    while whole >= 1000 {
        tenths = (whole % 1024) * 10 / 1024;
        whole /= 1024;
        unit += 1;
    }
    // Writing into a string cannot fail.
    let _ = match (unit, whole) {
        (1.., ..10) => write!(text, "{whole}.{tenths}{space}{}", UNITS[unit]),
        _ => write!(text, "{whole}{space}{}", UNITS[unit]),
    };
}

/// Appends `text` so that it means itself in HTML, also inside a quoted attribute. Control
/// characters, which HTML does not allow, become U+FFFD.
pub fn push_html(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ if character.is_control() => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers() {
        for number in [0, 7, 10, 99, 65_536, u64::MAX] {
            assert_eq!(written(|out| push_decimal(out, number)), number.to_string());
            assert_eq!(written(|out| push_hex(out, number)), format!("{number:x}"));
        }
    }

    #[test]
    fn text_in_a_page_is_only_text() {
        for (text, expect) in [
            ("plain bücher", "plain bücher"),
            ("<b a='1' c=\"2\">&amp;", "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;"),
            ("a\0b\n\u{7f}\u{85}", "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            let mut out = String::new();
            push_html(&mut out, text);
            assert_eq!(out, expect);
        }
    }

    #[test]
    fn what_acts_on_a_terminal_is_seen() {
        for (text, expect) in [
            ("bücher/a b", "bücher/a b"),
            ("a\n\x1b[31m\0\x7f", "a\u{240a}\u{241b}[31m\u{2400}\u{2421}"),
            ("\u{9b}31m\u{202e}x\u{2066}", "\u{fffd}31m\u{fffd}x\u{fffd}"),
        ] {
            assert_eq!(visible(text), expect);
        }
    }

    #[test]
    fn nothing_in_a_log_line_can_break_out_of_it() {
        let hostile = b"a\"\\\n\x1b[2J\xff\x7f";
        assert_eq!(
            written(|out| push_json(out, hostile)),
            "a\\\"\\\\\\u000a\\u001b[2J\\u00ff\\u007f"
        );
        assert_eq!(
            written(|out| push_json(out, "ü\u{85}z\u{1f980}\u{202e}".as_bytes())),
            "\\u00fc\\u0085z\\ud83e\\udd80\\u202e"
        );
        assert_eq!(written(|out| push_printable(out, hostile)), "a\"\\\\x0a\\x1b[2J\\xff\\x7f");
        let quoted = "a\\x22\\x5C\\x0A\\x1B[2J\\xFF\\x7F";
        assert_eq!(written(|out| push_quoted(out, hostile, true)), quoted);
        for (is_quoted, expect) in [(true, "a b"), (false, "a\\x20b")] {
            assert_eq!(written(|out| push_quoted(out, b"a b", is_quoted)), expect);
            assert_eq!(written(|out| push_quoted(out, b"", is_quoted)), "-");
        }
    }
}
