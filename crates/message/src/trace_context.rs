//! Where an exchange stands among what other programs do for the same end: the fields `traceparent`
//! and `tracestate` of W3C Trace Context.

use crate::fields::Fields;
use std::{fmt, num::NonZero, str};

/// Bytes of a `traceparent` of the version that we know, which later ones begin with, too.
const PARENT_BYTES: usize = 55;

/// Members of a `tracestate` at most (section 3.3.1.1).
const STATE_MEMBERS_MAX: usize = 32;

/// Bytes of a key and of a value in it at most (sections 3.3.1.3.1 and 3.3.1.3.2).
const STATE_TEXT_BYTES_MAX: usize = 256;

/// A trace, and the span in it that is an exchange's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: NonZero<u128>,
    /// The exchange's own span.
    pub span: NonZero<u64>,
    /// The span that it stands below; none where the trace begins here.
    pub parent: Option<NonZero<u64>>,
    /// Whether whoever began the trace may have put it down, so that others should, too.
    pub is_sampled: bool,
    /// Whether the request's `tracestate` goes on with it.
    pub keeps_state: bool,
}

impl TraceContext {
    /// The trace that a request's fields name, with `span` in it. `None` where they name none, or
    /// not in the way that the standard has it.
    #[must_use]
    pub fn received(fields: &Fields<'_>, span: NonZero<u64>) -> Option<Self> {
        let (trace, parent, is_sampled) = parent(values(fields, "traceparent"))?;
        let parent = Some(parent);
        Some(Self { trace, span, parent, is_sampled, keeps_state: is_state(fields) })
    }

    /// The state that goes on with the trace, as one value.
    #[must_use]
    pub fn state(&self, fields: &Fields<'_>) -> Vec<u8> {
        let lines = values(fields, "tracestate").filter(|_| self.keeps_state);
        lines.collect::<Vec<_>>().join(&b","[..])
    }

    /// Whether a request's field of that name is not passed on as it came.
    #[must_use]
    pub fn replaces(&self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(b"traceparent")
            || !self.keeps_state && name.eq_ignore_ascii_case(b"tracestate")
    }
}

/// The value of the field `traceparent` for whoever is asked next.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, is_sampled, .. } = self;
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(*is_sampled))
    }
}

fn values<'h>(fields: &Fields<'h>, name: &'static str) -> impl Iterator<Item = &'h [u8]> {
    let lines = fields.lines().iter();
    lines.filter(|line| line.name.eq_ignore_ascii_case(name.as_bytes())).map(|line| line.value)
}

/// The trace of the only `traceparent`, the span in it, and whether it is sampled (section 3.2).
/// What later versions have beyond that is theirs (section 4.3).
fn parent<'h>(
    mut values: impl Iterator<Item = &'h [u8]>,
) -> Option<(NonZero<u128>, NonZero<u64>, bool)> {
    let value = values.next().filter(|_| values.next().is_none())?;
    let (known, more) = value.split_at_checked(PARENT_BYTES)?;
    let mut parts = str::from_utf8(known).ok()?.split('-');
    let mut number = |digits: usize| {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let part = parts.next()?;
        let is_number = part.len() == digits && part.bytes().all(is_digit);
        u128::from_str_radix(part, 16).ok().filter(|_| is_number)
    };
    let (version, trace, span, flags) = (number(2)?, number(32)?, number(16)?, number(2)?);
    let may_follow = version > 0 && more.starts_with(b"-");
    let is_whole = version < 0xff && (more.is_empty() || may_follow);
    let span = NonZero::new(span as u64).filter(|_| is_whole)?;
    Some((NonZero::new(trace)?, span, flags & 1 == 1))
}

/// Whether all lines of `tracestate` together are a list of keys, each once, with values
/// (section 3.3). One that is none is dropped, not the trace.
fn is_state(fields: &Fields<'_>) -> bool {
    let mut keys: Vec<&[u8]> = Vec::new();
    let members = values(fields, "tracestate").flat_map(|value| value.split(|byte| *byte == b','));
    for member in members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()) {
        let Some(equals) = member.iter().position(|byte| *byte == b'=') else { return false };
        let (key, value) = (&member[..equals], &member[equals + 1..]);
        if keys.len() == STATE_MEMBERS_MAX
            || keys.contains(&key)
            || !is_key(key)
            || !is_value(value)
        {
            return false;
        }
        keys.push(key);
    }
    true
}

