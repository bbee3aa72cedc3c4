//! The span of an exchange, by the semantic conventions for HTTP: begun when its answer is, and
//! written down when that is over.

use crate::wire::{bytes, fixed32, fixed64, message, number};
use message::{Method, Name, Request, Status, TraceContext};
use std::net::IpAddr;

/// Bytes of a text at most; the rest of a longer one is left out.
const TEXT_BYTES_MAX: usize = 1024;

/// Where a span stands in the list of those of one scope.
pub(crate) const SPANS: u64 = 2;

/// The fields of a span, and of its parts.
const TRACE_ID: u64 = 1;
const SPAN_ID: u64 = 2;
const TRACE_STATE: u64 = 3;
const PARENT_ID: u64 = 4;
const NAME: u64 = 5;
const KIND: u64 = 6;
const START: u64 = 7;
const END: u64 = 8;
const ATTRIBUTES: u64 = 9;
const EVENTS: u64 = 11;
const STATUS: u64 = 15;
const FLAGS: u64 = 16;

/// It is a server's.
const SERVER: u64 = 2;

/// The exchange has failed.
const ERROR: u64 = 2;

/// The bits of a trace that is sampled, and of a parent that is known to be elsewhere.
const SAMPLED: u32 = 1;
const REMOTE: u32 = 3 << 8;

/// What is said of an exchange whose client has left before its end.
const CUT_OFF: &str = "cut off";

/// What is known of an exchange beside its request.
#[derive(Clone, Copy, Debug)]
pub struct About<'r> {
    /// Whether it came by TLS.
    pub is_tls: bool,
    /// Who has asked.
    pub client: Option<IpAddr>,
    /// Its id.
    pub id: &'r str,
    /// The site, and the key of its route.
    pub of: (&'r str, &'r str),
    /// When it began, in nanoseconds since 1970.
    pub start_ns: u64,
}

/// A span whose end is not known yet.
#[derive(Debug)]
pub struct Begun {
    fields: Vec<u8>,
    start_ns: u64,
}

/// How an exchange has ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// The status that was sent.
    pub status: Status,
    /// Bytes of content that were sent.
    pub bytes: u64,
    /// Microseconds to the first byte, where that was another moment than the end.
    pub first_us: Option<u64>,
    /// Microseconds to the end.
    pub us: u64,
    /// Why it was refused, or cut off.
    pub reason: Option<&'static str>,
    /// Whether the answer ended before its time.
    pub is_cut: bool,
}

impl Begun {
    /// The span of the exchange that `request` begins, which has its place in that trace.
    #[must_use]
    pub fn new(request: &Request<'_>, trace: &TraceContext, about: &About<'_>) -> Self {
        let mut fields = Vec::with_capacity(512);
        let out = &mut fields;
        push_place(out, trace, request);
        let method = match request.method {
            Method::Other("PATCH") => "PATCH",
            Method::Other(name) => {
                text(out, "http.request.method_original", name.as_bytes());
                "_OTHER"
            }
            method => method.as_str(),
        };
        // A key may name methods before its path; what stands for several routes is none.
        let (site, key) = about.of;
        let route = key.find('/').and_then(|at| key.get(at..));
        let verb = if method == "_OTHER" { "HTTP" } else { method };
        bytes(out, NAME, [verb, route.unwrap_or_default()].join(" ").trim_end().as_bytes());
        number(out, KIND, SERVER);
        fixed64(out, START, about.start_ns);
        text(out, "http.request.method", method.as_bytes());
        text(out, "url.path", request.path.as_bytes());
        text(out, "url.scheme", if about.is_tls { b"https" } else { b"http" });
        route.iter().for_each(|route| text(out, "http.route", route.as_bytes()));
        text(out, "server.address", request.host.as_bytes());
        let port = request.port.strip_prefix(':').and_then(|port| port.parse::<u16>().ok());
        port.iter().for_each(|port| count(out, "server.port", u64::from(*port)));
        about.client.iter().for_each(|client| {
            text(out, "client.address", client.to_string().as_bytes());
        });
        let version = request.version.as_str().trim_start_matches("HTTP/");
        text(out, "network.protocol.version", version.trim_end_matches(".0").as_bytes());
        let agent = request.fields.get(Name::UserAgent);
        agent.iter().for_each(|agent| text(out, "user_agent.original", agent));
        text(out, "gannet.site", site.as_bytes());
        text(out, "gannet.request_id", about.id.as_bytes());
        Self { fields, start_ns: about.start_ns }
    }

