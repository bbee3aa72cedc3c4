//! A response as every handler makes it and every protocol room sends it.

use crate::{body::Body, status::Status};
use std::{borrow::Cow, fmt, rc::Rc, sync::OnceLock};

/// One field of a response: a lower-case name and a value that is known to hold no CR, LF or NUL.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// The name, in lower case.
    pub name: Cow<'static, str>,
    /// The value. Programs may send bytes that are no UTF-8, which clients get as they are.
    pub value: Cow<'static, [u8]>,
}

impl fmt::Debug for Line {
    /// As it stands in a head, with an escape for each byte that is no ASCII.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value.escape_ascii())
    }
}

/// Fields that were worked out once and are sent many times, already in the form of the wire.
///
/// Protocol rooms add what is theirs: framing, `date`, `connection`, `server`.
#[derive(Debug)]
pub struct Prepared {
    lines: Vec<Line>,
    /// The fields of a 304 come first, so that both forms are one.
    http1: Vec<u8>,
    revalidated_bytes: usize,
    /// The same for HTTP/2, once somebody has asked.
    http2: OnceLock<(Vec<u8>, usize)>,
    /// A bit for each name, so that a name that is not there is mostly known at once.
    names: u64,
}

/// The fields that a 304 repeats of the 200 it stands for (RFC 9110 section 15.4.5).
const REVALIDATED: [&str; 5] = ["cache-control", "content-location", "etag", "expires", "vary"];

impl Prepared {
    /// Writes `lines` down in the form they will be sent in.
    #[must_use]
    pub fn new(mut lines: Vec<Line>) -> Self {
        let is_revalidated = |line: &&Line| REVALIDATED.contains(&&*line.name);
        lines.sort_by_key(|line| !is_revalidated(&line));
        let mut http1 = Vec::with_capacity(lines.iter().map(Line::http1_bytes).sum());
        lines.iter().for_each(|line| line.write_http1(&mut http1));
        let revalidated_bytes =
            lines.iter().take_while(is_revalidated).map(Line::http1_bytes).sum();
        let names = lines.iter().fold(0, |names, line| names | name_bit(&line.name));
        Self { lines, http1, revalidated_bytes, http2: OnceLock::new(), names }
    }

    /// The fields one by one.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The field `name`, given in lower case.
    fn find(&self, name: &str) -> Option<&Line> {
        if self.names & name_bit(name) == 0 {
            return None;
        }
        self.lines.iter().find(|line| line.name == name)
    }

    /// The value of the field `name`, given in lower case, where that is text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).and_then(Line::text)
    }

    /// All fields as HTTP/1 field lines, each ended by CR LF.
    #[must_use]
    pub fn http1(&self) -> &[u8] {
        &self.http1
    }

    /// The fields of a 304 in the same form.
    #[must_use]
    pub fn http1_revalidated(&self) -> &[u8] {
        &self.http1[..self.revalidated_bytes]
    }

    /// All fields in the form that `encode` gives them for HTTP/2, or those of a 304; it is asked
    /// once.
    #[must_use]
    pub fn http2(&self, is_revalidated: bool, encode: fn(&[Line], &mut Vec<u8>)) -> &[u8] {
        let (all, revalidated_bytes) = self.http2.get_or_init(|| {
            let is_revalidated = |line: &&Line| REVALIDATED.contains(&&*line.name);
            let (first, rest) =
                self.lines.split_at(self.lines.iter().take_while(is_revalidated).count());
            let mut out = Vec::with_capacity(self.http1.len());
            encode(first, &mut out);
            let revalidated_bytes = out.len();
            encode(rest, &mut out);
            (out, revalidated_bytes)
        });
        if is_revalidated { &all[..*revalidated_bytes] } else { all }
    }

    /// What these fields hold in memory, in bytes; the second form, which is no longer than the
    /// first, counts though it may not be there.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let lines = self.lines.capacity() * size_of::<Line>();
        let values: usize = self.lines.iter().map(|line| line.value.len()).sum();
        size_of::<Self>() + lines + values + 2 * self.http1.capacity()
    }
}

/// The bit of a field's name; several names share one.
fn name_bit(name: &str) -> u64 {
    let edge = |byte: Option<&u8>| byte.copied().map_or(0, usize::from);
    let (first, last) = (edge(name.as_bytes().first()), edge(name.as_bytes().last()));
    1 << ((name.len() + 5 * first + 11 * last) % 64)
}

impl Line {
    /// A line whose value is one of the program's own words.
    #[must_use]
    pub const fn fixed(name: &'static str, value: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), value: Cow::Borrowed(value.as_bytes()) }
    }

