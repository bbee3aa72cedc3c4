//! Adjusts an answer that a handler made to the request it answers; one file per adjustment.
//!
//! The order is fixed: content gets its coding first, because its entity-tag depends on that. Then
//! preconditions, because a 304 or a 412 leaves nothing to cut a range out of (RFC 9110 section
//! 13.2.2), then ranges, then a page for whatever has become an error, which is content too, the
//! fields that the config adds and takes away, and at last what pages of other origins may read.

pub mod entity_tag;
pub mod compress;
pub mod conditional;
pub mod range;
pub mod error_page;
mod live;
mod fields;
mod cors;

use config::plan::Adjust;
use control::Row;
use message::{Exchange, Name, Response, Status, fields::Names};

/// The request fields that can change an answer of status 200.
const CONCERNED: Names = Names::of(&[
    Name::IfMatch,
    Name::IfModifiedSince,
    Name::IfNoneMatch,
    Name::IfRange,
    Name::IfUnmodifiedSince,
    Name::Range,
]);

/// What the worker lends for the time of one call.
#[derive(Clone, Copy)]
pub struct Aids<'a> {
    /// What is counted on this loop.
    pub counters: &'a Row,
    /// Makes what has a page listen to the changes of its files, where pages do.
    pub live_script: Option<&'a dyn Fn() -> String>,
}

