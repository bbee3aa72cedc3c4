//! One line of the access log: as JSON, for a person's eyes, or as a template says.

mod clock;
mod template;

pub(crate) use clock::Clock;

use crate::account::Account;
use base::Moment;
use base::text::{push_address, push_decimal, push_json, push_printable};
use config::plan::LogFormat;
use message::{Exchange, Name, Request, RequestId, Status};
use net::clock::Wall;
use std::{io::Write, net::IpAddr};

/// Bytes that a line has room for before its room has to grow.
const LINE_BYTES_USUAL: usize = 256;

/// Bytes of a refused message that its log line shows.
const REFUSED_BYTES_MAX: usize = 128;

/// Bytes of a target that a line for eyes shows.
const TARGET_BYTES_SHOWN: usize = 200;

/// What a line is about.
#[derive(Clone, Copy)]
pub(crate) struct About<'r> {
    /// Who asked; `None` on a Unix socket.
    pub(crate) client: Option<IpAddr>,
    /// The id of the exchange, where it has one.
    pub(crate) id: Option<&'r RequestId>,
    /// The user who was let in, where a password was asked for.
    pub(crate) user: Option<&'r str>,
    /// Whom the certificate is of that the client had to show.
    pub(crate) certificate: Option<&'r str>,
    /// What was asked.
    pub(crate) subject: Subject<'r>,
}

impl<'r> About<'r> {
    /// What is known of an exchange.
    pub(crate) fn exchange(exchange: &'r Exchange<'_>) -> Self {
        let Exchange { request, client, id, user, certificate, .. } = exchange;
        let (subject, certificate) = (Subject::Request(request), certificate.as_deref());
        Self { client: *client, id: id.as_ref(), user: user.as_deref(), certificate, subject }
    }

    /// What was asked: method, host, path, the page that led there, without its query, the id, and
    /// the query.
    pub(crate) fn asked(&self) -> [&[u8]; 6] {
        let id = self.id.map_or(&b""[..], |id| id.as_str().as_bytes());
        match self.subject {
            Subject::Request(request) => {
                let referrer = request.fields.get(Name::Referer).unwrap_or_default();
                let end = referrer.iter().position(|byte| matches!(byte, b'?' | b'#'));
                [
                    request.method.as_str().as_bytes(),
                    request.host.as_bytes(),
                    request.path.as_bytes(),
                    &referrer[..end.unwrap_or(referrer.len())],
                    id,
                    request.query.unwrap_or_default().as_bytes(),
                ]
            }
            Subject::Hello(name) => [b"", name.as_bytes(), b"", b"", id, b""],
            Subject::Refused(_) => [b"", b"", b"", b"", id, b""],
        }
    }

    /// The trace that it belongs to; 0 where there is none.
    pub(crate) fn trace(&self) -> u128 {
        self.id.and_then(RequestId::trace).map_or(0, |trace| trace.trace.get())
    }
}

