//! `traceparent` and `tracestate`: whatever stands there, what goes on is a trace as the standard
//! has it, the same as before.
//!
//! The first line of an input is the value of `traceparent`, each further one of a `tracestate`.

use crate::text::{latin1, lines};
use message::{Field, Fields, TraceContext};
use std::num::NonZero;

/// Pieces of both fields.
pub const TOKENS: &[&str] = &[
    "00-",
    "cc-",
    "ff-",
    "0af7651916cd43dd8448eb211c80319c",
    "00000000000000000000000000000000",
    "-b7ad6b7169203331-",
    "-0000000000000000-",
    "01",
    "0A",
    "-",
    "\n",
    "rojo=00f067aa0ba902b7",
    "a@b=",
    "=",
    ",",
    " , ",
    " ",
    "\t",
    "~",
    "*/_-",
];

const SPAN: NonZero<u64> = NonZero::<u64>::MAX;

/// Reads the lines, and what goes on as well.
pub fn run(data: &[u8]) {
    let values: Vec<&[u8]> = lines(data).collect();
    let (parent, states) = values.split_first().map_or((&b""[..], &[][..]), |(a, b)| (*a, b));
    let found = received(parent, states);
    let expect = slowly(&latin1(parent)).map(|(trace, flag)| (trace, flag, is_state(states)));
    let seen = found
        .as_ref()
        .map(|found| (format!("{:032x}", found.trace), found.is_sampled, found.keeps_state));
    assert_eq!(seen, expect, "{}", data.escape_ascii());
    if let Some(found) = found {
        let again = received(found.to_string().as_bytes(), states);
        let expect = TraceContext { parent: Some(SPAN), ..found };
        assert_eq!(again, Some(expect), "{}", data.escape_ascii());
    }
}

fn received(parent: &[u8], states: &[&[u8]]) -> Option<TraceContext> {
    let states = states.iter().map(|value| Field { name: b"tracestate", value });
    let parent = Field { name: b"traceparent", value: parent };
    let lines: Vec<_> = [parent].into_iter().chain(states).collect();
    TraceContext::received(&Fields::of(&lines), SPAN)
}

/// The same by comparison with a pattern, letter by letter.
fn slowly(text: &str) -> Option<(String, bool)> {
    const PATTERN: &str = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    let letters: Vec<char> = text.chars().collect();
    let fits = |(letter, wanted): (&char, char)| match wanted {
        'x' => "0123456789abcdef".contains(*letter),
        _ => *letter == wanted,
    };
    let is_long = letters.len() >= PATTERN.len();
    if !is_long || !letters.iter().zip(PATTERN.chars()).all(fits) || text.starts_with("ff") {
        return None;
    }
    let (trace, span) = (&text[3..35], &text[36..52]);
    let rest = &letters[PATTERN.len()..];
    let may_follow = !text.starts_with("00") && rest.first() == Some(&'-');
    let is_zero = |digits: &str| digits.chars().all(|digit| digit == '0');
    let is_good = !is_zero(trace) && !is_zero(span) && (rest.is_empty() || may_follow);
    is_good.then(|| (trace.to_owned(), "13579bdf".contains(letters[54])))
}

/// The same of a state, by way of one long text.
fn is_state(values: &[&[u8]]) -> bool {
    let text = values.iter().map(|value| latin1(value)).collect::<Vec<_>>().join(",");
    let blanks = ['\t', '\n', '\x0c', '\r', ' '];
    let members: Vec<&str> = text
        .split(',')
        .map(|member| member.trim_matches(blanks))
        .filter(|member| !member.is_empty())
        .collect();
    let pair = |member: &&str| member.split_once('=').map(|(key, value)| (key.len(), value.len()));
    let fits = |member: &&str| {
        let (start, inner) = ("abcdefghijklmnopqrstuvwxyz0123456789", "_-*/@");
        let Some((key, value)) = member.split_once('=') else { return false };
        key.starts_with(|letter| start.contains(letter))
            && key.chars().all(|letter| start.contains(letter) || inner.contains(letter))
            && value.chars().all(|letter| (' '..='~').contains(&letter) && letter != '=')
    };
    let key = |member: &&str| member.split('=').next().unwrap_or_default().to_owned();
    let keys: std::collections::HashSet<String> = members.iter().map(key).collect();
    members.len() <= 32
        && keys.len() == members.len()
        && members.iter().all(fits)
        && members.iter().filter_map(pair).all(|(a, b)| a <= 256 && (1..=256).contains(&b))
}
