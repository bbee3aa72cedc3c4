//! Writing numbers and quoted text into byte buffers, without a formatter in between.

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

/// Appends `number` in lowercase hexadecimal without leading zeros.
pub fn push_hex(out: &mut Vec<u8>, number: u64) {
    let digits = (64 - number.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        out.push(HEX[(number >> (digit * 4)) as usize & 15]);
    }
}

/// Appends `text` as the inside of a JSON string: quotes, controls and every byte above ASCII are
/// escaped, the latter as U+0000 to U+00FF, so that nothing in a log line can act on a terminal.
pub fn push_json(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x20..=0x7e => out.push(byte),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
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
    fn nothing_in_a_log_line_can_break_out_of_it() {
        let hostile = b"a\"\\\n\x1b[2J\xff\x7f";
        assert_eq!(
            written(|out| push_json(out, hostile)),
            "a\\\"\\\\\\u000a\\u001b[2J\\u00ff\\u007f"
        );
        assert_eq!(written(|out| push_printable(out, hostile)), "a\"\\\\x0a\\x1b[2J\\xff\\x7f");
    }
}
