//! The answers of applications: they mean the same wherever they are cut, never more than was sent,
//! and no field that comes of them could end its line.

use fastcgi::{Answer, Event, Fault, Limits};
use message::response::Line;

/// Pieces of records and of heads.
pub const TOKENS: &[&str] = &[
    "\x01\x06\0\x01",
    "\x01\x07\0\x01",
    "\x01\x03\0\x01",
    "\x01\x06\0\x02",
    "\0\x08\0\0",
    "\0\x10\x03\0",
    "\0\0\0\0",
    "\0\0\0\0\0\0\0\0",
    "\0\0\0\0\x02\0\0\0",
    "Status: 200 OK\r\n",
    "Status: 4",
    "Content-Length: 5\r\n",
    "Location: /\n",
    "X-Accel-Redirect: /x\r\n",
    "Status: 103\r\n",
    "A: b\r\n\r\nhey!",
    "\r\n\r\n",
    "\n\n",
    ": ",
    "\x7f",
];

/// What was seen of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    early: Vec<Vec<Line>>,
    heads: Vec<fastcgi::Head>,
    content: Vec<u8>,
    stderr: Vec<Vec<u8>>,
    ended: Option<Result<(), Fault>>,
}

/// Reads the bytes whole, byte by byte, and in halves.
pub fn run(data: &[u8]) {
    let whole = read(&[data]);
    let middle = data.len() / 2;
    assert_eq!(read(&[&data[..middle], &data[middle..]]), whole);
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(read(&bytes), whole);
    for step in [7, 20, data.len().max(1)] {
        assert_eq!(read_to_its_place(data, step), whole, "in steps of {step}");
    }
    let told: usize = whole.stderr.iter().map(Vec::len).sum();
    assert!(whole.content.len() + told <= data.len(), "more than was sent");
    assert!(whole.heads.len() <= 1 && (whole.content.is_empty() || whole.heads.len() == 1));
    for head in &whole.heads {
        assert!((200..1000).contains(&head.status.0), "{}", head.status);
    }
    let lines = whole.heads.iter().map(|head| &head.lines).chain(&whole.early);
    for line in lines.flatten() {
        let is_sound = |text: &[u8]| !text.iter().any(u8::is_ascii_control);
        assert!(is_sound(line.name.as_bytes()) && is_sound(&line.value) && !line.name.is_empty());
        let framing = ["content-length", "transfer-encoding", "connection", "status"];
        assert!(!framing.contains(&&*line.name), "{}", line.name);
    }
}

/// What is seen of an answer that comes in such pieces.
fn read(pieces: &[&[u8]]) -> Seen {
    let (mut answer, mut seen, mut unread) = (answer(), Seen::default(), Vec::new());
    for piece in pieces {
        unread.extend_from_slice(piece);
        if understand(&mut answer, &mut unread, &mut seen) {
            break;
        }
    }
    seen
}

/// The same of one that comes in pieces of so many bytes, of which content is read to its place.
fn read_to_its_place(data: &[u8], step: usize) -> Seen {
    let (mut answer, mut seen, mut unread) = (answer(), Seen::default(), Vec::new());
    for mut piece in data.chunks(step) {
        match answer.course().filter(|_| unread.is_empty()) {
            None => unread.extend_from_slice(piece),
            Some(course) => {
                let (start, mut between) = (seen.content.len(), Vec::new());
                for (content_bytes, gap_bytes) in course.turns(ROOM_BYTES).take(5) {
                    let (content, rest) = piece.split_at(content_bytes.min(piece.len()));
                    let (gap, rest) = rest.split_at(gap_bytes.min(rest.len()));
                    seen.content.extend_from_slice(content);
                    between.extend_from_slice(gap);
                    piece = rest;
                }
                between.extend_from_slice(piece);
                unread = answer.follow(&course, (&mut seen.content, start), &between);
            }
        }
        if understand(&mut answer, &mut unread, &mut seen) {
            break;
        }
    }
    seen
}

/// Bytes of content that there is room for at once.
const ROOM_BYTES: usize = 40;

fn answer() -> Answer {
    let limits = Limits { head_bytes_max: 200, fields_max: 5, ..Limits::default() };
    let limits = Limits { stderr_line_bytes_max: 10, stderr_bytes_max: 50, ..limits };
    Answer::new(fastcgi::FIRST_ID, Limits { placed_bytes_min: 1, ..limits })
}

/// Takes in what is unread; whether nothing more is to come.
fn understand(answer: &mut Answer, unread: &mut Vec<u8>, seen: &mut Seen) -> bool {
    let mut at = 0;
    loop {
        let (used, event) = match answer.receive(&unread[at..]) {
            Ok(event) => event,
            Err(fault) => {
                seen.ended = Some(Err(fault));
                return true;
            }
        };
        at += used;
        match event {
            Event::Incomplete => break,
            Event::Early(lines) => seen.early.push(lines),
            Event::Head(head) => seen.heads.push(head),
            Event::Content(content) => seen.content.extend_from_slice(content),
            Event::Stderr(line) => seen.stderr.push(line),
            Event::End => {
                seen.ended = Some(answer.finish());
                return true;
            }
        }
    }
    unread.drain(..at);
    assert!(unread.len() < 8, "what can be used is used");
    false
}
