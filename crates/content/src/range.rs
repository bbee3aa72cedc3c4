//! What a Range field asks for (RFC 9110 section 14.2).

use message::{Method, Name, Request};
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

/// What `request` asks for of content of `size` bytes. The field means something with GET only, and
/// once; no Content-Range can speak of content of no bytes.
#[must_use]
pub fn asked(request: &Request<'_>, size: u64) -> Ranges {
    let fields = &request.fields;
    match fields.get(Name::Range) {
        Some(value)
            if size > 0 && request.method == Method::Get && !fields.is_repeated(Name::Range) =>
        {
            parse(value, size)
        }
        _ => Ranges::Whole,
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
