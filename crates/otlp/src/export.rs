//! What is sent to a collector, and what its answer means.

use crate::{
    span::{SPANS, attribute},
    wire::{Fields, Value, bytes, message},
};

/// The version that is said of ourselves.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What becomes of spans that were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The collector has them, but for so many; it may say why.
    Taken(u64, String),
    /// It wants them to be sent once more.
    Later,
    /// It will never take them.
    Refused,
}

/// The request (`ExportTraceServiceRequest`) that has `spans` sent, which are those of a `service`
/// on that `host`.
#[must_use]
pub fn request(service: &str, host: &str, spans: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(spans.len() + 256);
    message(&mut out, 1, |out| {
        message(out, 1, |out| {
            for (key, value) in [("service.name", service), ("host.name", host)] {
                attribute(out, 1, key, |out| bytes(out, 1, value.as_bytes()));
            }
        });
        message(out, 2, |out| {
            message(out, 1, |out| {
                bytes(out, 1, b"gannet");
                bytes(out, 2, VERSION.as_bytes());
            });
            out.extend_from_slice(spans);
        });
    });
    out
}

/// How many whole spans are at the beginning of `spans`, and in how many bytes: in as many as
/// `bytes_max`, or in more where already the first one takes that.
#[must_use]
pub fn whole(spans: &[u8], bytes_max: usize) -> (u64, usize) {
    let (mut count, mut end) = (0, 0);
    let mut fields = Fields::of(spans);
    while let Some((SPANS, Value::Bytes(_))) = fields.next() {
        let next = spans.len() - fields.left();
        if count > 0 && next > bytes_max {
            break;
        }
        (count, end) = (count + 1, next);
    }
    (count, end)
}

/// What a collector's answer to spans means, by the specification of OTLP/HTTP: its status, and the
/// `ExportTraceServiceResponse` that is its content where it has taken some.
#[must_use]
pub fn answer(status: u16, content: &[u8]) -> Answer {
    let inside = |content, field| {
        let value = Fields::of(content).find(|(number, _)| *number == field);
        value.map(|(_, value)| value)
    };
    match status {
        200..300 => {
            let Some(Value::Bytes(partial)) = inside(content, 1) else {
                return Answer::Taken(0, String::new());
            };
            let rejected = match inside(partial, 1) {
                Some(Value::Number(rejected)) => rejected,
                _ => 0,
            };
            let why = match inside(partial, 2) {
                Some(Value::Bytes(text)) => String::from_utf8_lossy(text).into_owned(),
                _ => String::new(),
            };
            Answer::Taken(rejected, why)
        }
        429 | 502 | 503 | 504 => Answer::Later,
        _ => Answer::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        bytes(&mut out, SPANS, &vec![0; length]);
        out
    }

    #[test]
    fn spans_are_cut_between_two_of_them() {
        let spans = [span(10), span(20), span(30)].concat();
        for (bytes_max, expect) in
            [(0, (1, 12)), (33, (1, 12)), (34, (2, 34)), (65, (2, 34)), (66, (3, 66))]
        {
            assert_eq!(whole(&spans, bytes_max), expect, "{bytes_max}");
        }
        assert_eq!(whole(&spans[..50], usize::MAX), (2, 34));
        assert_eq!(whole(&[span(10), b"\x08\x01".to_vec()].concat(), usize::MAX), (1, 12));
        assert_eq!(whole(b"", usize::MAX), (0, 0));
    }

    #[test]
    fn an_answer_means_what_its_status_says() {
        for status in [429, 502, 503, 504] {
            assert_eq!(answer(status, b"anything"), Answer::Later, "{status}");
        }
        for status in [301, 400, 401, 404, 413, 500, 501, 505] {
            assert_eq!(answer(status, b""), Answer::Refused, "{status}");
        }
        let mut partial = Vec::new();
        message(&mut partial, 1, |out| {
            crate::wire::number(out, 1, 3);
            bytes(out, 2, b"too old");
        });
        assert_eq!(answer(200, &partial), Answer::Taken(3, "too old".to_owned()));
        for content in [&b""[..], b"\x0a\0", b"ok", b"\x0a\xff", &[0xff; 20]] {
            assert_eq!(answer(200, content), Answer::Taken(0, String::new()));
        }
    }
}
