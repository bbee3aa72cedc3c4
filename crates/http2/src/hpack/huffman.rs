//! The Huffman code of HPACK (RFC 7541 appendix B), by tables that follow from the lengths alone.

/// Bits of the code of each byte, and at last of the end of a string. Codes of one length are in
/// the order of their bytes, and follow from those of the length before.
#[rustfmt::skip]
const BITS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11,
    10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8,
    15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5,
    6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
    23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21,
    23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25,
    26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26,
    28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The longest code, in bits.
const BITS_MAX: usize = 30;

/// Which symbol ends a string; it never stands in one.
const END: usize = 256;

/// All symbols in the order of their codes, and where those of each length begin.
struct Order {
    symbols: [u16; 257],
    /// The first code of each length.
    first: [u32; BITS_MAX + 1],
    /// How many symbols have shorter codes.
    before: [u16; BITS_MAX + 1],
    count: [u16; BITS_MAX + 1],
}

const ORDER: Order = {
    let mut order = Order {
        symbols: [0; 257],
        first: [0; BITS_MAX + 1],
        before: [0; BITS_MAX + 1],
        count: [0; BITS_MAX + 1],
    };
    let (mut bits, mut code, mut found) = (1, 0, 0);
    while bits <= BITS_MAX {
        (order.first[bits], order.before[bits]) = (code, found);
        let mut symbol = 0;
        while symbol < BITS.len() {
            if BITS[symbol] as usize == bits {
                order.symbols[found as usize] = symbol as u16;
                (code, found) = (code + 1, found + 1);
            }
            symbol += 1;
        }
        order.count[bits] = found - order.before[bits];
        (bits, code) = (bits + 1, code << 1);
    }
    order
};

static LONG: Order = ORDER;

/// The code of each symbol.
static CODES: [u32; 257] = {
    let mut codes = [0; 257];
    let mut bits = 1;
    while bits <= BITS_MAX {
        let mut at = 0;
        while at < ORDER.count[bits] {
            let symbol = ORDER.symbols[(ORDER.before[bits] + at) as usize];
            codes[symbol as usize] = ORDER.first[bits] + at as u32;
            at += 1;
        }
        bits += 1;
    }
    codes
};

/// For the next eight bits, the byte that they begin with and the bits of its code; 0 bits where
/// the code is longer.
static SHORT: [(u8, u8); 256] = {
    let mut table = [(0, 0); 256];
    let mut symbol = 0;
    while symbol < END {
        let bits = BITS[symbol];
        if bits <= 8 {
            let start = CODES[symbol] << (8 - bits);
            let mut at = 0;
            while at < 1 << (8 - bits) {
                table[(start + at) as usize] = (symbol as u8, bits);
                at += 1;
            }
        }
        symbol += 1;
    }
    table
};

/// Appends what `coded` stands for; `None` if that is no code.
pub(crate) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Option<()> {
    // The next bits, from the highest on, and how many there are.
    let (mut bits, mut count) = (0_u64, 0_u32);
    let mut rest = coded;
    loop {
        while count <= 56 {
            let Some((&byte, more)) = rest.split_first() else { break };
            bits |= u64::from(byte) << (56 - count);
            (count, rest) = (count + 8, more);
        }
        let (symbol, length) = match SHORT[(bits >> 56) as usize] {
            (_, 0) => long(bits),
            (symbol, length) => (usize::from(symbol), u32::from(length)),
        };
        if length > count {
            break;
        }
        out.push(u8::try_from(symbol).ok()?);
        (bits, count) = (bits << length, count - length);
    }
    // The last byte is filled up with the beginning of the end's code, which is all ones.
    let padding = !(u64::MAX.checked_shr(count).unwrap_or(0));
    (count < 8 && bits == padding).then_some(())
}

/// The symbol whose code of more than eight bits comes next, and its length.
#[cold]
fn long(bits: u64) -> (usize, u32) {
    for length in 9..=BITS_MAX {
        let code = (bits >> (64 - length)) as u32;
        let at = code.wrapping_sub(LONG.first[length]);
        if at < u32::from(LONG.count[length]) {
            let place = usize::from(LONG.before[length]) + at as usize;
            return (usize::from(LONG.symbols[place]), length as u32);
        }
    }
    (END, BITS_MAX as u32)
}

/// How many bytes `text` has when it is coded.
pub(crate) fn coded_bytes(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|&byte| usize::from(BITS[usize::from(byte)])).sum();
    bits.div_ceil(8)
}

/// Appends `text`, coded.
pub(crate) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0_u64, 0_u32);
    for &byte in text {
        let length = u32::from(BITS[usize::from(byte)]);
        bits = bits << length | u64::from(CODES[usize::from(byte)]);
        count += length;
        while count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    if count > 0 {
        out.push((bits << (8 - count)) as u8 | 0xff >> count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(coded: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(coded, &mut out).map(|()| out)
    }

    /// The examples of RFC 7541 appendix C.
    #[test]
    fn the_examples_of_the_standard() {
        for (text, coded) in [
            ("www.example.com", &b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..]),
            ("no-cache", b"\xa8\xeb\x10\x64\x9c\xbf"),
            ("custom-value", b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf"),
            ("302", b"\x64\x02"),
        ] {
            let mut out = Vec::new();
            encode(text.as_bytes(), &mut out);
            assert_eq!(out, coded, "{text}");
            assert_eq!(decoded(coded).as_deref(), Some(text.as_bytes()));
        }
    }

    #[test]
    fn a_code_ends_with_less_than_a_byte_of_ones() {
        for coded in [&b"\xff"[..], b"\x1f\xff", b"\x1e", b"\x1f\xfe", b"\xff\xff\xff\xff"] {
            assert_eq!(decoded(coded), None, "{coded:?}");
        }
        assert_eq!(decoded(b"\x1f"), Some(b"a".to_vec()));
        assert_eq!(decoded(b""), Some(Vec::new()));
        assert_eq!(decoded(b"\xff\xff\xff\xfc"), None, "the end itself");
    }

    proptest! {
        #[test]
        fn what_is_coded_is_read_again(text in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut out = Vec::new();
            encode(&text, &mut out);
            prop_assert_eq!(out.len(), coded_bytes(&text));
            prop_assert_eq!(decoded(&out), Some(text));
        }

        #[test]
        fn what_is_read_is_coded_in_one_way(coded in prop::collection::vec(any::<u8>(), 0..12)) {
            if let Some(text) = decoded(&coded) {
                let mut out = Vec::new();
                encode(&text, &mut out);
                prop_assert_eq!(out, coded);
            }
        }
    }
}
