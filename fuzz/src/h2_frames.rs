//! A connection of HTTP/2: cuts change nothing, no window is overdrawn, and what is sent is frames.
//!
//! The first byte of an input says how many bytes come at a time, and how many are answered with;
//! the rest follows a client's preface and settings.

use crate::limits;
use base::Moment;
use http2::{Block, Connection, Event, Given, PREFACE};
use message::{Body, Output, Response, Shared, Slots, Status};
use std::io::IoSlice;

/// Frames, and pieces of them.
pub const TOKENS: &[&str] = &[
    "\0\0\x07\x01\x05\0\0\0\x01\x01\x01a\x04\x01/\x07",
    "\0\0\x08\x01\x05\0\0\0\x01\x02\x03GET\x06\x04\x01",
    "\0\0\x04\x08\0\0\0\0\0\0\0\x40\0",
    "\0\0\x04\x08\0\0\0\0\x01\0\0\x40\0",
    "\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",
    "\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\x10\0",
    "\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0",
    "\0\0\0\x04\x01\0\0\0\0",
    "\0\0\x08\x06\0\0\0\0\0parting!",
    "\0\0\x08\x06\x01\0\0\0\0parting!",
    "\0\0\x05\x02\0\0\0\0\x01\0\0\0\0\x10",
    "\0\0\x03\0\0\0\0\0\x01abc",
    "\0\0\0\0\x01\0\0\0\x01",
    "\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0",
    "\0\0\x09\x10\0\0\0\0\0\0\0\0\x03u=1,i",
    "\0\0\0\x09\x04\0\0\0\x01",
    "\0\0\x01",
    "\x03",
    "\x05",
];

const NOW: Moment = Moment(1_000_000);

/// Reads what follows the first byte in one piece, and in pieces.
pub fn run(data: &[u8]) {
    let Some((&mode, stream)) = data.split_first() else { return };
    let stream = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0], stream].concat();
    let content = [None, Some(0), Some(5), Some(40_000)][usize::from(mode >> 6)];
    let whole = dialogue(&stream, stream.len(), content);
    let step = usize::from(mode & 0x3f) + 1;
    assert_eq!(whole, dialogue(&stream, step, content), "in pieces of {step} bytes");
}

/// All that is told when `stream` comes in pieces of `step` bytes.
fn dialogue(stream: &[u8], step: usize, content: Option<usize>) -> String {
    let limits = limits::usual();
    let mut http = Connection::new(limits, NOW);
    let (mut block, mut output, mut told) = (Block::default(), Output::default(), String::new());
    let (mut unread, mut given) = (Vec::new(), 0);
    for piece in stream.chunks(step) {
        unread.extend_from_slice(piece);
        loop {
            let mut slots = Slots::new();
            let room = (&mut block, &mut slots);
            let (used, event) = http.receive(&unread, NOW, room, &mut output);
            assert!(used <= unread.len());
            let mut asked = None;
            told += &match event {
                Event::Incomplete | Event::Closed => String::new(),
                Event::Request(key, request, head) => {
                    asked = Some(key);
                    assert!(head.len() <= limits.head_bytes_max, "{}", head.len());
                    let lines = request.fields.lines().len();
                    assert!(lines <= limits.fields_max + 1 && !request.host.is_empty());
                    format!("{:?} {:?} {lines}; ", request.method, request.path)
                }
                Event::Refused(key, refusal) => {
                    asked = Some(key);
                    format!("{refusal:?}; ")
                }
                Event::Content(key, piece) => {
                    http.took(key, piece.len());
                    format!("{event:?}; ")
                }
                ref other => format!("{other:?}; "),
            };
            let is_over = matches!(event, Event::Incomplete | Event::Closed);
            unread.drain(..used);
            if let (Some(key), Some(bytes)) = (asked, content) {
                let mut response = Response::empty(Status::OK);
                response.body = Body::Bytes(Shared::from(vec![b'x'; bytes]));
                let how = (b"Sun, 06 Nov 1994 08:49:37 GMT", NOW, false);
                assert!(!matches!(http.respond(key, response, how, &mut output), Given::From(_)));
                given += 1;
            }
            if is_over {
                break;
            }
        }
    }
    http.widen(NOW, &mut output);
    http.produce(u64::MAX, NOW, &mut |_| 0, &mut output);
    while http.next_ended().is_some() {}
    assert!(http.deadline(NOW) >= NOW);
    let sent = check_sent(&mut output, stream);
    format!("{told}{given} {sent:?} {}", http.is_closing())
}

/// Takes the output, which is whole frames and no more content than the client can have allowed:
/// bytes of content, and how many frames of each kind but DATA there are.
fn check_sent(output: &mut Output, stream: &[u8]) -> (usize, [u32; 17]) {
    let mut bytes = Vec::new();
    while !output.is_empty() {
        let mut slices = [IoSlice::new(&[]); 8];
        let (filled, _) = output.slices(&mut slices);
        let front: Vec<u8> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
        output.advance(front.len());
        bytes.extend(front);
    }
    let (mut content, mut kinds) = (0, [0; 17]);
    let mut rest = &bytes[..];
    while let Some((head, more)) = rest.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        assert!(length <= more.len(), "half a frame");
        match head[3] {
            0 => content += length,
            kind => kinds[usize::from(kind)] += 1,
        }
        rest = &more[length..];
    }
    assert!(rest.is_empty(), "a part of a frame");
    // Every window update that could stand anywhere.
    let updates = stream.windows(13).filter(|at| at[..9] == [0, 0, 4, 8, at[4], 0, 0, 0, 0]);
    let widths = updates.map(|at| u32::from_be_bytes([at[9], at[10], at[11], at[12]]) as usize);
    assert!(content <= 65_535 + widths.map(|width| width & 0x7fff_ffff).sum::<usize>());
    (content, kinds)
}