/// What was asked.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'r> {
    /// A request.
    Request(&'r Request<'r>),
    /// The name that TLS was asked for.
    Hello(&'r str),
    /// Bytes that were refused.
    Refused(&'r [u8]),
}

/// Where an answer is told of, to whoever looks at connections.
#[derive(Clone, Copy)]
pub(crate) struct On {
    /// What its connection is called there.
    pub(crate) connection: control::lives::Name,
    /// Its stream; 0 where there are none.
    pub(crate) stream: u32,
    /// When its request was there; zero where nobody will ask, or where it was none.
    pub(crate) began_us: u64,
    /// Whether it came by TLS.
    pub(crate) is_secure: bool,
    /// The port that it came in by, as the config has it.
    pub(crate) port: u16,
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

/// A line whose end is not known yet.
pub(crate) struct Begun {
    text: Vec<u8>,
    /// Where in `text` what is missing belongs, in the order of the template.
    gaps: Vec<usize>,
}

/// The log line of an answer that is not sent yet.
pub(crate) struct Record {
    pub(crate) account: Account,
    /// `None` where there is no line for it.
    pub(crate) line: Option<Begun>,
    pub(crate) status: Status,
    pub(crate) bytes: u64,
    pub(crate) so_far: SoFar,
    pub(crate) began_us: u64,
    /// Whether it was told of that it has begun.
    pub(crate) told: Told,
    /// Its span, if somebody wants it.
    pub(crate) span: Option<otlp::Begun>,
    /// How long its first byte took, in microseconds.
    pub(crate) first_us: u64,
    /// What its line says of how it came about.
    pub(crate) note: Option<&'static str>,
    /// Whether that is why its answer ends before its time.
    pub(crate) is_cut: bool,
}

/// How much of an answer was counted though it goes on.
pub(crate) struct SoFar {
    pub(crate) bytes: u64,
    /// When that was looked at.
    pub(crate) at: Moment,
}

impl SoFar {
    /// Nothing, of one that begins.
    pub(crate) const fn from(at: Moment) -> Self {
        Self { bytes: 0, at }
    }
}

/// Whether an answer that is not over was told of, to whoever looks.
pub(crate) enum Told {
    /// Nobody will ask.
    Never,
    /// It was, there; and is to be again when it is over.
    Begun(control::lives::Begun, Box<Later>),
    /// It is to be where it takes long, or comes to no good end.
    Later(Box<Later>),
}

/// What there is to tell of such an answer.
pub(crate) struct Later {
    pub(crate) on: On,
    pub(crate) client: Option<IpAddr>,
    pub(crate) trace: u128,
    /// What was asked, one text behind the other, and where each ends.
    text: Vec<u8>,
    ends: [usize; 6],
}

impl Later {
    /// Bytes of each text at most; no more are shown.
    const TEXT_BYTES_MAX: usize = 256;

    pub(crate) fn new(on: On, about: About<'_>) -> Self {
        let parts = about.asked().map(|part| &part[..part.len().min(Self::TEXT_BYTES_MAX)]);
        let mut text = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        let ends = parts.map(|part| {
            text.extend_from_slice(part);
            text.len()
        });
        Self { on, client: about.client, trace: about.trace(), text, ends }
    }

    /// What was asked.
    pub(crate) fn asked(&self) -> [&[u8]; 6] {
        let mut start = 0;
        self.ends.map(|end| {
            let part = self.text.get(start..end).unwrap_or_default();
            start = end;
            part
        })
    }
}

/// Appends a whole line.
pub(crate) fn write(
    out: &mut Vec<u8>,
    format: &LogFormat,
    (clock, wall): (&mut Clock, Wall),
    about: About<'_>,
    end: &End,
) {
    match format {
        LogFormat::Json => {
            begin_json(out, clock, wall, about);
            end_json(out, end);
        }
        LogFormat::Pretty => {
            begin_pretty(out, clock, wall, about);
            end_pretty(out, end);
        }
        LogFormat::Template(parts) => template::write(out, parts, (clock, wall), about, end),
        LogFormat::Off => {}
    }
}

impl Begun {
    /// As much of a line as is known once the request is.
    pub(crate) fn new(
        format: &LogFormat,
        (clock, wall): (&mut Clock, Wall),
        about: About<'_>,
    ) -> Self {
        let mut text = Vec::with_capacity(LINE_BYTES_USUAL);
        let mut gaps = Vec::new();
        match format {
            LogFormat::Json => begin_json(&mut text, clock, wall, about),
            LogFormat::Pretty => begin_pretty(&mut text, clock, wall, about),
            LogFormat::Template(parts) => {
                gaps = template::begin(&mut text, parts, (clock, wall), about);
            }
            LogFormat::Off => {}
        }
        Self { text, gaps }
    }

    /// Appends the line, whole.
    pub(crate) fn finish(&self, out: &mut Vec<u8>, format: &LogFormat, end: &End) {
        match format {
            LogFormat::Json => {
                out.extend_from_slice(&self.text);
                end_json(out, end);
            }
            LogFormat::Pretty => {
                out.extend_from_slice(&self.text);
                end_pretty(out, end);
            }
            LogFormat::Template(parts) => {
                template::finish(out, parts, (&self.text, &self.gaps), end);
            }
            LogFormat::Off => {}
        }
    }
}

fn begin_pretty(out: &mut Vec<u8>, clock: &mut Clock, wall: Wall, about: About<'_>) {
    out.extend_from_slice(clock.time_of_day(wall.seconds));
    out.push(b' ');
    push_brief(out, about);
}

/// Appends who asked what, for eyes.
pub(crate) fn push_brief(out: &mut Vec<u8>, about: About<'_>) {
    push_client(out, about.client);
    if let Some(user) = about.user {
        out.push(b' ');
        push_printable(out, user.as_bytes());
    }
    match about.subject {
        Subject::Request(request) => {
            out.push(b' ');
            push_printable(out, request.method.as_str().as_bytes());
            out.push(b' ');
            push_target_shown(out, request);
        }
        Subject::Hello(name) => {
            out.extend_from_slice(b" TLS for ");
            push_printable(out, name.as_bytes());
        }
        Subject::Refused(b"") => {}
        Subject::Refused(bytes) => {
            out.push(b' ');
            push_printable(out, first_line(bytes));
        }
    }
}

/// Appends the target for eyes, which a long one would fill.
fn push_target_shown(out: &mut Vec<u8>, request: &Request<'_>) {
    let start = out.len();
    push_target(out, request, push_printable);
    if out.len() - start > TARGET_BYTES_SHOWN {
        out.truncate(start + TARGET_BYTES_SHOWN);
        out.extend_from_slice("…".as_bytes());
    }
}

fn end_pretty(out: &mut Vec<u8>, end: &End) {
    for (number, unit) in [(u64::from(end.status.0), ""), (end.bytes, " B ")] {
        out.push(b' ');
        push_decimal(out, number);
        out.extend_from_slice(unit.as_bytes());
    }
    push_time(out, end.us);
    if let Some(reason) = end.reason {
        out.extend_from_slice(b" - ");
        push_printable(out, reason.as_bytes());
    }
    out.push(b'\n');
}

/// Appends a time in the unit that is read at a glance.
fn push_time(out: &mut Vec<u8>, us: u64) {
    // Writing into memory cannot fail.
    let _ = match us {
        ..1000 => write!(out, "{us} µs"),
        1000..10_000 => write!(out, "{:.1} ms", us as f64 / 1e3),
        10_000..1_000_000 => write!(out, "{} ms", us / 1000),
        _ => write!(out, "{:.1} s", us as f64 / 1e6),
    };
}

fn begin_json(out: &mut Vec<u8>, clock: &mut Clock, wall: Wall, about: About<'_>) {
    out.extend_from_slice(b"{\"event\":\"request\",\"time\":\"");
    clock.push_time(out, wall);
    push_about(out, about);
}

/// Appends the members that say who asked what, from the end of the one before on.
pub(crate) fn push_about(out: &mut Vec<u8>, about: About<'_>) {
    out.extend_from_slice(b"\",\"client\":\"");
    push_client(out, about.client);
    if let Some(id) = about.id {
        push_member(out, b"\",\"request_id\":\"", id.as_str().as_bytes());
        if let Some(trace) = id.trace() {
            // Writing into memory cannot fail.
            let _ = write!(out, "\",\"trace_id\":\"{:032x}", trace.trace);
            let _ = write!(out, "\",\"span_id\":\"{:016x}", trace.span);
        }
    }
    if let Some(user) = about.user {
        push_member(out, b"\",\"user\":\"", user.as_bytes());
    }
    if let Some(certificate) = about.certificate {
        push_member(out, b"\",\"client_certificate\":\"", certificate.as_bytes());
    }
    match about.subject {
        Subject::Request(request) => push_request(out, request),
        Subject::Hello(name) => push_member(out, b"\",\"host\":\"", name.as_bytes()),
        Subject::Refused(bytes) => push_member(out, b"\",\"refused\":\"", first_line(bytes)),
    }
    out.push(b'"');
}

fn end_json(out: &mut Vec<u8>, end: &End) {
    let numbers = [u64::from(end.status.0), end.bytes, end.us];
    let labels: [&[u8]; 3] = [b",\"status\":", b",\"bytes\":", b",\"us\":"];
    for (label, number) in labels.into_iter().zip(numbers) {
        out.extend_from_slice(label);
        push_decimal(out, number);
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

pub(crate) fn push_member(out: &mut Vec<u8>, label: &[u8], value: &[u8]) {
    out.extend_from_slice(label);
    push_json(out, value);
}

fn push_target(out: &mut Vec<u8>, request: &Request<'_>, push: impl Fn(&mut Vec<u8>, &[u8])) {
    push(out, request.path.as_bytes());
    if let Some(query) = request.query {
        out.push(b'?');
        if !query.is_empty() {
            push(out, query.as_bytes());
        }
    }
}

/// Appends the client's address.
fn push_client(out: &mut Vec<u8>, client: Option<IpAddr>) {
    match client {
        Some(address) => push_address(out, address.to_canonical()),
        None => out.extend_from_slice(b"unix"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::plan::LineTemplate;
    use message::{Field, Fields, Length, Method, Version};

    const WALL: Wall = Wall { seconds: 1_795_539_723, nanos: 45_600_000 };

    fn template(text: &str) -> LogFormat {
        LogFormat::Template(LineTemplate::parse(text).unwrap())
    }

    /// The line of a request with these fields, which is the same in one step and in two.
    fn line(format: &LogFormat, fields: &[Field<'_>], reason: Option<&'static str>) -> String {
        line_of("/a", format, fields, reason)
    }

    fn line_of(
        path: &str,
        format: &LogFormat,
        fields: &[Field<'_>],
        reason: Option<&'static str>,
    ) -> String {
        let request = Request {
            version: Version::Http11,
            method: Method::Get,
            host: "example.com",
            port: "",
            path,
            query: Some("b=\"c"),
            fields: Fields::of(fields),
            length: Length::Known(0),
        };
        let id = fields.is_empty().then(|| RequestId::of(0xbeef));
        let client = Some("127.0.0.1".parse().unwrap());
        let user = fields.is_empty().then_some("b\u{f6}b \"");
        let certificate = fields.is_empty().then_some("CN=a\\,b \u{f6}");
        let subject = Subject::Request(&request);
        let about = About { client, id: id.as_ref(), user, certificate, subject };
        lines(format, about, reason)
    }

    fn lines(format: &LogFormat, about: About<'_>, reason: Option<&'static str>) -> String {
        let end = End { status: Status::OK, bytes: 9, us: 1_000_042, reason };
        let mut clock = Clock::default();
        let mut out = Vec::new();
        write(&mut out, format, (&mut clock, WALL), about, &end);
        let begun = Begun::new(format, (&mut clock, WALL), about);
        let mut again = Vec::new();
        begun.finish(&mut again, format, &end);
        assert_eq!(out, again, "one step and two");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json() {
        let fields = [Field { name: b"User-Agent", value: b"x\x1b[31m\n\"" }];
        assert_eq!(
            line(&LogFormat::Json, &fields, None),
            "{\"event\":\"request\",\"time\":\"2026-11-24T17:02:03.045Z\",\"client\":\"127.0.0.1\",\
             \"method\":\"GET\",\"host\":\"example.com\",\"target\":\"/a?b=\\\"c\",\
             \"protocol\":\"HTTP/1.1\",\"agent\":\"x\\u001b[31m\\u000a\\\"\",\
             \"status\":200,\"bytes\":9,\"us\":1000042}\n"
        );
        let who = "\"request_id\":\"0000000000000000000000000000beef\",\"user\":\"b\\u00f6b \\\"\",\
             \"client_certificate\":\"CN=a\\\\,b \\u00f6\",";
        assert!(line(&LogFormat::Json, &[], None).contains(who));
    }

    #[test]
    fn pretty() {
        assert_eq!(
            line(&LogFormat::Pretty, &[], Some("cut off")),
            "17:02:03 127.0.0.1 b\\xc3\\xb6b \" GET /a?b=\"c 200 9 B 1.0 s - cut off\n"
        );
    }

    /// A line for eyes stays one; other lines are for programs, and whole.
    #[test]
    fn long_targets() {
        for (bytes, is_whole) in [(195, true), (196, false), (7_000, false)] {
            let path = "/".repeat(bytes);
            let fields = [Field { name: b"A", value: b"" }];
            let pretty = line_of(&path, &LogFormat::Pretty, &fields, None);
            let target = format!("{path}?b=\"c");
            let shown = if is_whole { target.clone() } else { format!("{}…", &target[..200]) };
            assert_eq!(pretty, format!("17:02:03 127.0.0.1 GET {shown} 200 9 B 1.0 s\n"));
            assert!(line_of(&path, &LogFormat::Json, &fields, None).contains(&path));
        }
    }

    #[test]
    fn times_are_for_eyes() {
        for (us, expect) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1000, "1.0 ms"),
            (9_900, "9.9 ms"),
            (426_663, "426 ms"),
            (3_002_110, "3.0 s"),
        ] {
            let mut out = Vec::new();
            push_time(&mut out, us);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        }
    }

    #[test]
    fn templates() {
        let fields = [
            Field { name: b"User-Agent", value: b"a \"b\" \\\x1b[31m\n\xff" },
            Field { name: b"Referer", value: b"http://a b/" },
        ];
        let check = |text: &str, fields: &[Field<'_>], expect: &str| {
            assert_eq!(line(&template(text), fields, None), format!("{expect}\n"), "{text}");
        };
        let combined = "{client} - {user} [{time-common}] \"{request}\" {status} {bytes} \
                        \"{referer}\" \"{agent}\"";
        let start = |user: &str| {
            let time = "24/Nov/2026:17:02:03 +0000";
            format!("127.0.0.1 - {user} [{time}] \"GET /a?b=\\x22c HTTP/1.1\" 200 9")
        };
        let agent = "a \\x22b\\x22 \\x5C\\x1B[31m\\x0A\\xFF";
        check(combined, &fields, &format!("{} \"http://a b/\" \"{agent}\"", start("-")));
        check(combined, &[], &format!("{} \"-\" \"-\"", start("b\\xC3\\xB6b\\x20\\x22")));
        check("{bytes}{{{status}}}", &[], "9{200}");
        check(
            "{agent} {referer}",
            &fields,
            &format!("{} http://a\\x20b/", agent.replace(' ', "\\x20")),
        );
        check(
            "{method} {host} {path} {query} {target}",
            &[],
            "GET example.com /a b=\\x22c /a?b=\\x22c",
        );
        check("{protocol} {us} {seconds} {reason}", &[], "HTTP/1.1 1000042 1.000042 -");
        check(
            "{request-id} {time}",
            &[],
            "0000000000000000000000000000beef 2026-11-24T17:02:03.045Z",
        );
        check(
            "{client-certificate} \"{client-certificate}\"",
            &[],
            "CN=a\\x5C,b\\x20\\xC3\\xB6 \"CN=a\\x5C,b \\xC3\\xB6\"",
        );
        check("{client-certificate}", &fields, "-");
        check("{request-id}", &fields, "-");
        check("nothing", &[], "nothing");
        assert_eq!(line(&template("{reason}"), &[], Some("cut off")), "cut\\x20off\n");
    }

    #[test]
    fn refusals() {
        let check = |format: &LogFormat, bytes: &[u8], expect: &str| {
            let subject = Subject::Refused(bytes);
            let about = About { client: None, id: None, user: None, certificate: None, subject };
            let line = lines(format, about, None);
            assert!(line.contains(expect), "{line}");
        };
        let json = &LogFormat::Json;
        check(json, b"GET /\" HTTP/1.1\nX: y", "\"unix\",\"refused\":\"GET /\\\" HTTP/1.1\"");
        check(json, b"", "\"unix\",\"refused\":\"\"");
        check(json, &[b'x'; 999], &format!("\"refused\":\"{}\"", "x".repeat(128)));
        check(&LogFormat::Pretty, b"G\x1bT\r\n", "17:02:03 unix G\\x1bT");
        let format = template("{client} \"{request}\" {method} {path} {target} {host} {status}");
        check(&format, b"G\x1bT /\r\n", "unix \"G\\x1BT /\" - - - - 200\n");
        check(&format, b"", "unix \"-\" - - - - 200\n");
    }
}