    /// Appends the span, whole.
    pub fn finish(&self, out: &mut Vec<u8>, end: &End) {
        let End { status, bytes: sent, first_us, us, reason, is_cut } = *end;
        let at = |us: u64| self.start_ns.saturating_add(us.saturating_mul(1_000));
        let left = status == Status::CLIENT_LEFT;
        let fault = match status.0 {
            500.. => Some(status.0.to_string()),
            _ if left || is_cut || reason == Some(CUT_OFF) => Some("cut_off".to_owned()),
            _ => None,
        };
        message(out, SPANS, |out| {
            out.extend_from_slice(&self.fields);
            fixed64(out, END, at(us));
            // It stands for an answer that nobody was sent.
            if !left {
                count(out, "http.response.status_code", u64::from(status.0));
            }
            count(out, "http.response.body.size", sent);
            reason.iter().for_each(|reason| text(out, "gannet.reason", reason.as_bytes()));
            if let Some(first_us) = first_us {
                message(out, EVENTS, |out| {
                    fixed64(out, 1, at(first_us));
                    bytes(out, 2, b"gannet.first_byte");
                });
            }
            if let Some(fault) = fault {
                text(out, "error.type", fault.as_bytes());
                message(out, STATUS, |out| {
                    reason.iter().for_each(|reason| bytes(out, 2, reason.as_bytes()));
                    number(out, 3, ERROR);
                });
            }
        });
    }
}

/// Appends where an exchange stands in its trace.
fn push_place(out: &mut Vec<u8>, trace: &TraceContext, request: &Request<'_>) {
    bytes(out, TRACE_ID, &trace.trace.get().to_be_bytes());
    bytes(out, SPAN_ID, &trace.span.get().to_be_bytes());
    let state = trace.state(&request.fields);
    if !state.is_empty() {
        bytes(out, TRACE_STATE, &state);
    }
    if let Some(parent) = trace.parent {
        bytes(out, PARENT_ID, &parent.get().to_be_bytes());
    }
    fixed32(out, FLAGS, if trace.parent.is_some() { SAMPLED | REMOTE } else { SAMPLED });
}

/// Appends an attribute that is a text. What is no UTF-8 in it is replaced, as a text has to be.
pub(crate) fn text(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let value = value.get(..TEXT_BYTES_MAX).unwrap_or(value);
    let value = String::from_utf8_lossy(value);
    attribute(out, ATTRIBUTES, key, |out| bytes(out, 1, value.as_bytes()));
}

/// Appends an attribute that is a number.
fn count(out: &mut Vec<u8>, key: &str, value: u64) {
    attribute(out, ATTRIBUTES, key, |out| number(out, 3, value));
}

