//! The answer of an application, from its first record to its last.
//!
//! ```text
//!   Head ──empty line──► Content ──END_REQUEST──► Ended
//!   │  └ 103: again      │
//!   └───────── Stderr at any time ───────────┘
//! ```

mod course;

use crate::{
    fault::Fault,
    head::{self, Head},
    limits::Limits,
    record::{FIRST_ID, HEADER_BYTES, Header, VERSION, kind},
};
pub use course::Course;
use message::response::Line;
use std::mem;

/// What the bytes that came mean.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'b> {
    /// Nothing yet: more bytes are needed.
    Incomplete,
    /// What the client may fetch while the answer is awaited.
    Early(Vec<Line>),
    /// The head of the answer.
    Head(Head),
    /// A piece of its content.
    Content(&'b [u8]),
    /// A line of the application's standard error.
    Stderr(Vec<u8>),
    /// The answer is complete. Whatever follows is nobody's.
    End,
}

/// Reads one answer.
#[derive(Debug)]
pub struct Answer {
    id: u16,
    limits: Limits,
    state: State,
    /// The record under way.
    record: Option<Record>,
    /// The last one with content, as it began.
    last: Option<Record>,
    /// Whether a record of this answer has come.
    has_begun: bool,
    /// The head as far as it has come, or what came behind it in the same record.
    head: Vec<u8>,
    early_heads: u32,
    stderr: Vec<u8>,
    /// Bytes of standard error so far.
    stderr_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Content,
    /// The end has come, of which the last line of standard error is to be told first.
    Ending,
    Ended,
}

/// The kind of a record that is about a request before this one, whose answer is complete: nobody
/// wants to know. The specification has none of that number.
const LATE: u8 = 0;

/// What is left of a record.
#[derive(Clone, Copy, Debug)]
struct Record {
    kind: u8,
    content_bytes: usize,
    padding_bytes: usize,
}

impl Answer {
    /// Nothing has been read of the answer to the request of that id.
    #[must_use]
    pub fn new(id: u16, limits: Limits) -> Self {
        let (head, stderr) = (Vec::new(), Vec::new());
        let (state, record, early_heads, stderr_bytes) = (State::Head, None, 0, 0);
        let (last, has_begun) = (None, false);
        Self { id, limits, state, record, last, has_begun, head, early_heads, stderr, stderr_bytes }
    }