    /// A line with a value made at run time; control characters in it become spaces, so that no
    /// value can end its line (`threats`: response splitting).
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>, value: String) -> Self {
        Self::of_bytes(name, value.into_bytes())
    }

    /// The same, of a value that need not be text.
    #[must_use]
    pub fn of_bytes(name: impl Into<Cow<'static, str>>, mut value: Vec<u8>) -> Self {
        if value.iter().any(u8::is_ascii_control) {
            value.iter_mut().filter(|byte| byte.is_ascii_control()).for_each(|byte| *byte = b' ');
        }
        Self { name: name.into(), value: Cow::Owned(value) }
    }

    /// The value, if it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        str::from_utf8(&self.value).ok()
    }

    /// The length of what [`Line::write_http1`] appends, in bytes.
    fn http1_bytes(&self) -> usize {
        self.name.len() + self.value.len() + b": \r\n".len()
    }

    /// Appends `name: value` and CR LF.
    pub fn write_http1(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(&self.value);
        out.extend_from_slice(b"\r\n");
    }
}

/// Makes the entity-tag among `lines` a weak one, which the forms of one content may share: only a
/// strong one names the bytes (RFC 9110 section 8.8.3). What is no tag goes.
pub fn weaken_tag(lines: &mut Vec<Line>) {
    lines.retain_mut(|line| {
        if line.name != "etag" || line.value.starts_with(b"W/") {
            return true;
        }
        line.value.to_mut().splice(0..0, *b"W/");
        line.value.starts_with(b"W/\"")
    });
}

/// An answer, before a protocol room turns it into bytes.
///
/// Content-Length is never among the fields: protocol rooms write it from the body's length.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: Status,
    /// Fields shared with other responses. A 304 sends only those that RFC 9110 15.4.5 names.
    pub prepared: Option<Rc<Prepared>>,
    /// Fields that the config adds to every answer of a route, a 304 included.
    pub standing: Option<&'static Prepared>,
    /// Fields of this response alone, sent after the prepared ones.
    pub lines: Vec<Line>,
    /// Whether whoever made it has weighed preconditions and ranges itself.
    pub is_settled: bool,
    /// The content. For HEAD it is the one that GET would send; the protocol room leaves it out.
    pub body: Body,
}

impl Response {
    /// A response with neither fields nor content.
    #[must_use]
    pub const fn empty(status: Status) -> Self {
        Self {
            status,
            prepared: None,
            standing: None,
            lines: Vec::new(),
            is_settled: false,
            body: Body::Empty,
        }
    }

    /// Makes prepared fields the response's own, of which single ones can be taken away; of a 304
    /// those that it sends.
    pub fn unprepare(&mut self) {
        if let Some(prepared) = self.prepared.take() {
            let is_sent = |line: &&Line| {
                self.status != Status::NOT_MODIFIED || REVALIDATED.contains(&&*line.name)
            };
            self.lines.splice(0..0, prepared.lines.iter().filter(is_sent).cloned());
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    /// Whether there is a field `name`, given in lower case.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value of the field `name`, given in lower case, where that is text; the response's own
    /// before prepared ones.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).and_then(Line::text)
    }

    fn find(&self, name: &str) -> Option<&Line> {
        let own = self.lines.iter().find(|line| line.name == name);
        let prepared = || self.prepared.as_ref().and_then(|prepared| prepared.find(name));
        own.or_else(prepared).or_else(|| self.standing.and_then(|standing| standing.find(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_end_its_line() {
        let line = Line::new("location", "/a\r\nset-cookie: x".to_owned());
        let mut out = Vec::new();
        line.write_http1(&mut out);
        assert_eq!(out, b"location: /a  set-cookie: x\r\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_sent_as_they_are() {
        let line = Line::of_bytes("location", b"/caf\xe9\r\n".to_vec());
        let mut out = Vec::new();
        line.write_http1(&mut out);
        assert_eq!(out, b"location: /caf\xe9  \r\n");
        let response = Response::empty(Status::OK).with(line);
        assert_eq!((response.has("location"), response.get("location")), (true, None));
    }

    #[test]
    fn a_304_repeats_only_what_caches_need() {
        let prepared = Prepared::new(vec![
            Line::fixed("content-type", "text/html"),
            Line::fixed("etag", "\"1\""),
            Line::fixed("vary", "accept-encoding"),
        ]);
        assert_eq!(prepared.http1_revalidated(), b"etag: \"1\"\r\nvary: accept-encoding\r\n");
        assert_eq!(prepared.get("content-type"), Some("text/html"));
    }
}
