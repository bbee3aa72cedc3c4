//! A connection from its first byte to its last: cuts change nothing, and both sides count alike.
//!
//! The first line of an input says how its rest is read: a digit chooses when answers are given
//! and under which limits, each letter after it how many bytes come at a time (`A` is one).

use crate::{
    head::{is_deaf, told},
    limits,
    text::first_line,
};
use base::Moment;
use http1::{Chunk, Chunked, Connection, Event, Expiry};
use message::{Body, Broken, Length, Limits, Output, Response, Shared, Slots, Source, Status};
use std::{
    io::IoSlice,
    task::{Context, Poll},
};

/// Pieces of dialogues.
pub const TOKENS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "Connection: keep-alive\r\n",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "Content-Length: 100\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\nt: x\r\n\r\n",
    ";e=\"x\"",
    "\r\n",
    "\n",
    "\r",
    "\0",
    ":",
];

const NOW: Moment = Moment(1_000_000);
const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

/// Longer streams are not read byte by byte: each of them would be looked at too often.
const SINGLE_BYTES_MAX: usize = 1024;

/// Reads `data` in one piece, in the pieces it asks for, and byte by byte.
pub fn run(data: &[u8]) {
    let (settings, stream) = first_line(data);
    let (mode, sizes) = settings.split_first().unwrap_or((&b'0', &[]));
    // A head that ends nowhere may be looked at later if it comes in pieces.
    let stream = &[stream, b"\r\n\r\n"].concat()[..];

    let whole = dialogue(*mode, [stream]);
    let mut rest = stream;
    let sizes = sizes.iter().map(|byte| usize::from(byte & 0x3f)).filter(|size| *size > 0);
    let mut sizes = sizes.collect::<Vec<_>>().into_iter().cycle();
    let pieces = std::iter::from_fn(|| {
        let size = sizes.next().unwrap_or(rest.len()).min(rest.len());
        let (piece, after) = rest.split_at(size);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(whole, dialogue(*mode, pieces), "cuts change something");
    if stream.len() <= SINGLE_BYTES_MAX {
        assert_eq!(whole, dialogue(*mode, stream.chunks(1)), "single bytes change something");
    }
}

/// Holds the dialogue, and returns what each side saw of the other.
fn dialogue<'p>(mode: u8, pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<String>, Vec<u8>) {
    let mut server = Server::new(mode);
    pieces.into_iter().for_each(|piece| server.read(piece));
    check_answers(&server.written, &server.answers);
    if server.connection.is_closing() {
        assert!(is_deaf(&mut server.connection), "a request after the last answer");
    }
    server.check_deadline();
    (server.seen, server.written)
}

/// A server that writes down what it sees and how it answered.
struct Server {
    limits: &'static Limits,
    connection: Connection,
    output: Output,
    unread: Vec<u8>,
    seen: Vec<String>,
    written: Vec<u8>,
    answers: Vec<Answer>,
    answers_at_once: bool,
    /// The request whose answer is due: whether it is HEAD.
    owed: Option<bool>,
    has_refused: bool,
}

/// An answer that was given.
struct Answer {
    status: Status,
    content: Vec<u8>,
    is_to_head: bool,
}

/// Content that the server frames piece by piece; here nobody asks it for the pieces.
struct Pieces;

impl Source for Pieces {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        Poll::Ready(None)
    }
}

impl Server {
    fn new(mode: u8) -> Self {
        let limits = if mode & 2 == 0 { limits::usual() } else { limits::tight() };
        Self {
            limits,
            connection: Connection::new(limits, NOW),
            output: Output::default(),
            unread: Vec::new(),
            seen: Vec::new(),
            written: Vec::new(),
            answers: Vec::new(),
            answers_at_once: mode & 1 == 1,
            owed: None,
            has_refused: false,
        }
    }

    /// Takes one read's bytes and all that follows from them.
    fn read(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        while self.step() {}
        assert!(self.unread.len() < self.limits.head_bytes_max, "too much has to be kept");
        assert!(self.connection.expire(NOW) == Expiry::Nothing, "no time has passed");
    }

    /// Takes one event, and says whether there may be more.
    fn step(&mut self) -> bool {
        let mut slots = Slots::new();
        let (used, event) = self.connection.receive(&self.unread, NOW, &mut slots);
        assert!(used <= self.unread.len());
        let (mut goes_on, mut is_due, mut has_ended) = (true, false, false);
        match event {
            Event::Incomplete => goes_on = false,
            Event::Closed => {
                assert_eq!(used, self.unread.len());
                if self.seen.last().is_none_or(|last| last != "closed") {
                    self.seen.push("closed".to_owned());
                }
                goes_on = false;
            }
            Event::Request(request) => {
                assert!(!self.has_refused && self.owed.is_none(), "a request out of turn");
                self.seen.push(told(&request));
                self.owed = Some(request.method.as_str() == "HEAD");
                is_due = self.answers_at_once;
                has_ended = request.length == Length::Known(0);
            }
            Event::Content(content) => {
                assert!(self.owed.is_some() && !content.is_empty(), "content out of turn");
                let text = content.escape_ascii().to_string();
                match self.seen.last_mut().filter(|last| last.starts_with("content ")) {
                    Some(last) => last.push_str(&text),
                    None => self.seen.push(format!("content {text}")),
                }
            }
            Event::End => {
                assert!(self.owed.is_some(), "an end out of turn");
                self.seen.push("end".to_owned());
                has_ended = true;
            }
            Event::Dropped(refusal) => {
                assert!(self.owed.is_none(), "dropped before the answer");
                self.seen.push(format!("dropped {refusal:?}"));
                self.has_refused = true;
                assert!(self.connection.is_closing());
            }
            Event::Refused(refusal) => {
                self.seen.push(format!("{refusal:?}"));
                self.has_refused = true;
                let is_to_head = self.owed.unwrap_or(self.unread[used..].starts_with(b"HEAD "));
                self.owed = Some(is_to_head);
                let page = Body::Bytes(Shared::from(refusal.reason().as_bytes().to_vec()));
                self.respond(refusal.status(), page, refusal.reason().as_bytes());
                assert!(self.connection.is_closing());
            }
        }
        self.unread.drain(..used);
        if has_ended {
            self.check_turn();
        }
        if has_ended || is_due {
            self.answer();
        }
        goes_on
    }

