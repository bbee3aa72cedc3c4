//! Where the parts of a head end, looked for eight bytes at a time.
//!
//! Nearly all of the work on a head is to find such ends. A word of eight bytes is asked in a few
//! steps which of them may end a part; what these steps are not sure of is looked up one by one.

use crate::name::is_token_byte;

/// A word with this in each of its bytes.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The highest bit of each byte, in which the answers of a word stand.
const FLAGS: u64 = each(0x80);

/// Where the token that begins at `at` ends (RFC 9110 section 5.6.2).
#[must_use]
pub fn token_end(bytes: &[u8], at: usize) -> usize {
    end(bytes, at, odd_in_name, |byte| TOKEN_BYTES[usize::from(byte)])
}

/// Where the field value that begins at `at` ends, at a control byte that is no tab.
#[must_use]
pub fn value_end(bytes: &[u8], at: usize) -> usize {
    end(
        bytes,
        at,
        |word| controls(word, b' '),
        |byte| byte >= b' ' && byte != 0x7f || byte == b'\t',
    )
}

/// Where the request target that begins at `at` ends: what is no graphic ASCII byte, or begins a
/// fragment, is none of its bytes.
#[must_use]
pub fn target_end(bytes: &[u8], at: usize) -> usize {
    let odd = |word| controls(word, b'!') | zeros(word ^ each(b'#')) | word & FLAGS;
    end(bytes, at, odd, |byte| byte.is_ascii_graphic() && byte != b'#')
}

/// The first place from `at` on whose byte does not belong. `odd` flags the bytes of a word that
/// may not, the first of them surely if no byte before it does; `belongs` knows of each.
#[inline]
fn end(bytes: &[u8], at: usize, odd: impl Fn(u64) -> u64, belongs: impl Fn(u8) -> bool) -> usize {
    let mut rest = bytes.get(at..).unwrap_or_default();
    loop {
        while let Some((word, more)) = rest.split_first_chunk() {
            let odd = odd(u64::from_le_bytes(*word));
            if odd != 0 {
                rest = &rest[odd.trailing_zeros() as usize / 8..];
                break;
            }
            rest = more;
        }
        match rest {
            [byte, more @ ..] if belongs(*byte) => rest = more,
            _ => return bytes.len() - rest.len(),
        }
    }
}

/// Flags the bytes below `least`, which is 128 at most, and DEL. Of the bytes above the first that
/// is flagged, some may be flagged without a cause: a borrow runs upwards.
fn controls(word: u64, least: u8) -> u64 {
    (word.wrapping_sub(each(least)) & !word & FLAGS) | zeros(word ^ each(0x7f))
}

/// Flags the bytes that are zero, with the same reservation.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(each(1)) & !word & FLAGS
}

/// Flags what is neither a letter nor a digit nor a hyphen: of these nearly all names consist. A
/// sum reaches the flag of its byte where the byte is at least so large, never the byte above it.
fn odd_in_name(word: u64) -> u64 {
    let low = word & !FLAGS;
    let least = |bytes: u64, least: u8| bytes + each(0x80 - least);
    let lower = low | each(0x20);
    let is_letter = least(lower, b'a') & !least(lower, b'z' + 1);
    let is_digit = least(low, b'0') & !least(low, b'9' + 1);
    let is_other = least(low ^ each(b'-'), 1);
    !(is_letter | is_digit | !is_other) & FLAGS | word & FLAGS
}

/// The bytes of a token.
static TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        table[byte as usize] = is_token_byte(byte);
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte, at every place of a word and beside every neighbour that could lend to it or
    /// borrow from it, ends what it does not belong to and nothing else.
    #[test]
    fn an_end_is_found_wherever_it_stands() {
        type Scan = fn(&[u8], usize) -> usize;
        type Belongs = fn(u8) -> bool;
        let is_value = |byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        let is_target = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        let cases: [(Scan, Belongs); 3] =
            [(token_end, is_token_byte), (value_end, is_value), (target_end, is_target)];
        for (scan, belongs) in cases {
            for byte in 0..=u8::MAX {
                for neighbour in 0..=u8::MAX {
                    for place in 0..9 {
                        let mut bytes = *b"abcdefgh-ijklmnopq";
                        (bytes[place], bytes[place + 1]) = (byte, neighbour);
                        let expect = bytes.iter().position(|&byte| !belongs(byte));
                        let expect = expect.unwrap_or(bytes.len());
                        assert_eq!(scan(&bytes, 0), expect, "{bytes:?}");
                        let short = &bytes[..place + 2];
                        assert_eq!(scan(short, 0), expect.min(short.len()), "{short:?}");
                    }
                }
            }
        }
    }
}
