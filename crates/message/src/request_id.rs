//! The id of an exchange, by which its answer and its lines in the logs find each other.

use crate::trace_context::TraceContext;
use std::{rc::Rc, str};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The longest id that is taken over from somebody else, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// 128 bits as 32 hexadecimal digits, or what a proxy has named it; and where the exchange stands
/// in a trace, if it is traced. To clone it counts, no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId {
    text: Rc<str>,
    trace: Option<Rc<TraceContext>>,
}

impl RequestId {
    /// The id of these bits.
    #[must_use]
    pub fn of(bits: u128) -> Self {
        let mut text = [0; 32];
        for (place, digit) in text.iter_mut().rev().enumerate() {
            *digit = HEX[(bits >> (place * 4)) as usize & 15];
        }
        Self { text: str::from_utf8(&text).unwrap_or_default().into(), trace: None }
    }

    /// The id that a proxy gave: letters, digits and `-._~+/=:`, one at least and
    /// 64 at most; anything else is no id.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=:".contains(byte);
        let is_id = (1..=REQUEST_ID_BYTES_MAX).contains(&value.len()) && value.iter().all(is_plain);
        let text = str::from_utf8(value).ok().filter(|_| is_id)?;
        Some(Self { text: text.into(), trace: None })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same id, of an exchange that is traced.
    #[must_use]
    pub fn traced(self, trace: TraceContext) -> Self {
        Self { trace: Some(Rc::new(trace)), ..self }
    }

    /// Where its exchange stands in a trace, if it is traced.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_deref()
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

    #[test]
    fn only_what_is_harmless_is_taken_over() {
        let taken = |value: &str| RequestId::parse(value.as_bytes()).map(|id| id.as_str().len());
        let longest = "x".repeat(REQUEST_ID_BYTES_MAX);
        for value in ["1", "3f0b-9c~", "Root=1-67a:b+c/d=", &longest] {
            assert_eq!(taken(value), Some(value.len()), "{value}");
        }
        for value in ["", "a b", "a\"b", "a\nb", "ü", "{host}", &(longest + "x")] {
            assert_eq!(taken(value), None, "{value}");
        }
    }
}