    /// Whatever follows a request, nothing is told of it before the answer.
    fn check_turn(&mut self) {
        let mut slots = Slots::new();
        let told = self.connection.receive(&self.unread, NOW, &mut slots);
        assert!(matches!(told, (0, Event::Incomplete)), "{told:?} before the answer");
    }

    /// Answers in one of the ways there are, by the number of the request.
    fn answer(&mut self) {
        let large = vec![b'x'; 5000];
        match self.answers.len() % 5 {
            0 => self.respond(Status::OK, bytes(b"hello"), b"hello"),
            1 => self.respond(Status::OK, Body::Stream(Box::new(Pieces)), b"streamed"),
            2 => self.respond(Status::NOT_MODIFIED, Body::Empty, b""),
            3 => self.respond(Status::OK, bytes(&large), &large),
            _ => self.respond(Status::NOT_FOUND, Body::Empty, b""),
        }
    }

    fn respond(&mut self, status: Status, body: Body, content: &[u8]) {
        let response = Response { body, ..Response::empty(status) };
        if self.connection.respond(response, DATE, &mut self.output).is_some() {
            let (first, second) = content.split_at(3);
            self.connection.stream(first.to_vec(), &mut self.output);
            self.connection.stream(Vec::new(), &mut self.output);
            self.connection.stream(second.to_vec(), &mut self.output);
            self.connection.finish_stream(&mut self.output);
        }
        let is_to_head = self.owed.take().unwrap_or_default();
        self.answers.push(Answer { status, content: content.to_vec(), is_to_head });
        self.write();
    }

    /// Writes all that waits, a little at a time.
    fn write(&mut self) {
        const WRITE_BYTES: usize = 1000;
        while !self.output.is_empty() {
            let before = self.output.len();
            let mut slices = [IoSlice::new(&[]); 4];
            let (count, has_file) = self.output.slices(&mut slices);
            assert!(count > 0 && !has_file);
            let front = &slices[0][..slices[0].len().min(WRITE_BYTES)];
            self.written.extend_from_slice(front);
            let taken = front.len();
            self.output.advance(taken);
            assert_eq!(self.output.len(), before - taken as u64);
        }
    }

    /// A deadline that passes ends something, and leaves nothing to be heard.
    fn check_deadline(&mut self) {
        let deadline = self.connection.deadline();
        if deadline == Moment::NEVER {
            return;
        }
        assert!(deadline > NOW);
        match self.connection.expire(deadline) {
            Expiry::Refuse(refusal) => self.respond(refusal.status(), Body::Empty, b""),
            Expiry::Close => {}
            other => panic!("{other:?} at the deadline"),
        }
        assert!(self.connection.is_closing() && is_deaf(&mut self.connection));
    }
}

fn bytes(content: &[u8]) -> Body {
    Body::Bytes(Shared::from(content.to_vec()))
}

/// A client that counts answers by their framing counts those that were given.
fn check_answers(written: &[u8], answers: &[Answer]) {
    let mut rest = written;
    let mut is_last = false;
    for answer in answers {
        assert!(!is_last, "an answer after the last");
        let end = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let Some(end) = end else { panic!("no head: {}", rest.escape_ascii()) };
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 4..];
        assert!(head.starts_with(&format!("HTTP/1.1 {}", answer.status)), "{head}");
        is_last = head.ends_with("\r\nconnection: close");
        let is_bodiless = answer.is_to_head || answer.status.is_bodiless();
        let content;
        (content, rest) = if is_bodiless { (vec![], rest) } else { content_of(&head, rest) };
        assert!(is_bodiless || content == answer.content, "{head}");
    }
    assert!(rest.is_empty(), "nobody asked for {}", rest.escape_ascii());
}

/// The content that follows `head`, and what follows it.
fn content_of<'r>(head: &str, mut rest: &'r [u8]) -> (Vec<u8>, &'r [u8]) {
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    if let Some(length) = field("content-length: ") {
        let (content, rest) = rest.split_at(length.parse().unwrap_or(usize::MAX));
        return (content.to_vec(), rest);
    }
    if field("transfer-encoding: ").is_none() {
        assert!(head.ends_with("\r\nconnection: close"), "content without an end: {head}");
        return (rest.to_vec(), &[]);
    }
    let (mut content, mut chunked) = (Vec::new(), Chunked::default());
    loop {
        let (used, chunk) = chunked.decode(rest, limits::usual());
        rest = &rest[used..];
        match chunk {
            Ok(Chunk::Content(bytes)) => content.extend_from_slice(bytes),
            Ok(Chunk::End) => return (content, rest),
            other => panic!("{other:?} in our own chunks"),
        }
    }
}
