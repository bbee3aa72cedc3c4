//! Authorization: credentials that are exactly right are checked, all others are refused.
//!
//! Each line of an input is one field line's value.

use crate::text::lines;
use access::{Door, Entry, Ledger, Verdicts, check};
use base::Moment;
use config::{World, plan::Access};
use control::Clients;
use message::{Exchange, Field, Fields, Length, Method, Request, Status, Version};
use std::sync::OnceLock;

/// Pieces of credentials.
pub const TOKENS: &[&str] = &[
    "Basic ",
    "basic",
    "BASIC  ",
    "Bearer ",
    "Digest username=\"alice\"",
    "YWxpY2U6d29uZGVybGFuZA==",
    "YWxpY2U6d29uZGVybGFuZA",
    "Og==",
    "OjE=",
    "AAAA",
    "YQA6Yg==",
    "/////w==",
    "=",
    "==",
    "+",
    "/",
    "-",
    "_",
    " ",
    "\t",
    "\n",
    ",",
    "\0",
];

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Shows the door to a request with these values.
pub fn run(data: &[u8]) {
    let values: Vec<&[u8]> = lines(data).collect();
    let lines: Vec<_> =
        values.iter().map(|&value| Field { name: b"authorization", value }).collect();
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
    let mut exchange = Exchange::new(&request, None, 0);
    let mut verdicts = Verdicts::default();
    let mut door = Door {
        verdicts: &mut verdicts,
        clients: Clients::new(&[], [0; 2]),
        ledger: &mut Ledger::default(),
        now: Moment(0),
        done: None,
    };
    let entry = check(access(), &mut exchange, &mut door);
    assert_eq!(exchange.user, None, "nobody was let in");
    match (entry, meant(&values)) {
        (Entry::Wait(job), Some(text)) => {
            let user = text.split(':').next().unwrap_or_default();
            assert_eq!(format!("{job:?}"), format!("Job(the password of {user:?})"));
        }
        (Entry::Answered(response), None) => {
            assert_eq!(response.status, Status::UNAUTHORIZED);
            assert!(response.get("www-authenticate").is_some());
        }
        (entry, meant) => panic!("{entry:?} for {meant:?}"),
    }
}

/// The user, a colon and the password: what is encoded must be what its text is encoded as.
fn meant(values: &[&[u8]]) -> Option<String> {
    let [value] = values else { return None };
    let text = str::from_utf8(value).ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    let encoded = encoded.trim_start_matches(' ');
    let decoded = decoded(encoded)?;
    let is_meant = scheme.eq_ignore_ascii_case("basic") && self::encoded(&decoded) == encoded;
    let text = String::from_utf8(decoded).ok().filter(|_| is_meant)?;
    (text.contains(':') && !text.contains(|c: char| c.is_control())).then_some(text)
}

/// The whole bytes in `text`, however it ends.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|&known| known == letter)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

fn encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63]);
            text.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

/// A door that asks for a password.
fn access() -> &'static Access {
    static ACCESS: OnceLock<Access> = OnceLock::new();
    ACCESS.get_or_init(|| {
        let config = "[site.a]\nrespond = \"x\"\nauth.users.alice = \
                      \"$2b$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe\"";
        let plan = config::load("a.toml", config, &Nowhere).unwrap_or_else(|e| panic!("{e}"));
        plan.sites[0].routes.rest.policy.access.clone()
    })
}

/// A machine on which there is nothing.
struct Nowhere;

impl World for Nowhere {}
