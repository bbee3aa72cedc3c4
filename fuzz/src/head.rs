//! A request's head: what is accepted follows the grammar, and can be understood in one way only.

use crate::{limits, text::latin1};
use base::Moment;
use http1::{Connection, Event};
use message::{Fields, Length, Limits, Name, Request, Slots, Version};

/// Pieces of heads, and what they are broken with.
pub const TOKENS: &[&str] = &[
    "GET ",
    "HEAD ",
    "POST ",
    "OPTIONS * ",
    "CONNECT ",
    "http://b",
    "https://b:443/",
    "//",
    "?",
    "#",
    " HTTP/1.1",
    " HTTP/1.0",
    " HTTP/2.0",
    "\r\n",
    "\n",
    "\r",
    "\0",
    "\t",
    "\u{b}",
    "\u{ff}",
    ":",
    " :",
    "Host: a\r\n",
    "Host: ",
    "[::1]",
    "@",
    "Content-Length: ",
    "Transfer-Encoding: chunked\r\n",
    "chunked, ",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "Range: bytes=0-0\r\n",
    "\r\n\r\n",
];

const NOW: Moment = Moment(0);

/// Looks at `data` as the bytes that a connection begins with.
pub fn run(data: &[u8]) {
    for limits in [limits::usual(), limits::tight()] {
        check(data, limits);
    }
}

fn check(data: &[u8], limits: &'static Limits) {
    let mut connection = Connection::new(limits, NOW);
    let mut slots = Slots::new();
    let (used, event) = connection.receive(data, NOW, &mut slots);
    assert!(used <= data.len());
    match event {
        Event::Request(request) => {
            let bytes = connection.head_bytes();
            let head = &data[used - bytes..used];
            assert!(bytes <= limits.head_bytes_max);
            assert!(request.fields.lines().len() <= limits.fields_max);
            assert!(matches!(&data[..used - bytes], b"" | b"\r\n"), "something was skipped");
            check_lines(head, &request);
            check_framing(&request);
            check_index(&request.fields);
            check_again(&connection, head, &request);
        }
        Event::Refused(refusal) => {
            assert!(refusal.status().is_error() && !refusal.reason().is_empty());
            check_refusal_stands(data, limits, &refusal);
            assert!(is_deaf(&mut connection), "a request after a refusal");
        }
        Event::Incomplete => {
            assert!(data.len() - used < limits.head_bytes_max, "waits for what is too long");
        }
        Event::Content(_) | Event::End | Event::Dropped(_) | Event::Closed => {
            panic!("{event:?} before a request");
        }
    }
}

/// Reads the lines by the letter of RFC 9112 and compares all that they say.
fn check_lines(head: &[u8], request: &Request<'_>) {
    let head = latin1(head);
    let Some(lines) = head.strip_suffix("\r\n\r\n") else {
        panic!("the head has another end");
    };
    assert!(!lines.contains('\0'));
    let mut lines = lines.split("\r\n");
    let parts: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, version] = parts[..] else { panic!("not three parts: {parts:?}") };
    assert!(is_token(method) && method != "CONNECT");
    assert_eq!((method, version), (request.method.as_str(), request.version.as_str()));
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    let host = check_target(target, request);

    let mut fields = request.fields.lines().iter();
    for line in lines {
        assert!(!line.contains(['\r', '\n']), "a bare line end: {line:?}");
        let (name, value) = line.split_once(':').unwrap_or_default();
        let value = value.trim_matches([' ', '\t']);
        assert!(is_token(name) && value.chars().all(|c| c == '\t' || !c.is_ascii_control()));
        let field = fields.next().map(|field| (latin1(field.name), latin1(field.value)));
        assert_eq!(field, Some((name.to_owned(), value.to_owned())));
    }
    assert!(fields.next().is_none(), "a field that was not sent");
    let host = host.or_else(|| values(&request.fields, "host").pop()).unwrap_or_default();
    check_host(&host, request.host);
}

/// Compares path and query with the target, and returns the authority of an absolute one.
fn check_target(target: &str, request: &Request<'_>) -> Option<String> {
    let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
    assert!(!request.path.contains('?'));
    let told = format!("{}{query}", request.path);
    if target == told {
        assert!(target.starts_with('/') || (target == "*" && request.method.as_str() == "OPTIONS"));
        return None;
    }
    let (scheme, rest) = target.split_once("://").unwrap_or_default();
    assert!(["http", "https"].contains(&scheme.to_lowercase().as_str()), "{target}");
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let stands_for_all = rest.is_empty() && request.method.as_str() == "OPTIONS";
    let expect = match rest.chars().next() {
        Some('/') => rest.to_owned(),
        _ if stands_for_all => "*".to_owned(),
        _ => format!("/{rest}"),
    };
    assert_eq!(told, expect);
    Some(authority.to_owned())
}