fn is_key(key: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_inner = |byte: &u8| is_plain(byte) || b"_-*/@".contains(byte);
    key.first().is_some_and(is_plain)
        && key.len() <= STATE_TEXT_BYTES_MAX
        && key.iter().all(is_inner)
}

fn is_value(value: &[u8]) -> bool {
    let is_inner = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'=';
    (1..=STATE_TEXT_BYTES_MAX).contains(&value.len()) && value.iter().all(is_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Field;

    const SPAN: NonZero<u64> = NonZero::new(0xbeef).unwrap();
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn received(lines: &[(&str, &str)]) -> Option<TraceContext> {
        let lines: Vec<_> = lines
            .iter()
            .map(|(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() })
            .collect();
        TraceContext::received(&Fields::of(&lines), SPAN)
    }

    #[test]
    fn a_trace_goes_on_below_a_span_of_its_own() {
        let check = |value: &str, flags: &str| {
            let found = received(&[("TraceParent", value)]).unwrap();
            assert_eq!(
                found.to_string(),
                format!("00-{TRACE}-000000000000beef-{flags}"),
                "{value}"
            );
            assert_eq!(found.parent.map(NonZero::get), Some(0xb7ad_6b71_6920_3331), "{value}");
        };
        check(&format!("00-{TRACE}-b7ad6b7169203331-01"), "01");
        check(&format!("00-{TRACE}-b7ad6b7169203331-00"), "00");
        // Of flags and versions that are not known yet goes on what is known.
        check(&format!("00-{TRACE}-b7ad6b7169203331-ff"), "01");
        check(&format!("cc-{TRACE}-b7ad6b7169203331-02"), "00");
        check(&format!("fe-{TRACE}-b7ad6b7169203331-01-and more"), "01");
    }

    #[test]
    fn what_is_no_trace_is_none() {
        let whole = format!("00-{TRACE}-b7ad6b7169203331-01");
        assert!(received(&[("traceparent", &whole)]).is_some());
        for value in [
            "",
            "00",
            &whole[..54],
            &format!("ff{}", &whole[2..]),
            &format!("0G{}", &whole[2..]),
            &format!("{whole}-"),
            &format!("{whole}-00"),
            &format!("{whole}0"),
            &format!("01{}.00", &whole[2..]),
            &format!(" {}", &whole[1..]),
            &whole.to_uppercase(),
            &whole.replace('-', "_"),
            &whole.replace("0af", "+af"),
            &whole.replace("0af", "\u{e9}f"),
            &whole.replace(TRACE, &"0".repeat(32)),
            &whole.replace("b7ad6b7169203331", &"0".repeat(16)),
            &whole.replace("b7ad6b7169203331", "b7ad6b716920333-"),
            &"0".repeat(9_000),
        ] {
            assert_eq!(received(&[("traceparent", value)]), None, "{value}");
        }
        assert_eq!(received(&[("traceparent", &whole), ("Traceparent", &whole)]), None);
        assert_eq!(received(&[("trace-parent", &whole), ("tracestate", "a=1")]), None);
    }

    #[test]
    fn a_state_goes_on_with_its_trace_if_it_is_one() {
        let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
        let keeps = |states: &[&str]| {
            let states = states.iter().map(|state| ("tracestate", *state));
            let lines: Vec<_> = [("traceparent", &*parent)].into_iter().chain(states).collect();
            let found = received(&lines).unwrap();
            assert!(found.replaces(b"TraceParent") && !found.replaces(b"accept"));
            assert_eq!(found.replaces(b"TRACESTATE"), !found.keeps_state);
            found.keeps_state
        };
        let many = |members: usize| {
            (0..members).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join(",")
        };
        let long = |length: usize| format!("a={}", "x".repeat(length));
        for states in [
            &[][..],
            &[""],
            &["rojo=00f067aa0ba902b7, congo=t61rcWkgMzE"],
            &["a=1", "b=2,,\t"],
            &["fw529a3039@dt=FfxCGHZp1;b", "0/*-_@=~ !"],
            &[&many(32)],
            &[&long(256)],
        ] {
            assert!(keeps(states), "{states:?}");
        }
        for states in [
            &["a"][..],
            &["=1"],
            &["a="],
            &["A=1"],
            &["a b=1"],
            &["a =1"],
            &["a=1=2"],
            &["a=\u{e9}"],
            &["a=1,a=2"],
            &["a=1", "b=1,a=1"],
            &["@a=1"],
            &[&many(33)],
            &[&many(32), "x=1"],
            &[&long(257)],
        ] {
            assert!(!keeps(states), "{states:?}");
        }
    }
}
