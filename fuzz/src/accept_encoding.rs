//! Accept-Encoding and Accept: a choice that depends on nothing but what the client likes.
//!
//! Each line of an input is one field line's value.

use crate::text::lines;
use content::negotiation::{Codings, NotAcceptable, prefers_json};
use message::{Coding, Field, Fields};

/// Pieces of preferences.
pub const TOKENS: &[&str] = &[
    "gzip",
    "x-gzip",
    "br",
    "zstd",
    "deflate",
    "identity",
    "*",
    ";q=0",
    ";q=1",
    ";q=0.5",
    ";q=0.001",
    ";q=1.000",
    ";q=1.001",
    ";q=",
    "; q=0.9",
    ";Q=0.1",
    ";level=1",
    ",",
    ", ",
    "\n",
    "\t",
    "\"",
    "*/*",
    "text/html",
    "text/*",
    "application/json",
    "application/*",
    "=",
    ";",
];

/// Chooses among every set of codings, and between HTML and JSON.
pub fn run(data: &[u8]) {
    let values: Vec<&[u8]> = lines(data).collect();
    let codings = accepted(&values);
    for bits in 0..1 << Coding::COUNT {
        let is_there = |coding: &Coding| bits & 1 << *coding as u8 != 0;
        let available: Vec<_> = Coding::ALL.into_iter().filter(is_there).collect();
        check_choice(&codings, &available);
    }
    check_same(&values);
    check_additions(&values);
}

fn accepted(values: &[&[u8]]) -> Codings {
    let lines = fields("accept-encoding", values);
    Codings::accepted(&Fields::of(&lines))
}

fn likes_json(values: &[&[u8]]) -> bool {
    let lines = fields("accept", values);
    prefers_json(&Fields::of(&lines))
}

fn fields<'v>(name: &'v str, values: &[&'v [u8]]) -> Vec<Field<'v>> {
    values.iter().map(|&value| Field { name: name.as_bytes(), value }).collect()
}

/// The best is there and none of the others beats it; there is none only if each is refused. The
/// order of those that there are decides a tie, and nothing else.
fn check_choice(codings: &Codings, available: &[Coding]) {
    let best = codings.best(available);
    let backwards: Vec<_> = available.iter().rev().copied().collect();
    let last = codings.best(&backwards);
    if let (Ok(first), Ok(last)) = (best, last) {
        assert_eq!(codings.best(&[last, first]), Ok(last), "{first:?} is liked better");
    }
    assert_eq!(best.is_ok(), last.is_ok());
    match best {
        Ok(best) => {
            assert!(available.contains(&best));
            for &other in available {
                assert_eq!(codings.best(&[best, other]), Ok(best), "{other:?} is liked better");
            }
        }
        Err(NotAcceptable) => {
            assert!(available.iter().all(|&coding| codings.best(&[coding]).is_err()));
        }
    }
}

/// Other ways to write the same mean the same.
fn check_same(values: &[&[u8]]) {
    let joined = values.join(&b","[..]);
    let capitals = joined.to_ascii_uppercase();
    let spaced = joined.split(|&byte| byte == b',').collect::<Vec<_>>().join(&b" ,\t"[..]);
    for same in [&joined, &capitals, &spaced] {
        let shown = same.escape_ascii();
        assert_eq!(accepted(&[same]), accepted(values), "{shown}");
        assert_eq!(likes_json(&[same]), likes_json(values), "{shown}");
    }
}

/// What is unknown or malformed adds nothing, what is clear decides.
fn check_additions(values: &[&[u8]]) {
    let with = |value: &'static [u8]| [values, &[value]].concat();
    for nothing in
        [&b"x-unknown;q=1"[..], b"gzip;q=2", b"br;q=0.1234", b"identity;level=1;q=0", b""]
    {
        assert_eq!(accepted(&with(nothing)), accepted(values), "{}", nothing.escape_ascii());
    }
    assert_eq!(likes_json(&with(b"image/png")), likes_json(values));
    assert!(!likes_json(&with(b"text/html")), "HTML cannot be liked more");

    let only_gzip = accepted(&with(b"br;q=0, zstd;q=0, identity;q=0, gzip;q=0.001"));
    assert_eq!(only_gzip.best(&Coding::ALL), Ok(Coding::Gzip));
    let nothing = accepted(&with(b"br;q=0, zstd;q=0, identity;q=0, x-gzip;q=0"));
    assert_eq!(nothing.best(&Coding::ALL), Err(NotAcceptable));
}