/// The host is the authority but for a port, and nothing in it could lead elsewhere.
fn check_host(authority: &str, host: &str) {
    let port = authority.strip_prefix(host);
    let is_port =
        |port: &str| matches!(port, "" | ":") || port[1..].parse().is_ok_and(|port: u16| port > 0);
    assert!(port.is_some_and(is_port), "{authority:?} {host:?}");
    assert!(!host.contains(['/', '@', '?', '#', '\\', '%', ' ', '"']), "{host:?}");
    assert!(host.is_ascii() && host.contains(':') == host.starts_with('['), "{host:?}");
}

/// The length is told once, and by one field.
fn check_framing(request: &Request<'_>) {
    let told = |name| values(&request.fields, name);
    let (lengths, codings) = (told("content-length"), told("transfer-encoding"));
    assert!(lengths.len() + codings.len() <= 1 && told("host").len() <= 1);
    match (request.length, lengths.first(), codings.first()) {
        (Length::Known(0), None, None) => {}
        (Length::Known(length), Some(digits), None) => {
            assert!(digits.bytes().all(|digit| digit.is_ascii_digit()));
            assert_eq!(digits.parse(), Ok(length));
        }
        (Length::Unknown, None, Some(coding)) => {
            assert!(coding.eq_ignore_ascii_case("chunked") && request.version == Version::Http11);
        }
        other => panic!("{other:?}"),
    }
}

/// The index finds what a search finds.
fn check_index(fields: &Fields<'_>) {
    for line in fields.lines() {
        let Some(name) = Name::parse(line.name) else { continue };
        let all: Vec<String> = fields.all(name).map(latin1).collect();
        assert_eq!(all, values(fields, name.as_str()));
        assert_eq!(fields.get(name).map(latin1), all.first().cloned());
        assert_eq!(fields.is_repeated(name), all.len() > 1);
    }
}

/// The same head means the same a second time, and so does what it is rewritten to.
fn check_again(connection: &Connection, head: &[u8], request: &Request<'_>) {
    let mut slots = Slots::new();
    let again = connection.reread(head, &mut slots);
    let again = again.map(|request| told(&request));
    assert_eq!(again, Some(told(request)), "read again");

    let rewritten = written(request);
    let mut connection = Connection::new(limits::roomy(), NOW);
    let mut slots = Slots::new();
    let (used, event) = connection.receive(&rewritten, NOW, &mut slots);
    let Event::Request(again) = event else { panic!("{event:?}: {}", rewritten.escape_ascii()) };
    assert_eq!((used, told(&again)), (rewritten.len(), told(request)), "rewritten");
}

/// More bytes change nothing of a refusal: otherwise it would depend on how the bytes are cut.
fn check_refusal_stands(data: &[u8], limits: &'static Limits, refusal: &http1::Refusal) {
    let longer = [data, b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let mut connection = Connection::new(limits, NOW);
    let mut slots = Slots::new();
    let (_, event) = connection.receive(&longer, NOW, &mut slots);
    assert!(matches!(&event, Event::Refused(again) if again == refusal), "{refusal:?}, {event:?}");
}

/// Whether even a sound request is thrown away.
pub(crate) fn is_deaf(connection: &mut Connection) -> bool {
    let sound = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut slots = Slots::new();
    let (used, event) = connection.receive(sound, NOW, &mut slots);
    used == sound.len() && matches!(event, Event::Closed)
}

/// All that a request says, its length included.
pub(crate) fn told(request: &Request<'_>) -> String {
    format!("{}{:?}", latin1(&written(request)), request.length)
}

/// A head that says what `request` says.
fn written(request: &Request<'_>) -> Vec<u8> {
    let query = request.query.map(|query| format!("?{query}")).unwrap_or_default();
    let origin = if request.host.is_empty() { "" } else { &format!("http://{}", request.host) };
    let path = if request.path == "*" && !origin.is_empty() { "" } else { request.path };
    let (method, version) = (request.method.as_str(), request.version.as_str());
    let mut bytes = format!("{method} {origin}{path}{query} {version}\r\n").into_bytes();
    for line in request.fields.lines() {
        bytes.extend_from_slice(line.name);
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(line.value);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Every value of a field, found the slow way.
fn values(fields: &Fields<'_>, name: &str) -> Vec<String> {
    let lines =
        fields.lines().iter().filter(|line| line.name.eq_ignore_ascii_case(name.as_bytes()));
    lines.map(|line| latin1(line.value)).collect()
}

fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}
