//! The id of an exchange, by which its answer and its lines in the logs find each other.

use std::str;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// 128 bits, as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId([u8; 32]);

impl RequestId {
    /// The id of these bits.
    #[must_use]
    pub fn of(bits: u128) -> Self {
        let mut digits = [0; 32];
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            *digit = HEX[(bits >> (place * 4)) as usize & 15];
        }
        Self(digits)
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_all_of_its_digits() {
        for bits in [0, 1, 0xabc, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677] {
            assert_eq!(RequestId::of(bits).as_str(), format!("{bits:032x}"));
        }
    }
}
