//! The notes of processes and the wishes of operators: what is read is written again as the same
//! bytes, and nothing else is taken for a note.

use control::{
    delivery::{Delivery, Errand},
    note::{Note, Order, Question, Report, Verdict},
    wish::{Outcome, Wish},
};

/// Pieces of notes: the version with each tag, flags, small numbers, lengths, texts.
pub const TOKENS: &[&str] = &[
    "\x01\0",
    "\x01\x01",
    "\x01\x02",
    "\x01\x03",
    "\x01\x05",
    "\x01\x09",
    "\x01\x7f",
    "\x02\0",
    "\0",
    "\x01",
    "\0\0\0\0\0\0\0\0",
    "\x01\0\0\0\0\0\0\0",
    "\x02\0\0\0\0\0\0\0",
    "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f",
    "/etc/gannet.toml",
    "error: no",
    "ä",
];

/// Reads the bytes as a note of every kind.
pub fn run(data: &[u8]) {
    check::<Question>(data);
    check::<Verdict>(data);
    check::<Order>(data);
    check::<Report>(data);
    check::<Errand>(data);
    check::<Delivery>(data);
    check::<Wish>(data);
    check::<Outcome>(data);
}

fn check<N: Note>(data: &[u8]) {
    if let Some(note) = N::decode(data) {
        let again = note.encode();
        // A text that is longer than notes have is cut when it is written.
        assert!(again == data || data.len() > control::note::TEXT_BYTES_MAX);
    }
}
