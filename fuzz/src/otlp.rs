//! Spans as workers hand them over, and what collectors answer: whatever the bytes, what counts as
//! whole stays so when it is cut, and no answer takes back more than there is in it.

use otlp::{Answer, answer, whole};

/// Pieces of both: keys of fields, lengths, numbers.
pub const TOKENS: &[&str] = &[
    "\x12\x02ab",
    "\x12\0",
    "\x12\x7f",
    "\x0a\x04\x08\x03\x12\0",
    "\x0a",
    "\x08\x7f",
    "\x09",
    "\x0d",
    "\x0b",
    "too old",
    "\x7f\x7f\x7f\x7f",
];

/// Reads the bytes as spans, and as an answer.
pub fn run(data: &[u8]) {
    let (count, end) = whole(data, usize::MAX);
    assert!(end <= data.len() && (count > 0) == (end > 0));
    let (mut found, mut at) = (0, 0);
    while at < end {
        let (some, bytes) = whole(&data[at..end], data.len() / 3);
        assert!(some > 0, "what is whole is whole in pieces");
        (found, at) = (found + some, at + bytes);
    }
    assert_eq!(found, count);
    for status in [200, 400, 503] {
        let said = answer(status, data);
        assert_eq!(matches!(said, Answer::Taken(..)), status == 200);
    }
}