/// Runs every adjustment that `adjust` and the request ask for; `rest` is what the `*` of the route
/// stands for. What is not asked for costs a branch.
#[inline]
#[must_use]
pub fn apply(
    adjust: &'static Adjust,
    exchange: &Exchange<'_>,
    rest: &[u8],
    mut response: Response,
    aids: Aids<'_>,
) -> Response {
    let request = exchange.request;
    if let Some(script) = aids.live_script {
        // Pages for errors listen, too, so they are made before all else.
        response = error_page::own(&adjust.error_pages, exchange, response, aids.counters);
        response = live::apply(error_page::apply(response), script);
    }
    // What has prepared fields comes from a handler that compresses by itself.
    let compress = |response: &Response| match response.prepared {
        None => adjust.compress.as_ref(),
        Some(_) => None,
    };
    if let Some(compress) = compress(&response) {
        response = compress::apply(compress, request, response);
    }
    if response.status != Status::OK || request.fields.contains_any(CONCERNED) {
        if !response.is_settled {
            response = conditional::apply(request, response);
            if request.fields.contains(Name::Range) {
                response = range::apply(request, response);
            }
        }
        if response.status == Status::NOT_MODIFIED && compress(&response).is_some() {
            response = compress::revalidated(request, response);
        }
        if response.status.0 >= 300 && !response.status.is_bodiless() {
            response = error_page::own(&adjust.error_pages, exchange, response, aids.counters);
            response = error_page::apply(response);
            if let Some(compress) = compress(&response) {
                response = compress::apply(compress, request, response);
            }
        }
    }
    fields::apply(&adjust.fields, exchange, rest, &mut response);
    if let Some(cors) = &adjust.cors {
        response = cors::apply(cors, request, response);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::{Body, Field, Fields, FileRange, Length, Method, OpenFile, Part, Prepared};
    use message::{Request, Shared, Version, response::Line};
    use std::{fs::File, rc::Rc};

    const MODIFIED: &str = "Sat, 29 Oct 1994 19:43:31 GMT";

    fn bytes(text: &str) -> Shared {
        Shared::from(text.as_bytes().to_vec())
    }

    fn file(range: std::ops::Range<u64>) -> FileRange {
        let descriptor = std::sync::Arc::new(File::open("/dev/null").unwrap().into());
        let file = OpenFile::new(descriptor, false, 0);
        FileRange { file: Rc::new(file), range }
    }

    fn page(body: Body) -> Response {
        let prepared = Prepared::new(vec![
            Line::fixed("content-type", "text/plain"),
            Line::fixed("etag", "\"strong\""),
            Line::fixed("last-modified", MODIFIED),
        ]);
        let lines = vec![
            Line::fixed("cache-control", "max-age=60"),
            Line::fixed("content-language", "en"),
            Line::fixed("vary", "accept-encoding"),
        ];
        Response { prepared: Some(Rc::new(prepared)), lines, body, ..Response::empty(Status::OK) }
    }

    fn applied(method: Method<'_>, head: &[(&str, &str)], response: Response) -> Response {
        let lines: Vec<_> = head
            .iter()
            .map(|&(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() })
            .collect();
        let request = Request {
            version: Version::Http11,
            method,
            host: "localhost",
            port: "",
            path: "/",
            query: None,
            fields: Fields::of(&lines),
            length: Length::Known(0),
        };
        let aids = Aids { counters: &Row::default(), live_script: None };
        apply(Box::leak(Box::default()), &Exchange::new(&request, None, 0), b"", response, aids)
    }

    /// The content as text; of files, which bytes they are.
    fn content(response: &Response) -> String {
        let part = |part: &Part| match part {
            Part::Bytes(bytes) => String::from_utf8(bytes.as_slice().to_vec()).unwrap(),
            Part::File(file) => format!("<{}..{}>", file.range.start, file.range.end),
        };
        match &response.body {
            Body::Bytes(bytes) => part(&Part::Bytes(bytes.clone())),
            Body::File(file) => part(&Part::File(file.clone())),
            Body::Parts(parts) => parts.iter().map(part).collect(),
            Body::Empty | Body::Stream(_) => String::new(),
        }
    }

    #[track_caller]
    fn check(method: Method<'_>, head: &[(&str, &str)], expect: (u16, &str)) {
        let response = applied(method, head, page(Body::Bytes(bytes("0123456789"))));
        let seen = if response.status.is_error() { String::new() } else { content(&response) };
        assert_eq!((response.status.0, &*seen), expect, "{method:?} {head:?}");
    }

    #[test]
    fn the_matrix_of_methods_preconditions_and_ranges() {
        use Method::{Get, Head, Post};
        const ALL: (u16, &str) = (200, "0123456789");
        const SOME: (u16, &str) = (206, "234");
        let range = ("range", "bytes=2-4");
        check(Get, &[], ALL);
        check(Get, &[range], SOME);
        check(Get, &[("range", "bytes=10-")], (416, ""));
        check(Get, &[("range", "bytes=x")], ALL);
        check(Get, &[range, range], ALL);
        check(Head, &[range], ALL);
        check(Post, &[range, ("if-none-match", "*")], ALL);
        // A precondition is weighed before the range is cut (RFC 9110 section 13.2.2).
        check(Get, &[range, ("if-none-match", "\"strong\"")], (304, ""));
        check(Head, &[("if-none-match", "\"strong\"")], (304, ""));
        check(Get, &[("range", "bytes=10-"), ("if-match", "\"other\"")], (412, ""));
        check(Get, &[range, ("if-match", "\"strong\"")], SOME);
        check(Get, &[range, ("if-unmodified-since", MODIFIED)], SOME);
        check(Get, &[range, ("if-range", "\"strong\"")], SOME);
        check(Get, &[range, ("if-range", MODIFIED)], SOME);
        check(Get, &[range, ("if-range", "Saturday, 29-Oct-94 19:43:31 GMT")], SOME);
        check(Get, &[range, ("if-range", "Sat Oct 29 19:43:31 1994")], SOME);
        check(Get, &[range, ("if-range", "\"other\"")], ALL);
        check(Get, &[range, ("if-range", "W/\"strong\"")], ALL);
        check(Get, &[range, ("if-range", "\"strong\", \"other\"")], ALL);
        check(Get, &[range, ("if-range", "Sat, 29 Oct 1994 19:43:32 GMT")], ALL);
        check(Get, &[range, ("if-range", "*")], ALL);
        check(Get, &[range, ("if-range", "\"strong\""), ("if-range", "\"strong\"")], ALL);
        check(Get, &[("range", "bytes=10-"), ("if-range", "\"other\"")], ALL);
        check(Get, &[("if-range", "\"other\"")], ALL);
    }

    /// RFC 9110 section 13.1.1: what has no tag is not what was meant by one.
    #[test]
    fn content_without_a_validator_is_there_and_is_nothing_that_was_named() {
        for (precondition, expect) in [
            (("if-match", "\"1\""), 412),
            (("if-match", "*"), 200),
            (("if-none-match", "\"1\""), 200),
            (("if-none-match", "*"), 304),
            (("if-unmodified-since", MODIFIED), 200),
            (("if-modified-since", MODIFIED), 200),
        ] {
            let response =
                Response { body: Body::Bytes(bytes("1")), ..Response::empty(Status::OK) };
            let response = applied(Method::Get, &[precondition], response);
            assert_eq!(response.status.0, expect, "{precondition:?}");
        }
    }

    #[test]
    fn weak_validators_do_not_carry_a_range() {
        for if_range in ["W/\"1\"", "\"1\"", MODIFIED] {
            let response = Response::empty(Status::OK)
                .with(Line::fixed("etag", "W/\"1\""))
                .with(Line::fixed("last-modified", MODIFIED));
            let response = Response { body: Body::Bytes(bytes("0123456789")), ..response };
            let head = [("range", "bytes=2-4"), ("if-range", if_range)];
            assert_eq!(applied(Method::Get, &head, response).status, Status::OK, "{if_range}");
        }
    }

    #[test]
    fn a_refusal_or_304_keeps_only_the_fields_that_still_speak_of_something() {
        let names = |head| {
            let response = applied(Method::Get, &[head], page(Body::Bytes(bytes("0123456789"))));
            let names: Vec<_> = response.lines.iter().map(|line| &*line.name).collect();
            (response.status.0, response.prepared.is_some(), names.join(" "))
        };
        let check = |head, status, prepared, expect: &str| {
            assert_eq!(names(head), (status, prepared, expect.to_owned()), "{head:?}");
        };
        check(("if-none-match", "*"), 304, true, "cache-control vary");
        check(("if-match", "\"\""), 412, false, "vary content-type x-content-type-options");
        check(
            ("range", "bytes=10-"),
            416,
            false,
            "vary content-range content-type x-content-type-options",
        );
        let over =
            applied(Method::Get, &[("range", "bytes=10-")], page(Body::Bytes(bytes("0123"))));
        assert_eq!(over.get("content-range"), Some("bytes */4"));
    }

    #[test]
    fn a_range_is_a_reference_into_every_kind_of_body() {
        let parts = || {
            vec![Part::Bytes(bytes("0123")), Part::File(file(50..53)), Part::Bytes(bytes("789"))]
        };
        let check = |range: &str, body, expect: &str, content_range: &str| {
            let response = applied(Method::Get, &[("range", range)], page(body));
            assert_eq!(content(&response), expect, "{range}");
            assert_eq!(response.get("content-range"), Some(content_range));
            assert_eq!(response.get("content-type"), Some("text/plain"));
        };
        check("bytes=1-3", Body::File(file(100..110)), "<101..104>", "bytes 1-3/10");
        check("bytes=-3", Body::File(file(100..110)), "<107..110>", "bytes 7-9/10");
        check("bytes=3-7", Body::Parts(parts()), "3<50..53>7", "bytes 3-7/10");
        check("bytes=5-5", Body::Parts(parts()), "<51..52>", "bytes 5-5/10");
        check("bytes=-1", Body::Parts(parts()), "9", "bytes 9-9/10");
    }

    #[test]
    fn several_ranges_are_one_multipart() {
        let response = || page(Body::File(file(100..110)));
        let response = applied(Method::Get, &[("range", "bytes=0-1,-2,99-,5-5")], response());
        assert_eq!(response.status, Status::PARTIAL_CONTENT);
        let boundary = response
            .get("content-type")
            .and_then(|value| value.strip_prefix("multipart/byteranges; boundary="))
            .unwrap();
        let part = |range: &str, bytes: &str| {
            let fields = format!("content-type: text/plain\r\ncontent-range: bytes {range}/10");
            format!("--{boundary}\r\n{fields}\r\n\r\n{bytes}\r\n")
        };
        let expect =
            [part("0-1", "<100..102>"), part("8-9", "<108..110>"), part("5-5", "<105..106>")];
        assert_eq!(content(&response), expect.concat() + &format!("--{boundary}--\r\n"));
        assert_eq!(response.get("etag"), Some("\"strong\""));
        assert_eq!(response.get("vary"), Some("accept-encoding"));
        assert_eq!(response.get("content-range"), None);
        let types = response.lines.iter().filter(|line| line.name == "content-type").count();
        assert!(types == 1 && response.prepared.is_none());
    }

    #[test]
    fn nothing_is_cut_from_content_that_is_empty() {
        let response = applied(Method::Get, &[("range", "bytes=0-")], page(Body::Empty));
        assert_eq!(response.status, Status::OK);
    }
}