    /// Reads on in `input`, every unread byte, oldest first: how many of them are used up, and what
    /// they mean. To be called until it says `Incomplete` or `End`.
    ///
    /// # Errors
    /// What the application has done wrong; the connection is of no use any more.
    pub fn receive<'b>(&mut self, input: &'b [u8]) -> Result<(usize, Event<'b>), Fault> {
        let mut used = 0;
        loop {
            match self.state {
                State::Head | State::Content => {}
                State::Ending => {
                    self.state = State::Ended;
                    if !self.stderr.is_empty() {
                        return Ok((used, Event::Stderr(mem::take(&mut self.stderr))));
                    }
                    continue;
                }
                State::Ended => return Ok((used, Event::End)),
            }
            let rest = &input[used..];
            let Some(record) = &mut self.record else {
                let Some(header) = rest.first_chunk::<HEADER_BYTES>() else {
                    return Ok((used, Event::Incomplete));
                };
                let record = Record::begin(Header::parse(*header), self.id)?;
                self.has_begun |= record.kind != LATE;
                self.record = Some(record);
                self.last = self.record.filter(|record| record.kind == kind::STDOUT).or(self.last);
                used += HEADER_BYTES;
                continue;
            };
            if record.content_bytes == 0 {
                let skipped = record.padding_bytes.min(rest.len());
                record.padding_bytes -= skipped;
                used += skipped;
                if record.padding_bytes > 0 {
                    return Ok((used, Event::Incomplete));
                }
                self.record = None;
                continue;
            }
            if rest.is_empty() || (record.kind == kind::END_REQUEST && rest.len() < 8) {
                return Ok((used, Event::Incomplete));
            }
            let content = &rest[..rest.len().min(record.content_bytes)];
            let (count, event) = match record.kind {
                kind::STDOUT if self.state == State::Content => {
                    (content.len(), Some(Event::Content(content)))
                }
                kind::STDOUT => self.receive_head(content)?,
                kind::STDERR => self.receive_stderr(content),
                LATE => (content.len(), None),
                _ => (self.end(content)?, None),
            };
            if let Some(record) = &mut self.record {
                record.content_bytes -= count;
            }
            used += count;
            if let Some(event) = event {
                return Ok((used, event));
            }
        }
    }

    /// What it means that the application has hung up: nothing behind a whole answer.
    ///
    /// # Errors
    /// The answer is not whole.
    pub fn finish(&self) -> Result<(), Fault> {
        match self.state {
            State::Ended => Ok(()),
            _ => Err(Fault::CutOff),
        }
    }

    /// Whether anything of this answer has come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether the answer is complete, and the next one may come on the same connection: the record
    /// that ended it has no padding that is still to come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let is_whole = |record: &Record| record.content_bytes + record.padding_bytes == 0;
        self.state == State::Ended && self.record.as_ref().is_none_or(is_whole)
    }

    fn receive_head<'b>(&mut self, content: &[u8]) -> Result<(usize, Option<Event<'b>>), Fault> {
        let before = self.head.len();
        let room = self.limits.head_bytes_max.saturating_sub(before);
        let within = &content[..content.len().min(room)];
        // Mostly it comes in one piece, and is read where it lies.
        let head = match before {
            0 => within,
            _ => {
                self.head.extend_from_slice(within);
                &self.head
            }
        };
        let Some(end) = head::end(head, before) else {
            if before == 0 {
                self.head.extend_from_slice(within);
            }
            return match content.len() < room {
                true => Ok((content.len(), None)),
                false => Err(Fault::HeadTooLong),
            };
        };
        let parsed = Head::parse(&head[..end], &self.limits)?;
        self.head = Vec::new();
        if parsed.is_early() {
            self.early_heads += 1;
            return match self.early_heads <= self.limits.early_heads_max {
                true => Ok((end - before, Some(Event::Early(parsed.lines)))),
                false => Err(Fault::TooManyHeads),
            };
        }
        self.state = State::Content;
        Ok((end - before, Some(Event::Head(parsed))))
    }

    /// Takes standard error up to the end of its line.
    fn receive_stderr<'b>(&mut self, content: &[u8]) -> (usize, Option<Event<'b>>) {
        let Limits { stderr_line_bytes_max, stderr_bytes_max, .. } = self.limits;
        if self.stderr_bytes >= stderr_bytes_max {
            return (content.len(), None);
        }
        let room = stderr_line_bytes_max.saturating_sub(self.stderr.len()).max(1);
        let room = room.min(stderr_bytes_max - self.stderr_bytes);
        let line_end = content.iter().position(|&byte| byte == b'\n');
        let count = line_end.map_or(content.len(), |at| at + 1).min(room);
        let is_whole = line_end.is_some_and(|at| at < count);
        self.stderr.extend_from_slice(&content[..count - usize::from(is_whole)]);
        self.stderr_bytes += count;
        let is_due = is_whole
            || self.stderr.len() >= stderr_line_bytes_max
            || self.stderr_bytes >= stderr_bytes_max;
        if !is_due || self.stderr.is_empty() {
            return (count, None);
        }
        (count, Some(Event::Stderr(mem::take(&mut self.stderr))))
    }

    /// Takes the record that ends the answer.
    fn end(&mut self, content: &[u8]) -> Result<usize, Fault> {
        let Some([_, _, _, _, protocol_status, ..]) = content.first_chunk::<8>() else {
            return Err(Fault::EndLength);
        };
        match protocol_status {
            0 if self.state == State::Content => {}
            0 => return Err(Fault::NoHead),
            2 => return Err(Fault::Overloaded),
            _ => return Err(Fault::Refused),
        }
        self.state = State::Ending;
        Ok(content.len())
    }
}