/// Appends an attribute with what `fill` appends as its value.
pub(crate) fn attribute(out: &mut Vec<u8>, field: u64, key: &str, fill: impl FnOnce(&mut Vec<u8>)) {
    message(out, field, |out| {
        bytes(out, 1, key.as_bytes());
        message(out, 2, fill);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Fields, Value};
    use message::{Field, Fields as Lines, Length, Version};
    use std::num::NonZero;

    type Told = (Vec<(u64, Vec<u8>)>, Vec<(String, String)>);

    /// The fields of the span of such an exchange by their numbers, and its attributes as text.
    fn span(method: &str, key: &str, parent: bool, end: &End) -> Told {
        let lines = [
            Field { name: b"User-Agent", value: b"a\xff" },
            Field { name: b"tracestate", value: b"x=1" },
        ];
        let path = "/".repeat(2_000);
        let request = Request {
            version: Version::Http2,
            method: Method::parse(method),
            host: "a.example",
            port: ":8080",
            path: &path,
            query: Some("secret"),
            fields: Lines::of(&lines),
            length: Length::Known(0),
        };
        let trace = TraceContext {
            trace: NonZero::new(0x0102).unwrap(),
            span: NonZero::new(0x03).unwrap(),
            parent: NonZero::new(u64::from(parent)),
            is_sampled: true,
            keeps_state: parent,
        };
        let client = Some("::1".parse().unwrap());
        let of = ("site", key);
        let about = About { is_tls: true, client, id: "id", of, start_ns: 1_000_000 };
        let mut out = Vec::new();
        Begun::new(&request, &trace, &about).finish(&mut out, end);
        let Some((SPANS, Value::Bytes(span))) = Fields::of(&out).next() else {
            panic!("no span");
        };
        let fields: Vec<_> = Fields::of(span)
            .map(|(number, value)| match value {
                Value::Number(value) => (number, value.to_string().into_bytes()),
                Value::Bytes(bytes) => (number, bytes.to_vec()),
            })
            .collect();
        let attributes = fields.iter().filter(|(number, _)| *number == ATTRIBUTES);
        let attributes = attributes.map(|(_, bytes)| {
            let pair: Vec<_> = Fields::of(bytes).collect();
            let [(1, Value::Bytes(key)), (2, Value::Bytes(value))] = pair[..] else {
                panic!("{pair:?}")
            };
            let value = match Fields::of(value).next() {
                Some((1, Value::Bytes(text))) => String::from_utf8(text.to_vec()).unwrap(),
                Some((3, Value::Number(number))) => number.to_string(),
                other => panic!("{other:?}"),
            };
            (String::from_utf8(key.to_vec()).unwrap(), value)
        });
        let attributes = attributes.collect();
        (fields, attributes)
    }

    const GOOD: End =
        End { status: Status::OK, bytes: 7, first_us: None, us: 5, reason: None, is_cut: false };

    #[test]
    fn a_span_says_what_was_asked_and_what_came_of_it() {
        let end = End { first_us: Some(2), ..GOOD };
        let (fields, attributes) = span("PATCH", "PATCH /a/*", true, &end);
        let field = |number| fields.iter().find(|(other, _)| *other == number).map(|(_, v)| &v[..]);
        assert_eq!(field(TRACE_ID), Some(&[&[0; 14][..], &[1, 2]].concat()[..]));
        assert_eq!(
            (field(SPAN_ID), field(PARENT_ID)),
            (Some(&[0, 0, 0, 0, 0, 0, 0, 3][..]), Some(&[0, 0, 0, 0, 0, 0, 0, 1][..]),)
        );
        assert_eq!(
            (field(TRACE_STATE), field(NAME)),
            (Some(&b"x=1"[..]), Some(&b"PATCH /a/*"[..]))
        );
        assert_eq!((field(KIND), field(FLAGS)), (Some(&b"2"[..]), Some(&[1, 3, 0, 0][..])));
        assert_eq!(field(START), Some(&1_000_000u64.to_le_bytes()[..]));
        assert_eq!(field(END), Some(&1_005_000u64.to_le_bytes()[..]));
        assert!(field(EVENTS).is_some() && field(STATUS).is_none());
        let expect = [
            ("http.request.method", "PATCH"),
            ("url.path", &"/".repeat(TEXT_BYTES_MAX)),
            ("url.scheme", "https"),
            ("http.route", "/a/*"),
            ("server.address", "a.example"),
            ("server.port", "8080"),
            ("client.address", "::1"),
            ("network.protocol.version", "2"),
            ("user_agent.original", "a\u{fffd}"),
            ("gannet.site", "site"),
            ("gannet.request_id", "id"),
            ("http.response.status_code", "200"),
            ("http.response.body.size", "7"),
        ];
        let found: Vec<_> = attributes.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn what_failed_says_how() {
        let check = |method, status, reason, expect: [Option<&str>; 4]| {
            let end = End { status: Status(status), reason, ..GOOD };
            let (fields, attributes) = span(method, "(other)", false, &end);
            let value = |key| {
                let found = attributes.iter().find(|(other, _)| other == key);
                found.map(|(_, value)| &**value)
            };
            let keys = ["error.type", "http.response.status_code", "http.request.method_original"];
            let name = fields.iter().find(|(number, _)| *number == NAME);
            let name = str::from_utf8(&name.unwrap().1).ok();
            let [error, code, original] = keys.map(value);
            assert_eq!([error, code, original, name], expect, "{method} {status}");
            let is_error = fields.iter().any(|(number, _)| *number == STATUS);
            assert_eq!(is_error, error.is_some());
            let has_more = |number| fields.iter().any(|(other, _)| *other == number);
            assert!(!has_more(PARENT_ID) && !has_more(TRACE_STATE) && !has_more(EVENTS));
            assert_eq!(value("http.route"), None);
        };
        check("GET", 404, None, [None, Some("404"), None, Some("GET")]);
        check("GET", 502, Some("why"), [Some("502"), Some("502"), None, Some("GET")]);
        check("GET", 499, Some("it left"), [Some("cut_off"), None, None, Some("GET")]);
        check("GET", 200, Some("cut off"), [Some("cut_off"), Some("200"), None, Some("GET")]);
        check("BREW", 200, None, [None, Some("200"), Some("BREW"), Some("HTTP")]);
    }
}
