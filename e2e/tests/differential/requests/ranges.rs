//! Ranges: of every kind by hand, and at random.

use super::{Random, Request};

pub(super) fn ranges(all: &mut Vec<Request>) {
    for (group, ranges) in [
        (
            "one range",
            &[
                "0-0", "0-", "5-9", "25-25", "25-", "0-25", "0-26", "3-999", "-1", "-26", "-27",
                "-999",
            ][..],
        ),
        (
            "a range beyond the end",
            &["26-", "26-30", "999-", "18446744073709551615-", "99999999999999999999999-"],
        ),
        ("an empty suffix", &["-0"]),
        (
            "a range that makes no sense",
            &["5-3", "a-b", "", "-", "--1", "1", "1-2-3", "0x1-2", "1-2;3"],
        ),
        ("a range with spaces", &[" 1-2", "1-2 ", "1 - 2"]),
        ("several ranges", &["0-0,2-2", "0-3,10-12,20-", "1-2, 4-5", "-2,0-1", "20-21,0-1"]),
        ("several ranges, one beyond the end", &["0-1,30-31", "99-,0-0"]),
        ("several ranges, all beyond the end", &["30-31,40-", "99-,-0"]),
        ("several ranges, one without sense", &["0-1,x", "5-3,0-1", "0-1,,3-4", ",0-1"]),
        ("several ranges, adjacent", &["0-4,5-9", "0-0,1-1,2-2"]),
        ("several ranges, overlapping", &["0-5,3-8", "0-10,5-6", "0-1,0-1"]),
        ("several ranges, more bytes than there are", &["0-,0-,0-", "0-25,0-25", "0-20,5-25"]),
    ] {
        for range in ranges {
            let line = format!("Range: bytes={range}");
            all.push(Request::get(group, "/letters.txt", &[&line]));
            all.push(
                Request::get(&format!("HEAD: {group}"), "/letters.txt", &[&line])
                    .with_method("HEAD"),
            );
        }
    }
    let many = |count: usize| {
        (0..count).map(|at| format!("{}-{}", at % 26, at % 26)).collect::<Vec<_>>().join(",")
    };
    for (group, count) in [("several ranges, 13", 13), ("several ranges, 200", 200)] {
        let line = format!("Range: bytes={}", many(count));
        all.push(Request::get(group, "/letters.txt", &[&line]));
    }
    all.push(Request::get("another unit", "/letters.txt", &["Range: lines=1-2"]));
    all.push(Request::get("the unit in capitals", "/letters.txt", &["Range: BYTES=1-2"]));
    all.push(Request::get(
        "two Range fields",
        "/letters.txt",
        &["Range: bytes=1-2", "Range: bytes=4-5"],
    ));
    all.push(Request::get("a range of nothing", "/empty.txt", &["Range: bytes=0-"]));
    all.push(Request::get("a range of nothing", "/empty.txt", &["Range: bytes=-5"]));
    all.push(Request::get("a range of an error", "/nothing", &["Range: bytes=0-1"]));
    all.push(Request::get("a range of a redirect", "/sub", &["Range: bytes=0-1"]));
}

pub(super) fn ranges_at_random(all: &mut Vec<Request>) {
    let mut random = Random(0x6469_7665);
    for _ in 0..600 {
        let count = 1 + random.below(4);
        let specs: Vec<_> = (0..count)
            .map(|_| {
                let (first, length) = (random.below(32), random.below(8));
                match random.below(8) {
                    0 => format!("{first}-"),
                    1 => format!("-{first}"),
                    2 => format!("{first}-{}", first.saturating_sub(length)),
                    _ => format!("{first}-{}", first + length),
                }
            })
            .collect();
        let line = format!("Range: bytes={}", specs.join(","));
        let group = if count == 1 { "one range at random" } else { "several ranges at random" };
        all.push(Request::get(group, "/letters.txt", &[&line]));
    }
}
