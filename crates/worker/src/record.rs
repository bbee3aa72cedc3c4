//! One line of the access log, as JSON or for a person's eyes.

use base::{
    Date,
    text::{push_decimal, push_json, push_printable},
};
use config::plan::LogFormat;
use message::{Name, Request, Status};
use net::clock::Wall;
use std::{io::Write, net::IpAddr};

/// Bytes of a refused message that its log line shows.
const REFUSED_BYTES_MAX: usize = 128;

/// What a line is about.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'r> {
    /// A request.
    Request(&'r Request<'r>),
    /// Bytes that were refused.
    Refused(&'r [u8]),
}

/// What is known of an exchange only when it is over.
pub(crate) struct End {
    /// The status that was sent.
    pub(crate) status: Status,
    /// Bytes of content that were sent.
    pub(crate) bytes: u64,
    /// Microseconds from the read that completed the head to the end of the answer.
    pub(crate) us: u64,
    /// Why a message was refused, or an answer cut off.
    pub(crate) reason: Option<&'static str>,
}

/// The text of the current second, so that it is worked out once.
#[derive(Default)]
pub(crate) struct Clock {
    second: i64,
    /// `2026-11-24T17:00:00`
    text: Vec<u8>,
}

impl Clock {
    fn text(&mut self, second: i64) -> &[u8] {
        if self.text.is_empty() || self.second != second {
            self.second = second;
            self.text.clear();
            // Writing into memory cannot fail.
            let _ = write!(self.text, "{}", Date::of(second));
        }
        &self.text
    }
}

/// Appends the part of the line that is known once the request is.
pub(crate) fn begin(
    out: &mut Vec<u8>,
    format: LogFormat,
    clock: &mut Clock,
    wall: Wall,
    client: IpAddr,
    subject: Subject<'_>,
) {
    let time = clock.text(wall.seconds);
    if format == LogFormat::Pretty {
        out.extend_from_slice(&time[11..]);
        out.push(b' ');
        push_address(out, client);
        out.push(b' ');
        match subject {
            Subject::Request(request) => {
                push_printable(out, request.method.as_str().as_bytes());
                out.push(b' ');
                push_target(out, request, push_printable);
            }
            Subject::Refused(bytes) => push_printable(out, first_line(bytes)),
        }
        return;
    }
    out.extend_from_slice(b"{\"event\":\"request\",\"time\":\"");
    out.extend_from_slice(time);
    let millis = wall.nanos / 1_000_000;
    let digit = |place| b'0' + (millis / place % 10) as u8;
    out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1), b'Z']);
    out.extend_from_slice(b"\",\"client\":\"");
    push_address(out, client);
    match subject {
        Subject::Request(request) => push_request(out, request),
        Subject::Refused(bytes) => {
            push_member(out, b"\",\"refused\":\"", first_line(bytes));
        }
    }
    out.push(b'"');
}

/// Appends the rest of the line, which [`begin`] began.
pub(crate) fn end(out: &mut Vec<u8>, format: LogFormat, end: &End) {
    let is_pretty = format == LogFormat::Pretty;
    let labels: [&[u8]; 3] = if is_pretty {
        [b" ", b" ", b" B "]
    } else {
        [b",\"status\":", b",\"bytes\":", b",\"us\":"]
    };
    for (label, number) in labels.into_iter().zip([u64::from(end.status.0), end.bytes, end.us]) {
        out.extend_from_slice(label);
        push_decimal(out, number);
    }
    if is_pretty {
        out.extend_from_slice(" µs".as_bytes());
        if let Some(reason) = end.reason {
            push_member(out, b" - ", reason.as_bytes());
        }
        out.push(b'\n');
        return;
    }
    if let Some(reason) = end.reason {
        push_member(out, b",\"reason\":\"", reason.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"}\n");
}

fn push_request(out: &mut Vec<u8>, request: &Request<'_>) {
    push_member(out, b"\",\"method\":\"", request.method.as_str().as_bytes());
    push_member(out, b"\",\"host\":\"", request.host.as_bytes());
    out.extend_from_slice(b"\",\"target\":\"");
    push_target(out, request, push_json);
    push_member(out, b"\",\"protocol\":\"", request.version.as_str().as_bytes());
    for (label, name) in
        [(b"\",\"referer\":\"" as &[u8], Name::Referer), (b"\",\"agent\":\"", Name::UserAgent)]
    {
        if let Some(value) = request.fields.get(name) {
            push_member(out, label, value);
        }
    }
}

/// The line that `bytes` begin with, as far as it is shown.
fn first_line(bytes: &[u8]) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(REFUSED_BYTES_MAX)];
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    &bytes[..end.unwrap_or(bytes.len())]
}

