//! What an answer depends on: validators, dates and codings, alone and combined.

use super::{Random, Request};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const DATES: [(&str, &str); 6] = [
    ("the date", DATE),
    ("an earlier date", "Sat, 05 Nov 1994 08:49:37 GMT"),
    ("a later date", "Mon, 07 Nov 1994 08:49:37 GMT"),
    ("the date in an old form", "Sunday, 06-Nov-94 08:49:37 GMT"),
    ("the date in the form of asctime", "Sun Nov  6 08:49:37 1994"),
    ("no date", "yesterday"),
];
const TAGS: [(&str, &str); 8] = [
    ("the tag", "{etag}"),
    ("the tag, weak", "{weak}"),
    ("another tag", "\"other\""),
    ("a list with the tag", "\"a\", {etag}, \"b\""),
    ("a list with the tag, weak", "\"a\", {weak}"),
    ("a list of others", "\"a\", W/\"b\""),
    ("*", "*"),
    ("a tag without quotes", "other"),
];

pub(super) fn if_range(all: &mut Vec<Request>) {
    for (kind, value) in TAGS.iter().chain(&DATES) {
        let line = format!("If-Range: {value}");
        let fields = ["Range: bytes=2-4", &line];
        all.push(Request::get(&format!("If-Range: {kind}"), "/letters.txt", &fields));
        let fields = ["Range: bytes=99-", &line];
        all.push(Request::get(
            &format!("If-Range: {kind}, beyond the end"),
            "/letters.txt",
            &fields,
        ));
    }
}

pub(super) fn preconditions(all: &mut Vec<Request>) {
    for (kinds, names) in [
        (&TAGS[..], ["If-Match", "If-None-Match"]),
        (&DATES, ["If-Modified-Since", "If-Unmodified-Since"]),
    ] {
        for name in names {
            for (kind, value) in kinds {
                for method in ["GET", "HEAD"] {
                    let group = format!("{name}: {kind}");
                    let line = format!("{name}: {value}");
                    all.push(Request::get(&group, "/letters.txt", &[&line]).with_method(method));
                }
            }
        }
    }
    // What is there is weighed in the order of RFC 9110 section 13.2.2, whatever else is there.
    let pick =
        |random: &mut Random, kinds: &[(&str, &'static str)]| kinds[random.below(kinds.len())].1;
    let mut random = Random(0x6761_6e6e_6574);
    for _ in 0..1500 {
        let mut fields = Vec::new();
        let mut names = Vec::new();
        for (name, kinds) in [
            ("If-Match", &TAGS[..]),
            ("If-Unmodified-Since", &DATES),
            ("If-None-Match", &TAGS),
            ("If-Modified-Since", &DATES),
        ] {
            if random.below(2) == 1 {
                fields.push(format!("{name}: {}", pick(&mut random, kinds)));
                names.push(name);
            }
        }
        if random.below(3) == 0 {
            fields.push(format!("Range: bytes={}", ["2-4", "-3", "99-"][random.below(3)]));
            names.push("Range");
        }
        if names.len() < 2 {
            continue;
        }
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        all.push(Request::get("several preconditions", "/letters.txt", &fields));
    }
}

pub(super) fn codings(all: &mut Vec<Request>) {
    for (group, values) in [
        ("a coding, there", &["gzip", "x-gzip", "GZIP", "gzip;q=0.5", "br, gzip", "*"][..]),
        (
            "a coding, refused",
            &["gzip;q=0", "gzip;q=0.0, identity", "*;q=0, identity", "gzip; q=0"],
        ),
        ("a coding, not there", &["br", "zstd", "compress", "identity", ""]),
        ("no coding, nor none", &["identity;q=0, br", "identity;q=0", "*;q=0"]),
        ("a coding, senseless", &["gzip;q=2", "gzip;q=x", ";;", "gzipped", "gzip;x=1"]),
        ("a coding, less liked than none", &["gzip;q=0.1, identity", "identity, gzip;q=0.5"]),
    ] {
        for value in values {
            let line = format!("Accept-Encoding: {value}");
            all.push(Request::get(group, "/style.css", &[&line]));
            all.push(
                Request::get(&format!("HEAD: {group}"), "/style.css", &[&line]).with_method("HEAD"),
            );
            all.push(Request::get(&format!("{group}, no sibling"), "/letters.txt", &[&line]));
        }
    }
    let line = "Accept-Encoding: gzip";
    all.push(Request::get(
        "a range of a compressed file",
        "/style.css",
        &[line, "Range: bytes=2-4"],
    ));
    all.push(Request::get(
        "the tag of another coding",
        "/style.css",
        &[line, "If-None-Match: {etag}"],
    ));
}
