//! Parts of the content: one range, several, or none that there is (RFC 9110 section 14).

use crate::{conditional::refusal, entity_tag::EntityTag};
use base::text;
use message::{Body, Method, Name, Part, Request, Response, Shared, Status, date, response::Line};
use std::ops::Range;

/// Ranges that one request may ask for; more, and it gets the whole content. Nobody needs as many,
/// and each costs a head of its own.
pub const RANGES_MAX: usize = 16;

/// What a Range field comes to for content of a certain size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// The whole content, as if the field were not there.
    Whole,
    /// These bytes, in the order they were asked for; none is empty, all lie inside the content.
    Some(Vec<Range<u64>>),
    /// It asks only for bytes that are not there.
    Unsatisfiable,
}

/// Turns a 200 to GET into the 206 or 416 that its Range field asks for (for HEAD the field has no
/// meaning). Content of unknown length is sent whole, and so is content of none: no Content-Range
/// can speak of it.
#[must_use]
pub fn apply(request: &Request<'_>, response: Response) -> Response {
    let fields = &request.fields;
    let Some(value) = fields.get(Name::Range) else { return response };
    let Some(size) = response.body.len().filter(|&size| size > 0) else { return response };
    let is_meant = request.method == Method::Get
        && response.status == Status::OK
        && !fields.is_repeated(Name::Range)
        && is_unchanged(request, &response);
    if !is_meant {
        return response;
    }
    match parse(value, size) {
        Ranges::Whole => response,
        Ranges::Some(ranges) => match ranges.as_slice() {
            [range] => single(range.clone(), size, response),
            ranges => multipart(ranges, size, response),
        },
        Ranges::Unsatisfiable => refusal(Status::RANGE_NOT_SATISFIABLE, response)
            .with(Line::new("content-range", format!("bytes */{size}"))),
    }
}

/// Reads a Range field for content of `size` bytes.
///
/// A field that is malformed, of another unit than bytes, or abusive is ignored, as RFC 9110
/// section 14.2 allows: abusive are more than [`RANGES_MAX`] ranges and ranges that amount to more
/// than the content itself, which they can only by overlapping.
#[must_use]
pub fn parse(value: &[u8], size: u64) -> Ranges {
    let field = str::from_utf8(value).ok().and_then(|value| value.split_once('='));
    let Some((_, set)) = field.filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes")) else {
        return Ranges::Whole;
    };
    let mut ranges = Vec::new();
    let (mut count, mut left) = (0, size);
    for member in set.split(',') {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        let Some(range) = spec(member, size) else { return Ranges::Whole };
        let Some(rest) = left.checked_sub(range.end - range.start) else { return Ranges::Whole };
        left = rest;
        count += 1;
        if count > RANGES_MAX {
            return Ranges::Whole;
        }
        if !range.is_empty() {
            ranges.push(range);
        }
    }
    match (count, ranges.is_empty()) {
        (0, _) => Ranges::Whole,
        (_, true) => Ranges::Unsatisfiable,
        _ => Ranges::Some(ranges),
    }
}

/// One range of a set, cut to the content; empty if nothing is left, `None` if it is malformed.
fn spec(member: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = member.split_once('-')?;
    if first.is_empty() {
        return Some(size.saturating_sub(position(last)?)..size);
    }
    let first = position(first)?;
    if last.is_empty() {
        return Some(first.min(size)..size);
    }
    let last = position(last)?;
    (first <= last).then(|| first.min(size)..last.saturating_add(1).min(size))
}

/// A decimal number; one too large for 64 bits lies behind the end of every content, so the
/// largest stands for it.
fn position(digits: &str) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0u64, |number, digit| {
        let value = u64::from(digit.to_digit(10)?);
        Some(number.saturating_mul(10).saturating_add(value))
    })
}

/// Whether the content is still the one that the client has the rest of (RFC 9110 section 13.1.5);
/// true where it does not ask.
///
/// Only strong validators count. A date is one when the content has not changed twice within its
/// second; a handler that cannot rule that out marks its entity tag weak, so the tag tells.
fn is_unchanged(request: &Request<'_>, response: &Response) -> bool {
    let Some(value) = request.fields.get(Name::IfRange) else { return true };
    let etag = response.get("etag").and_then(|etag| EntityTag::parse(etag.as_bytes()));
    let Some(etag) = etag.filter(|_| !request.fields.is_repeated(Name::IfRange)) else {
        return false;
    };
    match EntityTag::parse(value) {
        Some(wanted) => wanted.is_strongly(etag),
        None if etag.is_weak => false,
        None => date::parse(value).is_some_and(|date| {
            let modified = response.get("last-modified").map(str::as_bytes);
            modified.and_then(date::parse) == Some(date)
        }),
    }
}

