//! A log line as a template says: what is filled in can end neither its text nor its line.

use super::{About, Clock, End, Subject, first_line, push_client, push_target};
use base::text::{push_decimal, push_quoted};
use config::plan::{Blank, LinePart, LineTemplate};
use message::{Name, Request, RequestId};
use net::clock::Wall;
use std::io::Write;

/// Appends a whole line.
pub(super) fn write(
    out: &mut Vec<u8>,
    template: &LineTemplate,
    (clock, wall): (&mut Clock, Wall),
    about: About<'_>,
    end: &End,
) {
    for part in &template.parts {
        match part {
            LinePart::Literal(text) => out.extend_from_slice(text.as_bytes()),
            LinePart::Blank { blank, is_quoted } => {
                if !push_early(out, *blank, *is_quoted, (clock, wall), about) {
                    push_late(out, *blank, *is_quoted, end);
                }
            }
        }
    }
    out.push(b'\n');
}

/// Appends what is known already, and says where the rest belongs.
pub(super) fn begin(
    out: &mut Vec<u8>,
    template: &LineTemplate,
    (clock, wall): (&mut Clock, Wall),
    about: About<'_>,
) -> Vec<usize> {
    let mut gaps = Vec::new();
    for part in &template.parts {
        match part {
            LinePart::Literal(text) => out.extend_from_slice(text.as_bytes()),
            LinePart::Blank { blank, is_quoted } => {
                if !push_early(out, *blank, *is_quoted, (clock, wall), about) {
                    gaps.push(out.len());
                }
            }
        }
    }
    gaps
}

/// Appends the line that [`begin`] began.
pub(super) fn finish(
    out: &mut Vec<u8>,
    template: &LineTemplate,
    (text, gaps): (&[u8], &[usize]),
    end: &End,
) {
    let late = template.parts.iter().filter_map(|part| match part {
        LinePart::Blank { blank, is_quoted } if is_late(*blank) => Some((*blank, *is_quoted)),
        _ => None,
    });
    let mut from = 0;
    for (&gap, (blank, is_quoted)) in gaps.iter().zip(late) {
        out.extend_from_slice(text.get(from..gap).unwrap_or_default());
        from = gap;
        push_late(out, blank, is_quoted, end);
    }
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    out.push(b'\n');
}

fn is_late(blank: Blank) -> bool {
    matches!(blank, Blank::Status | Blank::Bytes | Blank::Us | Blank::Seconds | Blank::Reason)
}

/// Appends what `blank` stands for; false if that is known only at the end.
fn push_early(
    out: &mut Vec<u8>,
    blank: Blank,
    is_quoted: bool,
    (clock, wall): (&mut Clock, Wall),
    about: About<'_>,
) -> bool {
    let request = match about.subject {
        Subject::Request(request) => Some(request),
        Subject::Hello(_) | Subject::Refused(_) => None,
    };
    let field = |name| request.and_then(|request| request.fields.get(name)).unwrap_or_default();
    let value: &[u8] = match blank {
        Blank::Time => {
            clock.push_time(out, wall);
            return true;
        }
        Blank::TimeCommon => {
            out.extend_from_slice(clock.common(wall.seconds));
            return true;
        }
        Blank::Client => {
            push_client(out, about.client);
            return true;
        }
        Blank::Target | Blank::Request => {
            let push = |out: &mut Vec<u8>, text: &[u8]| push_quoted(out, text, is_quoted);
            match (about.subject, blank) {
                (Subject::Request(request), Blank::Target) => push_target(out, request, push),
                (Subject::Request(request), _) => push_line(out, request, push),
                (Subject::Hello(_), _) | (Subject::Refused(_), Blank::Target) => push(out, b""),
                (Subject::Refused(bytes), _) => push(out, first_line(bytes)),
            }
            return true;
        }
        Blank::Method => request.map_or("", |request| request.method.as_str()).as_bytes(),
        Blank::Host => request.map_or("", |request| request.host).as_bytes(),
        Blank::Path => request.map_or("", |request| request.path).as_bytes(),
        Blank::Query => request.and_then(|request| request.query).unwrap_or("").as_bytes(),
        Blank::Protocol => request.map_or("", |request| request.version.as_str()).as_bytes(),
        Blank::Referer => field(Name::Referer),
        Blank::Agent => field(Name::UserAgent),
        Blank::User => about.user.unwrap_or_default().as_bytes(),
        Blank::ClientCertificate => about.certificate.unwrap_or_default().as_bytes(),
        Blank::TraceId => {
            match about.id.and_then(RequestId::trace) {
                // Writing into memory cannot fail.
                Some(trace) => drop(write!(out, "{:032x}", trace.trace)),
                None => push_quoted(out, b"", is_quoted),
            }
            return true;
        }
        Blank::RequestId => about.id.map(|id| id.as_str().as_bytes()).unwrap_or_default(),
        Blank::Status | Blank::Bytes | Blank::Us | Blank::Seconds | Blank::Reason => return false,
    };
    push_quoted(out, value, is_quoted);
    true
}

/// Appends the request line, as HTTP/1.1 has it (RFC 9112 section 3).
fn push_line(out: &mut Vec<u8>, request: &Request<'_>, push: impl Fn(&mut Vec<u8>, &[u8])) {
    push(out, request.method.as_str().as_bytes());
    push(out, b" ");
    push_target(out, request, &push);
    push(out, b" ");
    push(out, request.version.as_str().as_bytes());
}

fn push_late(out: &mut Vec<u8>, blank: Blank, is_quoted: bool, end: &End) {
    match blank {
        Blank::Status => push_decimal(out, u64::from(end.status.0)),
        Blank::Bytes => push_decimal(out, end.bytes),
        Blank::Us => push_decimal(out, end.us),
        Blank::Seconds => {
            push_decimal(out, end.us / 1_000_000);
            let digit = |place| b'0' + (end.us / place % 10) as u8;
            out.push(b'.');
            out.extend([100_000, 10_000, 1_000, 100, 10, 1].map(digit));
        }
        _ => push_quoted(out, end.reason.unwrap_or_default().as_bytes(), is_quoted),
    }
}
