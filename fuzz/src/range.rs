//! Range: what is sent lies inside the content, and is what was asked for.
//!
//! The first line of an input is the content's size, the second the field, the third If-Range.

use crate::text::{latin1, lines};
use content::range::{self, RANGES_MAX, Ranges};
use message::{
    Body, Field, Fields, Length, Method, Part, Prepared, Request, Response, Shared, Status,
    Version, response::Line,
};
use std::{ops::Range, rc::Rc};

/// Pieces of ranges, and numbers at the border of what fits.
pub const TOKENS: &[&str] = &[
    "bytes=",
    "BYTES=",
    "bytes",
    "items=",
    "=",
    "-",
    "0-",
    "-0",
    "-1",
    "0-0",
    "5-2",
    ",",
    ", ",
    "\t",
    " ",
    "+",
    "0x",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "99999999999999999999999",
    "0-,0-,0-,",
    "\n",
    "\"strong\"",
    "W/\"strong\"",
    "Sat, 29 Oct 1994 19:43:31 GMT",
    "\u{661}",
];

const ETAG: &str = "\"strong\"";
const MODIFIED: &str = "Sat, 29 Oct 1994 19:43:31 GMT";

/// The size where an input names none.
const SIZE_DEFAULT: u64 = 10_000;

/// Content is made up to this many bytes.
const CONTENT_BYTES_MAX: u64 = 2_000;

/// Reads the field for content of the size named, and cuts small content by it.
pub fn run(data: &[u8]) {
    let mut lines = lines(data);
    let size = str::from_utf8(lines.next().unwrap_or_default());
    let size = size.ok().and_then(|size| size.parse().ok()).unwrap_or(SIZE_DEFAULT);
    let value = lines.next().unwrap_or_default();
    for size in [size, size.min(CONTENT_BYTES_MAX), 0, u64::MAX] {
        check_ranges(value, size);
    }
    check_answer(value, lines.next(), size.min(CONTENT_BYTES_MAX));
}

fn check_ranges(value: &[u8], size: u64) {
    let parsed = range::parse(value, size);
    if let Some(asked) = slowly(&latin1(value), size) {
        let there: Vec<_> = asked.iter().filter(|range| !range.is_empty()).cloned().collect();
        let total: u128 = there.iter().map(|range| u128::from(range.end - range.start)).sum();
        let expect = match there.is_empty() {
            _ if asked.len() > RANGES_MAX || total > u128::from(size) => Ranges::Whole,
            true => Ranges::Unsatisfiable,
            false => Ranges::Some(there),
        };
        assert_eq!(parsed, expect, "{}, of {size}", value.escape_ascii());
    } else {
        assert_eq!(parsed, Ranges::Whole, "{}, of {size}", value.escape_ascii());
    }
    if let Ranges::Some(ranges) = &parsed {
        assert!(ranges.iter().all(|range| range.start < range.end && range.end <= size));
        let specs = ranges.iter().map(|range| format!("{}-{}", range.start, range.end - 1));
        let again = format!("bytes={}", specs.collect::<Vec<_>>().join(","));
        assert_eq!(range::parse(again.as_bytes(), size), parsed, "written and parsed again");
    }
}

/// Every range of a field that is well formed, cut to the content. Two numbers that are both beyond
/// 64 bits count as one: RFC 9110 section 14.2 lets a server ignore or reject a reversed range.
fn slowly(value: &str, size: u64) -> Option<Vec<Range<u64>>> {
    let (unit, set) = value.split_once('=')?;
    let cut = |position: u64| position.min(size);
    let specs = crate::text::members(set).map(|spec| {
        let (first, last) = spec.split_once('-')?;
        match (first, last) {
            ("", last) => Some(size - cut(number(last)?)..size),
            (first, "") => Some(cut(number(first)?)..size),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then(|| cut(first)..cut(last.saturating_add(1)))
            }
        }
    });
    let specs: Vec<_> = specs.collect::<Option<_>>()?;
    (unit.eq_ignore_ascii_case("bytes") && !specs.is_empty()).then_some(specs)
}