impl Record {
    /// The record that `header` begins, if it can be one of an answer.
    fn begin(header: Header, wanted: u16) -> Result<Self, Fault> {
        let Header { version, kind, id, content_bytes, padding_bytes } = header;
        if version != VERSION {
            return Err(Fault::Version);
        }
        if !matches!(kind, kind::STDOUT | kind::STDERR | kind::END_REQUEST) {
            return Err(Fault::Kind);
        }
        let is_late = (FIRST_ID..wanted).contains(&id);
        if id != wanted && !is_late {
            return Err(Fault::RequestId);
        }
        if kind == kind::END_REQUEST && content_bytes != 8 {
            return Err(Fault::EndLength);
        }
        let kind = if is_late { LATE } else { kind };
        let (content_bytes, padding_bytes) = (content_bytes.into(), padding_bytes.into());
        Ok(Self { kind, content_bytes, padding_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record.
    fn record(kind: u8, content: &[u8], padding: u8) -> Vec<u8> {
        let [high, low] = (content.len() as u16).to_be_bytes();
        let header = [VERSION, kind, 0, 1, high, low, padding, 0];
        [&header, content, &vec![0; usize::from(padding)]].concat()
    }

    fn out(text: &str) -> Vec<u8> {
        record(kind::STDOUT, text.as_bytes(), 3)
    }

    fn end(protocol_status: u8) -> Vec<u8> {
        record(kind::END_REQUEST, &[0, 0, 0, 0, protocol_status, 0, 0, 0], 0)
    }

    /// What is seen of an answer that comes in such pieces, in words; content is put together.
    fn read(pieces: &[&[u8]], limits: Limits) -> Vec<String> {
        let (mut answer, mut seen, mut unread) =
            (Answer::new(FIRST_ID, limits), Vec::new(), Vec::new());
        let mut content = String::new();
        for piece in pieces {
            unread.extend_from_slice(piece);
            let mut at = 0;
            loop {
                let (used, event) = match answer.receive(&unread[at..]) {
                    Ok(event) => event,
                    Err(fault) => {
                        if !content.is_empty() {
                            seen.push(content);
                        }
                        seen.push(format!("{fault:?}"));
                        return seen;
                    }
                };
                at += used;
                match event {
                    Event::Incomplete => break,
                    Event::Content(more) => content.push_str(&String::from_utf8_lossy(more)),
                    Event::Early(lines) => {
                        let lines = lines.iter().map(|line| &*line.name);
                        seen.push(format!("early {}", lines.collect::<String>()));
                    }
                    Event::Head(head) => {
                        let lines = head.lines.iter().map(|line| &*line.name);
                        seen.push(format!("{} {}", head.status.0, lines.collect::<String>()));
                    }
                    Event::Stderr(line) => {
                        seen.push(format!("! {}", String::from_utf8_lossy(&line)));
                    }
                    Event::End => {
                        seen.extend([content, "end".to_owned()]);
                        assert_eq!(answer.finish(), Ok(()));
                        return seen;
                    }
                }
            }
            unread.drain(..at);
        }
        if !content.is_empty() {
            seen.push(content);
        }
        seen.extend(answer.finish().err().map(|fault| format!("{fault:?}")));
        seen
    }

    fn check(records: &[Vec<u8>], expect: &[&str]) {
        assert_eq!(read(&[&records.concat()], Limits::default()), expect);
    }

    #[test]
    fn an_answer() {
        let head = out("Status: 201\r\nA: b\r\n\r\nhel");
        check(&[head, out("lo"), end(0)], &["201 a", "hello", "end"]);
        check(&[out("\r\n"), out(""), end(0), vec![1, 2, 3]], &["200 ", "", "end"]);
        // What pads the last record need not come.
        check(
            &[out("\r\n"), end(0)[..6].to_vec(), [&[9, 0], &end(0)[8..]].concat()],
            &["200 ", "", "end"],
        );
        let early = "Status: 103\r\nLink: </a>\r\n\r\n";
        let hints = out(&format!("{early}Status: 103\nLink: </b>\n\nA: b\r\n\r\nhi"));
        check(
            &[out(early), hints, end(0)],
            &["early link", "early link", "early link", "200 a", "hi", "end"],
        );
        let errors = |text: &str| record(kind::STDERR, text.as_bytes(), 0);
        check(
            &[errors("one\ntw"), out("\n1"), errors("o\n\nthree"), out("2"), end(0)],
            &["! one", "200 ", "! two", "! three", "12", "end"],
        );
    }

    #[test]
    fn the_next_one_may_follow_where_nothing_of_this_one_is_to_come() {
        let is_over = |records: &[Vec<u8>]| {
            let (bytes, mut at) = (records.concat(), 0);
            let mut answer = Answer::new(FIRST_ID, Limits::default());
            loop {
                match answer.receive(&bytes[at..]).unwrap() {
                    (_, Event::End | Event::Incomplete) => return answer.is_over(),
                    (used, _) => at += used,
                }
            }
        };
        assert!(is_over(&[out("\r\n"), end(0)]));
        assert!(is_over(&[out("\r\nx"), record(kind::STDERR, b"x", 7), end(0)]));
        assert!(!is_over(&[out("\r\nx")]));
        assert!(!is_over(&[out("\r\n"), record(kind::END_REQUEST, &[0; 8], 8)]));
    }

    #[test]
    fn whatever_an_application_does_wrong_has_a_name() {
        let head = || out("A: b\r\n\r\nhello");
        let with = |at: usize, byte: u8| {
            let mut record = head();
            record[at] = byte;
            record
        };
        check(&[], &["CutOff"]);
        check(&[out("A: b\r\n")], &["CutOff"]);
        check(&[head()], &["200 a", "hello", "CutOff"]);
        check(&[end(0)], &["NoHead"]);
        check(&[out("A: b\r\nC: d\r\n"), end(0)], &["NoHead"]);
        let early = || out("Status: 103\r\n\r\n");
        check(&[early(), end(0)], &["early ", "NoHead"]);
        let many: Vec<_> = (0..9).map(|_| early()).collect();
        check(&many, &[&["early "; 8][..], &["TooManyHeads"]].concat());
        check(&[end(2)], &["Overloaded"]);
        check(&[end(1)], &["Refused"]);
        check(&[head(), end(3)], &["200 a", "hello", "Refused"]);
        check(&[with(0, b'H')], &["Version"]);
        check(&[with(1, 9)], &["Kind"]);
        check(&[with(1, 5)], &["Kind"]);
        check(&[with(3, 2)], &["RequestId"]);
        check(&[record(kind::END_REQUEST, &[0; 7], 1)], &["EndLength"]);
        check(&[out("Status: 200\r\nX\r\n\r\n")], &["FieldLine"]);
        let long = format!("A: {}\r\n", "x".repeat(60_000));
        check(&[out(&long), out(&long)], &["HeadTooLong"]);
        // A record that claims more than comes.
        check(&[with(4, 0xff)[..20].to_vec()], &["200 a", "hell", "CutOff"]);
    }

    #[test]
    fn what_is_still_said_of_an_earlier_request_is_passed_over() {
        let of = |id: u8, mut record: Vec<u8>| {
            record[3] = id;
            record
        };
        let late = [
            of(1, record(kind::STDERR, b"late\n", 3)),
            of(1, out("A: b\r\n\r\nSECRET")),
            of(1, end(0)),
            of(2, end(1)),
        ];
        let own = [of(3, out("\r\nown")), of(2, out("SECRET")), of(3, end(0))];
        let bytes = [late.concat(), own.concat()].concat();
        let (mut answer, mut at, mut content) = (Answer::new(3, Limits::default()), 0, Vec::new());
        loop {
            let (used, event) = answer.receive(&bytes[at..]).unwrap();
            at += used;
            match event {
                Event::Head(_) => assert!(answer.has_begun()),
                Event::Content(piece) => content.extend_from_slice(piece),
                Event::End => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((&*content, at), (&b"own"[..], bytes.len()));
        let mut answer = Answer::new(3, Limits::default());
        assert_eq!(answer.receive(&late.concat()), Ok((late.concat().len(), Event::Incomplete)));
        assert!(!answer.has_begun());
        // Nobody has asked for these.
        for id in [0, 4] {
            let mut answer = Answer::new(3, Limits::default());
            assert_eq!(answer.receive(&of(id, end(0))), Err(Fault::RequestId));
        }
    }

    #[test]
    fn standard_error_is_told_to_a_limit_and_never_ends_an_answer() {
        let limits = Limits { stderr_line_bytes_max: 4, stderr_bytes_max: 10, ..Limits::default() };
        let errors = record(kind::STDERR, &[b'x'; 60_000], 0);
        let bytes = [errors.clone(), errors, out("\n1"), end(0)].concat();
        let seen = read(&[&bytes], limits);
        assert_eq!(seen, ["! xxxx", "! xxxx", "! xx", "200 ", "1", "end"]);
    }

    proptest! {
        #[test]
        fn an_answer_means_the_same_wherever_it_is_cut(
            cuts in prop::collection::vec(0usize..200, 0..12),
            kinds in prop::collection::vec((0u8..4, "[a:\r\n ]{0,9}", 0u8..9), 0..8),
        ) {
            let mut bytes = Vec::new();
            for (what, text, padding) in kinds {
                let text = text.as_bytes();
                bytes.extend(match what {
                    0 => record(kind::STDERR, text, padding),
                    1 => end(0),
                    2 => out("X: y\n\nz"),
                    _ => record(kind::STDOUT, text, padding),
                });
            }
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            let whole = read(&[&bytes], Limits::default());
            prop_assert_eq!(read(&pieces, Limits::default()), whole);
        }
    }
}
