//! A client at work: what it sends, and what it is told, in words.

use base::Moment;
use http2::{Block, Connection, Event, Expiry, Given, Key, PREFACE};
use message::{
    Body, Broken, FileRange, Limits, OpenFile, Output, Prepared, Response, Shared, Slots, Source,
    Status, response::Line,
};
use std::{
    fmt::Write,
    fs::File,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const PRIORITY_UPDATE: u8 = 16;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WHOLE: u8 = END_STREAM | END_HEADERS;

const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

/// A frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// A field block, each field told in full and left out of the table.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            assert!(text.len() < 127 + 128, "two bytes of length are enough here");
            match text.len() {
                short @ ..127 => out.push(short as u8),
                long => out.extend_from_slice(&[127, (long - 127) as u8]),
            }
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// The fields of a GET for `path`, and `more`.
pub(crate) fn get(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields =
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)];
    fields.extend_from_slice(more);
    block(&fields)
}

/// The HEADERS frame of a request without content.
pub(crate) fn asks(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &get(path, &[]))
}

/// The HEADERS frame of a POST whose content follows.
pub(crate) fn posts(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields =
        vec![(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    fields.extend_from_slice(more);
    frame(HEADERS, END_HEADERS, stream, &block(&fields))
}

/// A setting's six bytes.
pub(crate) fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// Content that somebody else gives.
struct Nothing;

impl Source for Nothing {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Broken>>> {
        Poll::Ready(None)
    }
}

/// A connection and what it told.
pub(crate) struct Client {
    pub(crate) http: Connection,
    pub(crate) now: Moment,
    /// Bytes of content that requests are answered with; `None` leaves them without an answer.
    pub(crate) content: Option<usize>,
    /// Whether content goes on to whom it is for.
    pub(crate) takes: bool,
    /// Bytes of a part of a file that can be had without waiting for its disk.
    pub(crate) at_hand: u64,
    /// Requests that wait for their answer.
    pub(crate) waiting: Vec<Key>,
    output: Output,
    unread: Vec<u8>,
    told: String,
    block: Block,
}

impl Client {
    /// One that has said nothing yet.
    pub(crate) fn silent() -> Self {
        let limits = Limits { requests_max: 100_000, ..Limits::default() };
        Self {
            http: Connection::new(Box::leak(Box::new(limits)), Moment(1000)),
            now: Moment(1000),
            content: Some(5),
            takes: true,
            at_hand: u64::MAX,
            waiting: Vec::new(),
            output: Output::default(),
            unread: Vec::new(),
            told: String::new(),
            block: Block::default(),
        }
    }

    /// One that has begun as clients do, and knows the server's settings.
    pub(crate) fn new() -> Self {
        let mut client = Self::silent();
        client.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
        assert_eq!(client.told(), "SETTINGS 0 18; SETTINGS+1 0 0");
        client
    }

    /// Sends `bytes`, and has answered what can be.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.unread.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.unread);
        let mut at = 0;
        loop {
            let mut block = std::mem::take(&mut self.block);
            let mut slots = Slots::new();
            let room = (&mut block, &mut slots);
            let (used, event) = self.http.receive(&input[at..], self.now, room, &mut self.output);
            at += used;
            let mut asked = None;
            let mut tell = |text: String| {
                let _ = write!(self.told, "{text}; ");
            };
            match event {
                Event::Incomplete | Event::Closed => break,
                Event::Handled => {}
                Event::Request(key, request, _) => {
                    let (host, path) = (request.host, request.path);
                    tell(format!("{} {host}{path} {:?}", request.method.as_str(), request.length));
                    asked = Some((key, Status::OK));
                }
                Event::Refused(key, refusal) => {
                    tell(format!("refused {}", refusal.status().0));
                    asked = Some((key, refusal.status()));
                }
                Event::Malformed(reason) => tell(format!("malformed: {reason}")),
                Event::Content(key, bytes) => {
                    tell(format!("content {}", bytes.len()));
                    let taken = if self.takes { bytes.len() } else { 0 };
                    self.http.took(key, taken);
                }
                Event::End(_) => tell("end".to_owned()),
                Event::Cut(ended) => tell(format!("cut: {}", ended.reason.unwrap())),
                Event::Broken(fault) => {
                    tell(format!("broken: {}", fault.reason));
                    break;
                }
            }
            self.block = block;
            match (asked, self.content) {
                (Some((key, _)), None) => self.waiting.push(key),
                (Some((key, status)), Some(bytes)) => self.answer(key, status, bytes),
                (None, _) => {}
            }
        }
        self.unread = input[at..].to_vec();
        self
    }

    /// Answers one request.
    pub(crate) fn answer(&mut self, key: Key, status: Status, bytes: usize) {
        let body = Body::Bytes(Shared::from(vec![b'x'; bytes]));
        let prepared = Prepared::new(vec![Line::fixed("etag", "\"1\"")]);
        let mut response = Response::empty(status);
        (response.body, response.prepared) = (body, Some(Rc::new(prepared)));
        let how = (DATE, self.now, false);
        let given = self.http.respond(key, response, how, &mut self.output);
        assert!(!matches!(given, Given::From(_)));
    }

    /// Answers one request by so many bytes of a file.
    pub(crate) fn answer_by_file(&mut self, key: Key, bytes: u64) {
        self.answer_by_paced_file(key, bytes, false);
    }

    /// The same, perhaps at a pace.
    pub(crate) fn answer_by_paced_file(&mut self, key: Key, bytes: u64, is_paced: bool) {
        let descriptor = Arc::new(File::open("/dev/null").unwrap().into());
        let file = Rc::new(OpenFile::new(descriptor, false, 0));
        let body = Body::File(FileRange { file, range: 1000..1000 + bytes });
        let response = Response { body, ..Response::empty(Status::OK) };
        let given = self.http.respond(key, response, (DATE, self.now, is_paced), &mut self.output);
        assert!(matches!(given, Given::Later), "whether it is at hand is not known yet");
    }

    /// What was told since this was last asked: events, and the frames that were sent, each with
    /// its flags, its stream and the length of its payload, or what it says.
    pub(crate) fn told(&mut self) -> String {
        self.http.widen(self.now, &mut self.output);
        let at_hand = self.at_hand;
        self.http.produce(u64::MAX, self.now, &mut |_| at_hand, &mut self.output);
        while let Some(ended) = self.http.next_ended() {
            if let Some(reason) = ended.reason {
                let _ = write!(self.told, "ended: {reason}; ");
            }
        }
        let bytes = self.sent();
        let mut rest = &bytes[..];
        while let Some((head, more)) = rest.split_first_chunk::<9>() {
            let [a, b, c, kind, flags, stream @ ..] = *head;
            let (payload, after) = more.split_at(u32::from_be_bytes([0, a, b, c]) as usize);
            self.tell_frame(kind, flags, u32::from_be_bytes(stream), payload);
            rest = after;
        }
        let told = std::mem::take(&mut self.told);
        told.trim_end_matches("; ").to_owned()
    }

    fn tell_frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let names = [
            "DATA",
            "HEADERS",
            "PRIORITY",
            "RST",
            "SETTINGS",
            "PUSH_PROMISE",
            "PING",
            "GOAWAY",
            "WINDOW",
            "CONTINUATION",
        ];
        let name = names[usize::from(kind)];
        let number = |at: usize| u32::from_be_bytes(*payload[at..].first_chunk().unwrap());
        let flags = if flags == 0 { String::new() } else { format!("+{flags}") };
        let what = match kind {
            HEADERS => {
                let status = payload.iter().find(|&&byte| byte != 0x20).unwrap();
                format!("{status:02x}")
            }
            RST_STREAM | WINDOW_UPDATE => number(0).to_string(),
            GOAWAY => format!("{} {}", number(0), number(4)),
            _ => payload.len().to_string(),
        };
        let _ = write!(self.told, "{name}{flags} {stream} {what}; ");
    }

    /// All bytes of the output, taken off it.
    pub(crate) fn sent(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while !self.output.is_empty() {
            if let Some(FileRange { range, .. }) = self.output.file() {
                let bytes = (range.end - range.start) as usize;
                all.extend(vec![b'F'; bytes]);
                self.output.advance(bytes);
                continue;
            }
            let mut slices = [std::io::IoSlice::new(&[]); 8];
            let (filled, _) = self.output.slices(&mut slices);
            let front: Vec<u8> = slices[..filled].iter().flat_map(|s| s.to_vec()).collect();
            self.output.advance(front.len());
            all.extend(front);
        }
        all
    }

    /// Lets time pass until the deadline, and acts on it.
    pub(crate) fn wait(&mut self) -> (u64, Expiry) {
        let deadline = self.http.deadline(self.now);
        let waited = deadline.since(self.now).as_millis() as u64;
        self.now = self.now.max(deadline);
        (waited, self.http.expire(self.now, &mut self.output))
    }

    pub(crate) fn proceed(&mut self, key: Key) {
        self.http.proceed(key, &mut self.output);
    }

    /// Begins an answer whose content is given piece by piece.
    pub(crate) fn begin(&mut self, key: Key) {
        let response =
            Response { body: Body::Stream(Box::new(Nothing)), ..Response::empty(Status::OK) };
        let how = (DATE, self.now, false);
        let given = self.http.respond(key, response, how, &mut self.output);
        assert!(matches!(given, Given::From(_)));
    }

    /// Ends the content of an answer by a field.
    pub(crate) fn trail(&mut self, key: Key) {
        self.http.trail(key, vec![Line::fixed("x-checksum", "1")]);
    }

    /// Closes its side; whether a disk `has_stalled` meanwhile.
    pub(crate) fn leave(&mut self, has_stalled: bool) {
        self.http.part_at_once(&mut self.output);
        self.http.give_up_waiting(has_stalled, &mut self.output);
    }

    pub(crate) fn part(&mut self) {
        self.http.part(self.now, &mut self.output);
    }
}

/// What a client is told that begins as clients do and then sends `bytes`.
pub(crate) fn check(bytes: &[u8], expect: &str) {
    let mut client = Client::new();
    assert_eq!(client.send(bytes).told(), expect, "{bytes:?}");
}