fn push_member(out: &mut Vec<u8>, label: &[u8], value: &[u8]) {
    out.extend_from_slice(label);
    push_json(out, value);
}

fn push_target(out: &mut Vec<u8>, request: &Request<'_>, push: fn(&mut Vec<u8>, &[u8])) {
    push(out, request.path.as_bytes());
    if let Some(query) = request.query {
        out.push(b'?');
        push(out, query.as_bytes());
    }
}

/// Appends an address. IPv4, the common case, goes without the formatter.
fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                push_decimal(out, u64::from(octet));
            }
        }
        // Writing into memory cannot fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{Field, Fields, Length, Method, Version};

    fn line(format: LogFormat, fields: &[Field<'_>], reason: Option<&'static str>) -> String {
        let request = Request {
            version: Version::Http11,
            method: Method::Get,
            host: "example.com",
            path: "/a",
            query: Some("b=\"c"),
            fields: Fields::of(fields),
            length: Length::Known(0),
        };
        let mut out = Vec::new();
        let wall = Wall { seconds: 1_795_539_723, nanos: 45_600_000 };
        let client = "127.0.0.1".parse().unwrap();
        begin(&mut out, format, &mut Clock::default(), wall, client, Subject::Request(&request));
        end(&mut out, format, &End { status: Status::OK, bytes: 9, us: 42, reason });
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json() {
        let fields = [Field { name: "User-Agent", value: b"x\x1b[31m\n\"" }];
        assert_eq!(
            line(LogFormat::Json, &fields, None),
            "{\"event\":\"request\",\"time\":\"2026-11-24T17:02:03.045Z\",\"client\":\"127.0.0.1\",\
             \"method\":\"GET\",\"host\":\"example.com\",\"target\":\"/a?b=\\\"c\",\
             \"protocol\":\"HTTP/1.1\",\"agent\":\"x\\u001b[31m\\u000a\\\"\",\
             \"status\":200,\"bytes\":9,\"us\":42}\n"
        );
    }

    #[test]
    fn pretty() {
        assert_eq!(
            line(LogFormat::Pretty, &[], Some("cut off")),
            "17:02:03 127.0.0.1 GET /a?b=\"c 200 9 B 42 µs - cut off\n"
        );
    }

    #[test]
    fn refusals() {
        let wall = Wall { seconds: 1_795_539_723, nanos: 0 };
        let client = "127.0.0.1".parse().unwrap();
        let check = |format, bytes: &[u8], expect: &str| {
            let mut out = Vec::new();
            begin(&mut out, format, &mut Clock::default(), wall, client, Subject::Refused(bytes));
            let line = String::from_utf8(out).unwrap();
            assert!(line.ends_with(expect), "{line}");
        };
        let json = LogFormat::Json;
        check(json, b"GET /\" HTTP/1.1\nX: y", "1\",\"refused\":\"GET /\\\" HTTP/1.1\"");
        check(json, b"", "1\",\"refused\":\"\"");
        check(json, &[b'x'; 999], &format!("\"refused\":\"{}\"", "x".repeat(128)));
        check(LogFormat::Pretty, b"G\x1bT\r\n", "17:02:03 127.0.0.1 G\\x1bT");
    }
}
