//! Field blocks of HTTP/2: in one frame or in several they mean the same, and what they mean, told
//! again in full, means it still.
//!
//! An input is blocks of one connection, each behind a byte with its length.

use crate::limits;
use base::Moment;
use http2::{Block, Connection, Event, PREFACE};
use message::{Output, Slots};

/// Fields, and pieces of them.
pub const TOKENS: &[&str] = &[
    "\x07",
    "\x0b\x02\x03GET\x06\x04http",
    "\x01\x01a",
    "\x04\x02/b",
    "\x40\x01x\x01y",
    "\0\x01x\x01y",
    "\x10\x01x\x01y",
    "\x0f\x1a\x03a=b",
    "\x20",
    "\x3f\x21",
    "\x3f\x7f\x1f",
    "\x7f\x01",
    "\x1f",
    "\x7f",
    "\x01",
];

const NOW: Moment = Moment(1_000_000);

/// What a request says: path, and its field lines.
type Said = (String, Vec<(Vec<u8>, Vec<u8>)>);

/// Reads the blocks of `data` one after the other.
pub fn run(data: &[u8]) {
    let (mut whole, mut cut) = (connection(), connection());
    let (mut rest, mut stream) = (data, 1);
    while let Some((&length, more)) = rest.split_first() {
        let (block, after) = more.split_at(more.len().min(usize::from(length)));
        let said = read(&mut whole, &frames(stream, block, block.len().max(1)));
        assert_eq!(said, read(&mut cut, &frames(stream, block, block.len() / 3 + 1)));
        if let Outcome::Request(said) = said {
            check_again(said);
        }
        (rest, stream) = (after, stream + 2);
    }
}

/// What came of a block.
#[derive(Debug, PartialEq)]
enum Outcome {
    Request(Said),
    Other(String),
}

/// The same fields, each in full, say the same.
fn check_again(said: Said) {
    let mut block = b"\x86\x02\x03GET\x04".to_vec();
    push(&mut block, said.0.as_bytes());
    for (name, value) in &said.1 {
        block.push(0);
        push(&mut block, name);
        push(&mut block, value);
    }
    let again = read(&mut connection(), &frames(1, &block, block.len()));
    assert_eq!(again, Outcome::Request(said));
}

fn push(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() < 127 {
        out.push(text.len() as u8);
    } else {
        let mut rest = text.len() - 127;
        out.push(127);
        while rest >= 128 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(text);
}

fn connection() -> Connection {
    let mut http = Connection::new(limits::usual(), NOW);
    let opening = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    assert!(matches!(read(&mut http, &opening), Outcome::Other(_)));
    http
}

/// A block in frames of so many bytes.
fn frames(stream: u32, block: &[u8], bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let count = block.len().div_ceil(bytes).max(1);
    for at in 0..count {
        let piece = &block[at * bytes..block.len().min((at + 1) * bytes)];
        out.extend_from_slice(&(piece.len() as u32).to_be_bytes()[1..]);
        let end = if at + 1 == count { 4 } else { 0 };
        out.extend(if at == 0 { [1, 1 | end] } else { [9, end] });
        out.extend(stream.to_be_bytes());
        out.extend_from_slice(piece);
    }
    out
}

fn read(http: &mut Connection, bytes: &[u8]) -> Outcome {
    let (mut block, mut slots, mut output) = (Block::default(), Slots::new(), Output::default());
    let room = (&mut block, &mut slots);
    let (_, event) = http.receive(bytes, NOW, room, &mut output);
    match event {
        Event::Request(_, request, _) => {
            let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
            let lines = request.fields.lines().iter();
            let lines = lines.map(|line| (line.name.to_vec(), line.value.to_vec())).collect();
            Outcome::Request((format!("{}{query}", request.path), lines))
        }
        other => Outcome::Other(format!("{other:?}")),
    }
}
