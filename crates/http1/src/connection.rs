//! One connection, from the accept to its last byte.

use crate::{
    chunked::Chunk,
    content::Content,
    event::{Event, Expiry},
    head::{self, Head},
    refusal::Refusal,
    write::{self, Date29, Framing, Persistence},
};
use base::Moment;
use message::{
    Body, Length, Limits, Method, Output, Request, Response, Shared, Slots, Source, Version,
    body::Part,
    clock::{Clock, Pace, Writing},
    response::Line,
};

/// A server's end of one HTTP/1.1 connection.
#[derive(Debug)]
pub struct Connection {
    limits: &'static Limits,
    clock: Clock,
    input: Input,
    pace: Pace,
    requests: u32,
    /// From then on the next request is the last.
    until: Moment,
    /// Bytes of the head at hand.
    head_bytes: u32,
    answer: Answer,
    version: Version,
    is_head: bool,
    /// The client waits for `100 Continue` before it sends its content.
    expects_continue: bool,
    /// The answer that is due or under way is the last.
    closing: bool,
    /// More may come from the peer after the last answer, and must not destroy it.
    lingers: bool,
}

/// What the bytes that come next are.
#[derive(Clone, Copy, Debug)]
enum Input {
    /// A head, of which `seen` bytes have been looked at in vain; see [`Head::Incomplete`].
    Head { seen: usize, again_at: usize, skipped_line: bool, has_line: bool },
    /// Content.
    Content(Content),
    /// Nobody's, until the request is answered.
    Ended,
    /// Nothing any more.
    Deaf,
}

impl Input {
    const NEXT_HEAD: Self =
        Self::Head { seen: 0, again_at: 0, skipped_line: false, has_line: false };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// There is no request, or its answer has been given.
    None,
    /// It has not begun.
    Due,
    /// It is being streamed.
    Streaming(Framing),
}

impl Connection {
    /// A connection that was accepted `now`.
    #[must_use]
    pub fn new(limits: &'static Limits, now: Moment) -> Self {
        Self {
            limits,
            clock: Clock::new(now),
            input: Input::NEXT_HEAD,
            pace: Pace::NEW,
            requests: 0,
            until: now.after(limits.connection_time),
            head_bytes: 0,
            answer: Answer::None,
            version: Version::Http11,
            is_head: false,
            expects_continue: false,
            closing: false,
            lingers: false,
        }
    }

