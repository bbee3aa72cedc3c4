//! A server of one connection for tests: it reads pieces, answers, and writes down what it saw.

use base::Moment;
use http1::{Connection, Event, Expiry};
use message::{Body, Length, Limits, Output, Request, Response, Shared, Slots, Status};

pub(crate) const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

/// When requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// As soon as they come, their content unread.
    AtOnce,
    /// When their content has been read.
    AfterContent,
    /// Never by itself.
    Never,
}

pub(crate) struct Server {
    pub(crate) connection: Connection,
    pub(crate) output: Output,
    pub(crate) now: Moment,
    pub(crate) seen: Vec<String>,
    /// Where in `seen` a message was refused.
    pub(crate) refused_at: Option<usize>,
    answers: Answers,
    unread: Vec<u8>,
}

fn limits(limits: Limits) -> &'static Limits {
    Box::leak(Box::new(limits))
}

impl Server {
    pub(crate) fn new(answers: Answers) -> Self {
        Self::with(answers, Limits::default())
    }

    pub(crate) fn with(answers: Answers, with: Limits) -> Self {
        let now = Moment(1_000_000);
        let connection = Connection::new(limits(with), now);
        Self {
            connection,
            output: Output::default(),
            now,
            seen: vec![],
            refused_at: None,
            answers,
            unread: vec![],
        }
    }

    /// Hands `bytes` over as one read, and everything to be told of them is written down.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        loop {
            let mut slots = Slots::new();
            let (used, event) = self.connection.receive(&self.unread, self.now, &mut slots);
            let (mut is_done, mut is_due) = (false, false);
            match event {
                Event::Incomplete => is_done = true,
                Event::Closed => {
                    is_done = true;
                    if self.seen.last().is_none_or(|last| last != "closed") {
                        self.seen.push("closed".to_owned());
                    }
                }
                Event::Request(request) => {
                    self.seen.push(told(&request));
                    is_due = self.answers == Answers::AtOnce
                        || (self.answers == Answers::AfterContent
                            && request.length == Length::Known(0));
                }
                Event::Content(content) => {
                    assert!(!content.is_empty());
                    let text = String::from_utf8_lossy(content);
                    match self.seen.last_mut().filter(|last| last.starts_with("content ")) {
                        Some(last) => last.push_str(&text),
                        None => self.seen.push(format!("content {text}")),
                    }
                }
                Event::End => {
                    self.seen.push("end".to_owned());
                    is_due = self.answers == Answers::AfterContent;
                }
                Event::Dropped(refusal) => self.seen.push(format!("dropped {refusal:?}")),
                Event::Refused(refusal) => {
                    self.refused_at = Some(self.seen.len());
                    self.seen.push(format!("{} {refusal:?}", refusal.status().0));
                    self.answer(refusal.status(), refusal.reason());
                }
            }
            self.unread.drain(..used);
            if is_due {
                self.answer(Status::OK, "hello");
            }
            if is_done {
                return;
            }
        }
    }

    pub(crate) fn answer(&mut self, status: Status, body: &str) {
        let body = Body::Bytes(Shared::from(body.as_bytes().to_vec()));
        self.respond(Response { body, ..Response::empty(status) });
    }

    pub(crate) fn respond(&mut self, response: Response) {
        let source = self.connection.respond(response, DATE, &mut self.output);
        assert!(source.is_none());
    }

    /// What has been written since the last time.
    pub(crate) fn written(&mut self) -> String {
        assert!(self.output.is_run());
        let written = String::from_utf8_lossy(self.output.run()).into_owned();
        self.output.clear();
        written
    }

    /// Lets time pass to one millisecond before the deadline, where nothing may happen, and to it.
    pub(crate) fn expire(&mut self, expect_ms: u64) -> Expiry {
        assert_eq!(self.connection.deadline(), Moment(self.now.0 + expect_ms));
        self.now.0 += expect_ms - 1;
        assert_eq!(self.connection.expire(self.now), Expiry::Nothing);
        self.now.0 += 1;
        self.connection.expire(self.now)
    }
}

fn told(request: &Request<'_>) -> String {
    let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
    let length = match request.length {
        Length::Known(0) => String::new(),
        Length::Known(length) => format!(" {length}"),
        Length::Unknown => " chunked".to_owned(),
    };
    let (method, host, path) = (request.method.as_str(), request.host, request.path);
    format!("{method} {host} {path}{query}{length}")
}

/// What a server sees that gets `input` in one piece, and its answers.
pub(crate) fn seen(input: &[u8], answers: Answers) -> (Vec<String>, String) {
    let mut server = Server::new(answers);
    server.read(input);
    let written = server.written();
    (server.seen, written)
}