/// The 206 with one range.
fn single(range: Range<u64>, size: u64, mut response: Response) -> Response {
    response.status = Status::PARTIAL_CONTENT;
    response.lines.push(Line::new("content-range", content_range(&range, size)));
    let mut cut = Vec::with_capacity(1);
    push_cut(&mut cut, &response.body, range);
    response.body = match cut.pop() {
        Some(Part::Bytes(bytes)) if cut.is_empty() => Body::Bytes(bytes),
        Some(Part::File(file)) if cut.is_empty() => Body::File(file),
        last => {
            cut.extend(last);
            Body::Parts(cut)
        }
    };
    response
}

/// The 206 with several ranges, each under a head of its own (RFC 9110 section 14.6).
fn multipart(ranges: &[Range<u64>], size: u64, response: Response) -> Response {
    let boundary = boundary(response.get("etag").unwrap_or_default(), size);
    let content_type = response.get("content-type");

    let mut parts = Vec::with_capacity(2 * ranges.len() + 1);
    for (number, range) in ranges.iter().enumerate() {
        let mut head = if number == 0 { String::new() } else { "\r\n".to_owned() };
        head.push_str("--");
        head.push_str(&boundary);
        if let Some(content_type) = content_type {
            head.push_str("\r\ncontent-type: ");
            head.push_str(content_type);
        }
        head.push_str("\r\ncontent-range: ");
        head.push_str(&content_range(range, size));
        head.push_str("\r\n\r\n");
        parts.push(Part::Bytes(Shared::from(head.into_bytes())));
        push_cut(&mut parts, &response.body, range.clone());
    }
    let end = format!("\r\n--{boundary}--\r\n");
    parts.push(Part::Bytes(Shared::from(end.into_bytes())));

    // The prepared fields say what type the whole has, so they cannot be sent as they are.
    let prepared = response.prepared.iter().flat_map(|prepared| prepared.lines());
    let others = prepared.chain(&response.lines).filter(|line| line.name != "content-type");
    let mut lines: Vec<_> = others.cloned().collect();
    lines.push(Line::new("content-type", format!("multipart/byteranges; boundary={boundary}")));
    Response { lines, body: Body::Parts(parts), ..Response::empty(Status::PARTIAL_CONTENT) }
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

/// Adds `range` of `body` to `cut`, as references to what the body refers to.
fn push_cut(cut: &mut Vec<Part>, body: &Body, range: Range<u64>) {
    match body {
        Body::Empty | Body::Stream(_) => {}
        Body::Bytes(bytes) => cut.push(Part::Bytes(bytes.clone()).slice(range)),
        Body::File(file) => cut.push(Part::File(file.clone()).slice(range)),
        Body::Parts(parts) => {
            let mut start = 0u64;
            for part in parts {
                let end = start.saturating_add(part.len());
                let wanted = range.start.max(start)..range.end.min(end);
                if !wanted.is_empty() {
                    cut.push(part.slice(wanted.start - start..wanted.end - start));
                }
                start = end;
            }
        }
    }
}

/// A line that content does not hold by accident: 128 bits made of its validator and size, so the
/// same content is always divided alike.
fn boundary(etag: &str, size: u64) -> String {
    let mut text = b"gannet-".to_vec();
    for seed in [0xcbf2_9ce4_8422_2325, 0x6c62_272e_07bb_0142] {
        // FNV-1a: short, and nothing here has to withstand an attack.
        let bytes = etag.bytes().chain(size.to_be_bytes());
        let hash = bytes.fold(seed, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        text::push_hex(&mut text, hash);
    }
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Compares with the ranges as `0..2 4..5`, with `whole`, or with `none`.
    #[track_caller]
    fn check(value: &str, size: u64, expect: &str) {
        let seen = match parse(value.as_bytes(), size) {
            Ranges::Whole => "whole".to_owned(),
            Ranges::Unsatisfiable => "none".to_owned(),
            Ranges::Some(ranges) => {
                ranges.iter().map(|range| format!("{range:?}")).collect::<Vec<_>>().join(" ")
            }
        };
        assert_eq!(seen, expect, "{value}");
    }

    /// The examples of RFC 9110 section 14.1.2, for content of 10,000 bytes.
    #[test]
    fn the_examples_of_the_rfc() {
        check("bytes=0-499", 10_000, "0..500");
        check("bytes=500-999", 10_000, "500..1000");
        check("bytes=-500", 10_000, "9500..10000");
        check("bytes=9500-", 10_000, "9500..10000");
        check("bytes=0-0,-1", 10_000, "0..1 9999..10000");
        check("bytes= 0-999, 4500-5499, -1000", 10_000, "0..1000 4500..5500 9000..10000");
        check("bytes=500-600,601-999", 10_000, "500..601 601..1000");
        check("bytes=500-700,601-999", 10_000, "500..701 601..1000");
    }

    #[test]
    fn what_reaches_over_the_end_is_cut() {
        check("bytes=0-", 10, "0..10");
        check("bytes=9-99", 10, "9..10");
        check("bytes=-99", 10, "0..10");
        check("bytes=0-18446744073709551615", 10, "0..10");
        check("bytes=5-99999999999999999999999", 10, "5..10");
        check("bytes=-99999999999999999999999", 10, "0..10");
        check("BYTES=,0-1 ,\t,3-3,", 10, "0..2 3..4");
        check("bytes=99-,2-3,-0", 10, "2..4");
        check("bytes=0-", u64::MAX, "0..18446744073709551615");
    }

    #[test]
    fn what_is_not_there() {
        for value in ["10-", "10-10", "-0", "-0,99-100", "18446744073709551615-"] {
            check(&format!("bytes={value}"), 10, "none");
        }
        check("bytes=18446744073709551616-", u64::MAX, "none");
        check("bytes=99999999999999999999-99999999999999999999", u64::MAX, "none");
    }

    #[test]
    fn what_is_malformed_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=0-1,5-2",
            "bytes=0--1",
            "bytes=--1",
            "bytes=0 -1",
            "bytes=0- 1",
            "bytes =0-1",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1",
            "bytes=0-1;2-3",
            "bytes=0-1=",
            "bytes=\u{661}-2",
            "items=0-1",
            "bytes=0-1\u{a0}",
        ] {
            check(value, 10, "whole");
        }
    }

    #[test]
    fn what_is_abusive_is_ignored() {
        let repeated = |spec: &str, count| format!("bytes={}", vec![spec; count].join(","));
        check(&repeated("1-1", RANGES_MAX), 10_000, &vec!["1..2"; RANGES_MAX].join(" "));
        check(&repeated("1-1", RANGES_MAX + 1), 10_000, "whole");
        check(&repeated("99999-", 200), 10_000, "whole");
        check(&repeated("0-", 200), 10_000, "whole");
        check("bytes=0-,0-", 10, "whole");
        check("bytes=0-5,4-8,0-0", 10, "whole");
        check("bytes=0-5,4-6,0-0", 10, "0..6 4..7 0..1");
        check("bytes=0-,0-", u64::MAX, "whole");
    }

    proptest! {
        #[test]
        fn ranges_lie_inside_the_content_and_amount_to_no_more(
            value in "(bytes=)?([0-9]{0,21}-?[0-9]{0,21}[, ]?){0,20}",
            size in prop_oneof![0u64..40, any::<u64>()],
        ) {
            if let Ranges::Some(ranges) = parse(value.as_bytes(), size) {
                prop_assert!(!ranges.is_empty() && ranges.len() <= RANGES_MAX);
                prop_assert!(ranges.iter().all(|range| range.start < range.end));
                prop_assert!(ranges.iter().all(|range| range.end <= size));
                let total: u128 = ranges.iter().map(|r| u128::from(r.end - r.start)).sum();
                prop_assert!(total <= u128::from(size));
            }
        }

        #[test]
        fn no_value_is_too_odd(value: Vec<u8>, size: u64) {
            let _ = parse(&value, size);
            let _ = parse(&[b"bytes=", &*value].concat(), size);
        }

        /// Numbers of any length mean what they would in arithmetic without limits.
        #[test]
        fn one_range_is_what_its_numbers_say(first: u128, length in 0..20u128, size: u64) {
            let last = first.saturating_add(length);
            let end = last.saturating_add(1).min(u128::from(size));
            let is_there = first < u128::from(size);
            let expect = if is_there { format!("{first}..{end}") } else { "none".to_owned() };
            check(&format!("bytes={first}-{last}"), size, &expect);
        }
    }
}