fn number(digits: &str) -> Option<u64> {
    let are_digits = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    are_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// The answer to a request with these fields holds the ranges it was asked for, and says which.
fn check_answer(value: &[u8], if_range: Option<&[u8]>, size: u64) {
    let content: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
    let mut lines = vec![Field { name: b"range", value }];
    lines.extend(if_range.map(|value| Field { name: b"if-range", value }));
    let request = Request {
        version: Version::Http11,
        method: Method::Get,
        host: "a",
        port: "",
        path: "/",
        query: None,
        fields: Fields::of(&lines),
        length: Length::Known(0),
    };
    let prepared = Prepared::new(vec![
        Line::fixed("content-type", "text/plain"),
        Line::fixed("etag", ETAG),
        Line::fixed("last-modified", MODIFIED),
    ]);
    let response = Response {
        prepared: Some(Rc::new(prepared)),
        body: Body::Bytes(Shared::from(content.clone())),
        ..Response::empty(Status::OK)
    };
    let answer = filter::range::apply(&request, response);
    let is_unchanged =
        if_range.is_none_or(|value| value == ETAG.as_bytes() || value == MODIFIED.as_bytes());
    let ranges = match range::parse(value, size) {
        ranges if is_unchanged && size > 0 => ranges,
        _ => Ranges::Whole,
    };
    let sent = sent(&answer.body);
    match (answer.status, ranges) {
        (Status::OK, Ranges::Whole) => assert_eq!(sent, content),
        (Status::RANGE_NOT_SATISFIABLE, Ranges::Unsatisfiable) => {
            assert_eq!(answer.get("content-range"), Some(&*format!("bytes */{size}")));
            assert_eq!(answer.get("etag"), None);
        }
        (Status::PARTIAL_CONTENT, Ranges::Some(ranges)) => match &ranges[..] {
            [range] => {
                assert_eq!(answer.get("content-range"), Some(&*told(range, size)));
                assert_eq!(sent, part(&content, range));
            }
            ranges => check_parts(&answer, &sent, &content, ranges),
        },
        (status, ranges) => panic!("{status} for {ranges:?}"),
    }
}

/// Reads a multipart answer to its last line.
fn check_parts(answer: &Response, sent: &[u8], content: &[u8], ranges: &[Range<u64>]) {
    let kind = answer.get("content-type").unwrap_or_default();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap_or_default();
    assert!(!boundary.is_empty() && answer.get("content-range").is_none());
    let mut rest = [b"\r\n", sent].concat();
    for range in ranges {
        let told = told(range, content.len() as u64);
        let head = format!("\r\n--{boundary}\r\ncontent-type: text/plain\r\ncontent-range: {told}");
        let expect = [head.as_bytes(), b"\r\n\r\n", part(content, range)].concat();
        assert!(rest.starts_with(&expect), "{}", rest.escape_ascii());
        rest.drain(..expect.len());
    }
    assert_eq!(rest, format!("\r\n--{boundary}--\r\n").as_bytes());
}

fn told(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

fn part<'c>(content: &'c [u8], range: &Range<u64>) -> &'c [u8] {
    &content[range.start as usize..range.end as usize]
}

fn sent(body: &Body) -> Vec<u8> {
    match body {
        Body::Bytes(bytes) => bytes.as_slice().to_vec(),
        Body::Parts(parts) => {
            let bytes = parts.iter().map(|part| match part {
                Part::Bytes(bytes) => bytes.as_slice(),
                Part::File(_) => panic!("a file from nowhere"),
            });
            bytes.collect::<Vec<_>>().concat()
        }
        Body::Empty => Vec::new(),
        Body::File(_) | Body::Stream(_) => panic!("another body: {body:?}"),
    }
}