    /// Reads on in `input`, every unread byte, oldest first: how many of them are used up, and what
    /// they mean. To be called until it says `Incomplete` or `Closed`; that is when waiting begins.
    ///
    /// A next request is never told before the answer to the one before it has been given; content
    /// that is left over then is thrown away unseen.
    #[inline]
    pub fn receive<'b>(
        &mut self,
        input: &'b [u8],
        now: Moment,
        slots: &'b mut Slots<'b>,
    ) -> (usize, Event<'b>) {
        let mut used = 0;
        while let Input::Content(_) = self.input {
            let (count, event) = self.receive_content(&input[used..], now);
            used += count;
            let is_unread = self.answer == Answer::None;
            if !is_unread || !matches!(event, Event::Content(_) | Event::End) {
                return (used, event);
            }
        }
        match self.input {
            Input::Head { .. } => {
                let (count, event) = self.receive_head(&input[used..], now, slots);
                (used + count, event)
            }
            Input::Deaf => (input.len(), Event::Closed),
            _ => (used, Event::Incomplete),
        }
    }

    /// Whether nothing can be told before more bytes come, and waiting for them begins, while none
    /// are unread. It is what [`Connection::receive`] says of no bytes, without room for a head.
    #[inline]
    pub fn waits(&mut self, now: Moment) -> bool {
        let waits = matches!(self.input, Input::Head { .. }) && !self.closing;
        if waits {
            self.clock.wait(now);
        }
        waits
    }

    /// How many bytes the head of the current request has; they are the last of those used up when
    /// it was told.
    #[must_use]
    pub const fn head_bytes(&self) -> usize {
        self.head_bytes as usize
    }

    /// Reads a head again that was told as a request before, for an answer that comes later; `None`
    /// for any other bytes.
    pub fn reread<'b>(&self, head: &'b [u8], slots: &'b mut Slots<'b>) -> Option<Request<'b>> {
        match head::parse(head, self.limits, slots) {
            Ok(Head::Complete { request, .. }) => Some(request),
            Ok(Head::Incomplete { .. }) | Err(_) => None,
        }
    }

    /// Answers the current request, or a refusal. A stream is handed back: its pieces are to be
    /// given to [`Connection::stream`], its end to [`Connection::finish_stream`].
    pub fn respond(
        &mut self,
        response: Response,
        date: &Date29,
        output: &mut Output,
    ) -> Option<Box<dyn Source>> {
        debug_assert!(self.answer == Answer::Due, "nobody asked");
        let framing = match response.body.len() {
            _ if response.status.is_bodiless() => Framing::Bodiless,
            Some(length) => Framing::Length(length),
            None if self.version == Version::Http11 => Framing::Chunked,
            None => Framing::Close,
        };
        let must_close = self.requests >= self.limits.requests_max || !self.can_drain();
        self.lingers |= must_close;
        self.closing |= must_close || framing == Framing::Close;
        let persistence = match self.closing {
            true => Persistence::Close,
            false if self.version == Version::Http10 => Persistence::KeepAlive,
            false => Persistence::Implied,
        };
        write::head(&response, date, framing, persistence, output.bytes());
        let body = response.body;
        if self.is_head || framing == Framing::Bodiless {
            self.answered();
        } else if let Body::Stream(source) = body {
            self.answer = Answer::Streaming(framing);
            return Some(source);
        } else {
            output.push_body(body);
            self.answered();
        }
        None
    }

    /// Asks for the content of the current request, if its client waits for that (RFC 9110 section
    /// 10.1.1).
    pub fn proceed(&mut self, output: &mut Output) {
        if std::mem::take(&mut self.expects_continue) {
            output.bytes().extend_from_slice(write::CONTINUE);
        }
    }

    /// Tells the client what it may fetch while the answer is awaited (RFC 8297). HTTP/1.0 knows no
    /// answer before the answer.
    pub fn hint(&mut self, lines: &[Line], output: &mut Output) {
        if self.answer == Answer::Due && self.version == Version::Http11 {
            write::early_hints(lines, output.bytes());
        }
    }

    /// Adds a piece to the answer that is being streamed.
    pub fn stream(&mut self, piece: Vec<u8>, output: &mut Output) {
        match self.answer {
            Answer::Streaming(Framing::Chunked) => write::chunk(piece, output),
            Answer::Streaming(_) => output.push(Part::Bytes(Shared::from(piece))),
            Answer::None | Answer::Due => {}
        }
    }

    /// Ends the answer that is being streamed.
    pub fn finish_stream(&mut self, output: &mut Output) {
        if let Answer::Streaming(framing) = self.answer {
            if framing == Framing::Chunked {
                output.bytes().extend_from_slice(write::LAST_CHUNK);
            }
            self.answered();
        }
    }

    /// Cuts off the answer that is being streamed: its source is broken. The connection is closing
    /// now, and should be reset, since a client of HTTP/1.0 cannot tell otherwise.
    pub fn abort_stream(&mut self) {
        self.close();
    }

    /// When [`Connection::expire`] is to be called; `NEVER` if there is nothing to wait for.
    #[must_use]
    pub fn deadline(&self) -> Moment {
        let patience = match self.input {
            Input::Head { seen: 0, .. } if self.requests > 0 => self.limits.idle_time,
            Input::Head { .. } => self.limits.head_time,
            Input::Content(_) => self.pace.patience(self.limits),
            Input::Ended | Input::Deaf => self.limits.linger_time,
        };
        self.clock.deadline(patience)
    }

    /// What is to be done `now`, when the deadline may have passed.
    pub fn expire(&mut self, now: Moment) -> Expiry {
        if now < self.deadline() {
            return Expiry::Nothing;
        }
        let refusal = match self.input {
            _ if self.clock.is_blocked() => {
                self.close();
                return Expiry::Reset;
            }
            Input::Head { seen: 1.., .. } => Refusal::HeadTimeout,
            Input::Content(_) if self.answer == Answer::Due => Refusal::ContentTimeout,
            _ => {
                self.close();
                return Expiry::Close;
            }
        };
        self.refuse();
        Expiry::Refuse(refusal)
    }

    /// Takes down how writing the output goes, as of `now`.
    pub fn note(&mut self, writing: Writing, now: Moment) {
        self.clock.note(writing, now, self.limits);
    }

    /// Whether the connection is between two requests, with nothing read and nothing owed; closing
    /// it then harms nobody.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.input, Input::Head { seen: 0, .. }) && !self.clock.is_blocked()
    }

    /// Since when it is idle, if it is.
    #[must_use]
    pub const fn idle_since(&self) -> Moment {
        self.clock.waiting_since()
    }

    /// Since when the rest of a head is owed that has begun to come, and nothing else is under way.
    #[must_use]
    pub fn owes_head_since(&self) -> Option<Moment> {
        match self.input {
            Input::Head { seen: 1.., .. } if !self.clock.is_blocked() => {
                Some(self.clock.waiting_since())
            }
            _ => None,
        }
    }

    /// Waits no longer for the rest of a head, as somebody else needs the place.
    pub fn give_way(&mut self) -> Expiry {
        self.refuse();
        self.lingers = false;
        Expiry::Refuse(Refusal::HeadGaveWay)
    }

    /// The next answer is to be the last, and says so; where no request has come for it, the one
    /// before was.
    pub fn close_after_answer(&mut self) {
        self.closing = true;
        self.lingers = true;
    }

    /// Whether the last answer has been given. When the output is written, the caller closes its
    /// side of the connection and asks [`Connection::linger`] what to do with the other.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.input, Input::Deaf) && self.answer == Answer::None
    }

    /// Whether to go on reading (and throwing away) until the peer closes its side or the deadline
    /// passes: closing at once would destroy the last answer if more bytes come.
    pub fn linger(&mut self, now: Moment) -> bool {
        if self.lingers {
            self.clock.wait(now);
        }
        self.lingers
    }

    fn receive_head<'b>(
        &mut self,
        input: &'b [u8],
        now: Moment,
        slots: &'b mut Slots<'b>,
    ) -> (usize, Event<'b>) {
        let Input::Head { mut seen, again_at, mut skipped_line, mut has_line } = self.input else {
            return (0, Event::Incomplete);
        };
        if self.closing && input.is_empty() && seen == 0 {
            // The last answer could not say that it was the last: nobody knew when its head left.
            self.input = Input::Deaf;
            return (0, Event::Closed);
        }
        // RFC 9112 section 2.2: old clients send an empty line after the content of a POST.
        let mut skipped = 0;
        if !skipped_line && input.starts_with(b"\r\n") {
            (skipped, seen, skipped_line) = (2, 0, true);
        }
        let input = &input[skipped..];
        let is_begun = seen > 0;
        // A request line that is wrong shall be refused when it is there, not when a head has come.
        let ends_line = |from| input.get(from..).is_some_and(|new: &[u8]| new.contains(&b'\n'));
        let is_worth_parsing =
            input.len() >= again_at || (!has_line && ends_line(seen)) || head::has_end(input, seen);
        let parsed = if input.is_empty() || (is_begun && !is_worth_parsing) {
            Ok(Head::Incomplete { again_at })
        } else {
            head::parse(input, self.limits, slots)
        };
        match parsed {
            Ok(Head::Complete { request, bytes, wishes }) => {
                self.head_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
                self.begin(&request, wishes, now);
                (skipped + bytes, Event::Request(request))
            }
            Ok(Head::Incomplete { again_at }) => {
                if !is_begun && !input.is_empty() && self.requests > 0 {
                    self.clock.stop();
                }
                self.clock.wait(now);
                has_line = has_line || ends_line(seen);
                self.input = Input::Head { seen: input.len(), again_at, skipped_line, has_line };
                (skipped, Event::Incomplete)
            }
            Err(refusal) => {
                self.is_head = input.starts_with(b"HEAD ");
                self.refuse();
                (skipped, Event::Refused(refusal))
            }
        }
    }

    fn begin(&mut self, request: &Request<'_>, wishes: head::Wishes, now: Moment) {
        self.requests = self.requests.saturating_add(1);
        if now >= self.until {
            self.close_after_answer();
        }
        self.clock.stop();
        self.pace = Pace::NEW;
        self.answer = Answer::Due;
        self.version = request.version;
        self.is_head = matches!(request.method, Method::Head);
        self.expects_continue = wishes.proceed;
        self.closing |= wishes.close || (request.version == Version::Http10 && !wishes.keep_alive);
        self.input = match request.length {
            Length::Known(0) => Input::Ended,
            length => Input::Content(Content::of(length)),
        };
    }

    fn receive_content<'b>(&mut self, input: &'b [u8], now: Moment) -> (usize, Event<'b>) {
        let Input::Content(content) = &mut self.input else { return (0, Event::Incomplete) };
        let (used, chunk) = content.decode(input, self.limits);
        if used > 0 {
            // Who sends content does not wait to be asked for it.
            self.expects_continue = false;
            self.pace.came(used, self.clock.waited(now));
            self.clock.stop();
        }
        let is_unread = self.answer == Answer::None;
        match chunk {
            _ if is_unread && self.pace.bytes > self.limits.drain_bytes_max => {
                self.close();
                self.lingers = true;
                (input.len(), Event::Closed)
            }
            Ok(Chunk::Content(content)) => (used, Event::Content(content)),
            Ok(Chunk::End) => {
                self.clock.stop();
                self.input = if is_unread { Input::NEXT_HEAD } else { Input::Ended };
                (used, Event::End)
            }
            Ok(Chunk::Incomplete) => {
                if !self.expects_continue {
                    self.clock.wait(now);
                }
                (used, Event::Incomplete)
            }
            Err(refusal) if self.answer == Answer::Due => {
                self.refuse();
                (used, Event::Refused(refusal))
            }
            Err(refusal) => {
                self.input = Input::Deaf;
                self.closing = true;
                self.lingers = true;
                (used, Event::Dropped(refusal))
            }
        }
    }

    /// Whether what is left of the content is little enough to be read and thrown away.
    fn can_drain(&self) -> bool {
        match self.input {
            Input::Head { .. } | Input::Ended => true,
            Input::Content(content) => {
                content.bytes_min() <= self.limits.drain_bytes_max && !self.expects_continue
            }
            Input::Deaf => false,
        }
    }

    /// The answer is complete: on to the next request, or to the end.
    fn answered(&mut self) {
        self.answer = Answer::None;
        self.version = Version::Http11;
        self.is_head = false;
        self.clock.stop();
        let has_ended = matches!(self.input, Input::Ended);
        if self.closing {
            self.lingers |= !has_ended;
            self.input = Input::Deaf;
        } else if has_ended {
            self.input = Input::NEXT_HEAD;
        } else {
            self.pace = Pace::NEW;
        }
    }

    fn refuse(&mut self) {
        self.input = Input::Deaf;
        self.clock.stop();
        self.answer = Answer::Due;
        self.closing = true;
        self.lingers = true;
    }

    fn close(&mut self) {
        self.input = Input::Deaf;
        self.clock.stop();
        self.answer = Answer::None;
        self.closing = true;
    }
}
